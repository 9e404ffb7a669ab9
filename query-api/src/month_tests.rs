use proptest::prelude::*;

use super::*;

#[test]
fn only_plain_months_are_months() {
    for bad in [
        "",
        "2026",
        "2026-1",
        "2026-13",
        "2026-00",
        "0000-01",
        "2026-011",
        "26-01",
        "+026-01",
        "2026-0x",
        "2026/01",
        "２０２６-01",
        "2026-01-01",
        " 2026-01",
        "-2026-01",
    ] {
        assert!(bad.parse::<Month>().is_err(), "{bad}");
    }
    let long = "9".repeat(10_000);
    assert!(long.parse::<Month>().unwrap_err().to_string().len() < 120);
}

#[test]
fn a_month_near_a_boundary_has_two_candidates() {
    let around = |text: &str| {
        let (first, last) = Month::around(text.parse().unwrap());
        format!("{first} {last}")
    };
    assert_eq!(around("2026-11-15T12:00:00Z"), "2026-11 2026-11");
    assert_eq!(around("2026-10-31T23:30:00Z"), "2026-10 2026-11");
    assert_eq!(around("2026-12-01T00:30:00Z"), "2026-11 2026-12");
}

#[test]
fn december_ends_with_the_year() {
    let december: Month = "9999-12".parse().unwrap();
    assert!(december.end() > december.first_day());
}

proptest! {
    #[test]
    fn text_and_back(year in 1i32..=9999, month in 1u32..=12) {
        let text = format!("{year:04}-{month:02}");
        prop_assert_eq!(text.parse::<Month>().unwrap().to_string(), text);
    }
}
