use chrono::{DateTime, Duration, NaiveDate};
use chrono_tz::Tz;
use ledger_core::Month;
use proptest::prelude::*;

use super::{Statement, StatementError, over_from};
use crate::EntryKind::{Credit, Debit, Reversal};
use crate::testing::{ZONE, account, any_statement, at, booking, march, statement};

#[test]
fn balances_run_in_the_order_of_booking() {
    let mut late = booking(1, Debit, 250, "booked last, recorded first");
    late.booked_at = at(50);
    let bookings = vec![late, booking(2, Credit, 1_000, ""), booking(3, Reversal, 40, "")];
    let statement = statement("CZK", -300, bookings);
    let lines: Vec<_> = statement.lines().iter().map(|line| (line.booking.revision, line.balance)).collect();
    assert_eq!(lines, [(2, 700), (3, 740), (1, 490)]);
    assert_eq!((statement.opening(), statement.closing()), (-300, 490));
    assert_eq!((statement.debits(), statement.credits()), (250, 1_040));
}

#[test]
fn a_month_without_bookings_closes_as_it_opened() {
    let statement = statement("CZK", 77, Vec::new());
    assert_eq!((statement.closing(), statement.debits(), statement.credits()), (77, 0, 0));
}

#[test]
fn what_does_not_belong_is_refused() {
    let made = |bookings| Statement::new(account("CZK", "x"), march(), ZONE, 0, bookings);
    let zero = booking(4, Debit, 0, "");
    assert_eq!(made(vec![zero]), Err(StatementError::AmountNotPositive(4)));
    let twice = vec![booking(4, Debit, 1, ""), booking(5, Debit, 1, ""), booking(4, Credit, 1, "")];
    assert_eq!(made(twice), Err(StatementError::Twice(4)));
    let far = Statement::new(account("CZK", "x"), march(), ZONE, i128::MAX, vec![booking(1, Credit, 1, "")]);
    assert_eq!(far, Err(StatementError::OutOfRange));
}

#[test]
fn the_month_is_that_of_the_banks_clock() {
    let (begin, end) = statement("CZK", 0, Vec::new()).span();
    // Clocks go forward on the 29th.
    assert_eq!(begin.to_rfc3339(), "2026-03-01T00:00:00+01:00");
    assert_eq!(end.to_rfc3339(), "2026-03-31T23:59:59+02:00");
    let at_the = |booked_at| {
        let mut booking = booking(1, Debit, 1, "");
        booking.booked_at = booked_at;
        Statement::new(account("CZK", "x"), march(), ZONE, 0, vec![booking])
    };
    assert!(at_the(begin.to_utc()).is_ok());
    assert!(at_the(end.to_utc()).is_ok());
    let second = Duration::seconds(1);
    assert!(matches!(at_the(begin.to_utc() - second), Err(StatementError::OutsideMonth { revision: 1, .. })));
    assert!(matches!(at_the(end.to_utc() + second), Err(StatementError::OutsideMonth { revision: 1, .. })));
}

#[test]
fn where_midnight_comes_twice_the_month_begins_at_the_first() {
    let month = |month: &str, zone| {
        let month = month.parse().unwrap();
        let statement = Statement::new(account("CZK", "x"), month, zone, 0, Vec::new()).unwrap();
        let (begin, end) = statement.span();
        (begin.to_rfc3339(), end.to_rfc3339(), over_from(month, zone).to_rfc3339())
    };
    // From one o'clock back to midnight: an hour of November is shown twice, and none of October.
    let (_, end, over) = month("2026-10", Tz::America__Havana);
    assert_eq!(end, "2026-10-31T23:59:59-04:00");
    // No clock shows midnight again.
    assert_eq!(over, "2026-11-01T00:00:00-05:00");
    assert_eq!(month("2026-11", Tz::America__Havana).0, "2026-11-01T00:00:00-04:00");
    // From one past midnight back to the day before: a minute of November, then an hour of October.
    let (_, end, over) = month("2009-10", Tz::America__St_Johns);
    assert_eq!((&*end, &*over), ("2009-10-31T23:59:59-03:30", "2009-11-01T00:00:00-03:30"));
    assert_eq!(month("2009-11", Tz::America__St_Johns).0, "2009-11-01T00:00:00-02:30");
    // A last day that was left out.
    assert_eq!(month("1994-12", Tz::Pacific__Kiritimati).1, "1994-12-30T23:59:59-10:00");
}

proptest! {
    #[test]
    fn all_of_a_month_is_between_its_first_and_last_second(
        number in 0_i32..12 * 68, zone in prop::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
    ) {
        let day = NaiveDate::from_ymd_opt(1970 + number / 12, number.unsigned_abs() % 12 + 1, 1);
        let month = Month::containing(day.unwrap());
        let (begin, end) = Statement::new(account("CZK", "x"), month, zone, 0, Vec::new()).unwrap().span();
        let of = |time: DateTime<Tz>| Month::containing(time.date_naive());
        prop_assert_eq!((of(begin), of(end)), (month, month));
        let second = Duration::seconds(1);
        prop_assert!(of(begin - second) != month && of(end + second) != month);
        prop_assert!(end < over_from(month, zone));
    }

    #[test]
    fn what_was_there_and_what_came_and_went_is_what_is_left(statement in any_statement(120)) {
        prop_assert_eq!(statement.opening() + statement.credits() - statement.debits(), statement.closing());
        let times = statement.lines().iter().map(|line| (line.booking.booked_at, line.booking.revision));
        prop_assert!(times.is_sorted());
    }
}
