use chrono::{DateTime, Utc};

use super::*;

fn cursor(month: &str, revision: i64) -> EntryCursor {
    EntryCursor { month: month.parse::<Month>().unwrap().first_day(), revision }
}

#[test]
fn a_cursor_never_leads_out_of_the_month() {
    let month = "2026-11".parse().unwrap();
    let page = |after, before, backward| PageRequest { after, before, limit: 10, backward };

    let inside =
        Range::new(Some(month), EntryFilter::default(), &page(Some(cursor("2026-11", 5)), None, false));
    assert_eq!((inside.after, inside.before), (cursor("2026-11", 5), cursor("2026-12", -1)));
    assert!(inside.cut_off);

    let earlier =
        Range::new(Some(month), EntryFilter::default(), &page(Some(cursor("2026-10", 5)), None, false));
    assert_eq!(earlier.after, cursor("2026-11", -1));
    assert!(!earlier.cut_off);

    let later =
        Range::new(Some(month), EntryFilter::default(), &page(None, Some(cursor("2027-01", 5)), true));
    assert_eq!(later.before, cursor("2026-12", -1));
    assert!(!later.cut_off);
}

#[test]
fn a_range_of_time_reads_only_months_it_may_touch() {
    let at = |text: &str| Some(text.parse::<DateTime<Utc>>().unwrap());
    let all = PageRequest { after: None, before: None, limit: 10, backward: false };
    let filter = EntryFilter {
        from: at("2026-11-15T00:00:00Z"),
        to: at("2026-12-15T00:00:00Z"),
        ..EntryFilter::default()
    };
    let range = Range::new(None, filter.clone(), &all);
    assert_eq!((range.after, range.before), (cursor("2026-11", -1), cursor("2027-01", -1)));
    // In some time zone that is December.
    let filter = EntryFilter { from: at("2026-11-30T18:00:00Z"), to: at("2026-12-01T01:00:00Z"), ..filter };
    let range = Range::new("2026-12".parse().ok(), filter, &all);
    assert_eq!((range.after, range.before), (cursor("2026-12", -1), cursor("2027-01", -1)));
    assert!(!range.cut_off);
}
