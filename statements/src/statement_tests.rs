use proptest::prelude::*;

use super::{Statement, StatementError};
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
    let second = chrono::Duration::seconds(1);
    assert!(matches!(at_the(begin.to_utc() - second), Err(StatementError::OutsideMonth { revision: 1, .. })));
    assert!(matches!(at_the(end.to_utc() + second), Err(StatementError::OutsideMonth { revision: 1, .. })));
}

proptest! {
    #[test]
    fn what_was_there_and_what_came_and_went_is_what_is_left(statement in any_statement(120)) {
        prop_assert_eq!(statement.opening() + statement.credits() - statement.debits(), statement.closing());
        let times = statement.lines().iter().map(|line| (line.booking.booked_at, line.booking.revision));
        prop_assert!(times.is_sorted());
    }
}
