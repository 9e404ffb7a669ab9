use proptest::prelude::*;

use super::*;

fn currency(code: &str) -> Currency {
    Currency::from_code(code).unwrap()
}

#[test]
fn an_amount_has_exactly_its_currencys_digits() {
    for (text, code, minor) in [
        ("10.50", "EUR", 1050),
        ("0.05", "CZK", 5),
        ("-0.05", "CZK", -5),
        ("0.00", "CZK", 0),
        ("1050", "JPY", 1050),
        ("1.234", "KWD", 1234),
        ("92233720368547758.07", "EUR", i64::MAX),
        ("-92233720368547758.08", "EUR", i64::MIN),
    ] {
        let money = Money::parse(text, currency(code)).unwrap();
        assert_eq!(money.minor, minor, "{text} {code}");
        assert_eq!(money.amount(), text);
    }
}

#[test]
fn any_other_spelling_is_refused() {
    for (text, code) in [
        ("", "EUR"),
        ("10", "EUR"),
        ("10.5", "EUR"),
        ("10.500", "EUR"),
        ("10,50", "EUR"),
        (" 10.50", "EUR"),
        ("10.50 ", "EUR"),
        ("+10.50", "EUR"),
        ("010.50", "EUR"),
        (".50", "EUR"),
        ("10.", "EUR"),
        ("1e2", "EUR"),
        ("0x10", "EUR"),
        ("--1.00", "EUR"),
        ("-0.00", "EUR"),
        ("1050.0", "JPY"),
        ("1050.", "JPY"),
        ("١٠.٥٠", "EUR"),
        ("NaN", "EUR"),
        ("1.2.3", "EUR"),
        ("1_000.00", "EUR"),
    ] {
        assert!(
            matches!(Money::parse(text, currency(code)), Err(MoneyError::Malformed { .. })),
            "{text:?} {code}"
        );
    }
    let beyond = Money::parse("92233720368547758.08", currency("EUR"));
    assert!(matches!(beyond, Err(MoneyError::OutOfRange { .. })));
    let far_beyond = Money::parse("1000000000000000000000000000.00", currency("EUR"));
    assert!(matches!(far_beyond, Err(MoneyError::OutOfRange { .. })));
}

#[test]
fn a_refused_amount_says_what_one_looks_like() {
    let error = Money::parse("10", currency("EUR")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "'10' is not an amount of EUR: write it with exactly 2 decimal digits, such as \"10.50\""
    );
}

#[test]
fn currencies_without_minor_units_are_not_for_accounts() {
    for code in ["XAU", "XXX", "eur", "EURO", "ZZZ", ""] {
        assert_eq!(Currency::from_code(code), None, "{code}");
    }
    assert!(Currency::all().all(|known| Currency::from_code(known.code()) == Some(known)));
}

#[test]
fn sums_never_wrap_around_and_never_mix_currencies() {
    let most = Money::new(i64::MAX, currency("EUR"));
    let cent = Money::new(1, currency("EUR"));
    assert!(matches!(most.plus(cent), Err(MoneyError::OutOfRange { .. })));
    assert!(matches!(cent.plus(Money::new(1, currency("CZK"))), Err(MoneyError::CurrencyMismatch { .. })));
}

fn any_money() -> impl Strategy<Value = Money> {
    let currencies: Vec<_> = Currency::all().collect();
    (any::<i64>(), prop::sample::select(currencies)).prop_map(|(minor, currency)| Money::new(minor, currency))
}

proptest! {
    #[test]
    fn text_and_json_come_back_as_they_were(money in any_money()) {
        prop_assert_eq!(Money::parse(&money.amount(), money.currency).unwrap(), money);
        let json = serde_json::to_string(&money).unwrap();
        prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
    }

    #[test]
    fn parsing_anything_never_panics(text in ".{0,40}") {
        let _ = Money::parse(&text, currency("EUR"));
    }

    #[test]
    fn what_is_added_can_be_taken_off(a in any_money(), minor in any::<i64>()) {
        let b = Money::new(minor, a.currency);
        if let Ok(sum) = a.plus(b) {
            prop_assert_eq!(sum, b.plus(a).unwrap());
            prop_assert_eq!(sum.minus(b).unwrap(), a);
        }
    }
}
