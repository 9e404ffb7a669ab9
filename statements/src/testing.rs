//! Statements to try things on.

use std::num::NonZeroU32;

use chrono::{DateTime, Duration, TimeZone as _, Utc};
use chrono_tz::Tz;
use ledger_core::{AccountId, Currency, Month, TransferId};
use proptest::prelude::*;

use crate::{BankProfile, Booking, Documents, EntryKind, FontSources, Issue, Statement, StatementAccount};

pub(crate) const ZONE: Tz = chrono_tz::Europe::Prague;

pub(crate) fn march() -> Month {
    "2026-03".parse().unwrap()
}

/// Some instant of March in Prague.
pub(crate) fn at(minutes: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 2, 28, 23, 0, 0).unwrap() + Duration::minutes(i64::from(minutes))
}

pub(crate) fn account(currency: &str, holder: &str) -> StatementAccount {
    StatementAccount {
        id: AccountId::from_i64(7_123_456_789_012_345_001).unwrap(),
        reference: Some("1787".to_owned()),
        currency: Currency::from_code(currency).unwrap(),
        holder: holder.to_owned(),
    }
}

pub(crate) fn booking(revision: u64, kind: EntryKind, amount: i64, description: &str) -> Booking {
    Booking {
        revision,
        transfer_id: TransferId::from_i64(7_200_000_000_000_000_000 + revision.cast_signed()).unwrap(),
        kind,
        amount,
        counterparty: AccountId::from_i64(7_111_111_111_111_111_111).unwrap(),
        description: (!description.is_empty()).then(|| description.to_owned()),
        reference: None,
        booked_at: at(u32::try_from(revision).unwrap()),
    }
}

pub(crate) fn statement(currency: &str, opening: i128, bookings: Vec<Booking>) -> Statement {
    Statement::new(account(currency, "Jana Nováková"), march(), ZONE, opening, bookings).unwrap()
}

pub(crate) fn issue(number: u32) -> Issue {
    let issued_at = Utc.with_ymd_and_hms(2026, 4, 1, 0, 5, 0).unwrap();
    Issue { number: NonZeroU32::new(number).unwrap(), replaces: NonZeroU32::new(number - 1), issued_at }
}

pub(crate) fn bank() -> BankProfile {
    let address = ["Na Příkopě 864/28", "115 03 Praha 1"].map(str::to_owned).to_vec();
    BankProfile { address, bic: Some("BOHECZPP".to_owned()), ..BankProfile::named("Bank of Bohemia & Sons") }
}

pub(crate) fn documents() -> Documents {
    Documents::new(bank(), &FontSources { system: true, folders: Vec::new() }).unwrap()
}

/// Any text that could stand in an event, and some that could not.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{1,140}", "[ -~]{1,140}", "[=+@-][a-z(]{1,20}", any::<String>()]
}

fn any_kind() -> impl Strategy<Value = EntryKind> {
    prop_oneof![Just(EntryKind::Debit), Just(EntryKind::Credit), Just(EntryKind::Reversal)]
}

/// Any statement of up to so many bookings.
pub(crate) fn any_statement(bookings_max: usize) -> impl Strategy<Value = Statement> {
    let amount = prop_oneof![1..1_000_000_i64, 1..=999_999_999_999_999_i64];
    let minutes = 31 * 24 * 60 - 60_u32;
    let facts =
        (any_kind(), amount, 0..minutes, prop::option::of(any_text()), prop::option::of("[ -~]{1,64}"));
    let bookings = prop::collection::vec(facts, 0..=bookings_max);
    let currency = prop::sample::select(vec!["CZK", "JPY", "KWD", "EUR"]);
    (bookings, -1_000_000_000_000_i128..1_000_000_000_000, currency, any_text()).prop_map(
        |(facts, opening, currency, holder)| {
            let bookings = facts.into_iter().zip(1..).map(
                |((kind, amount, minutes, description, reference), revision)| {
                    let booked_at = at(minutes);
                    Booking { description, reference, booked_at, ..booking(revision, kind, amount, "") }
                },
            );
            Statement::new(account(currency, &holder), march(), ZONE, opening, bookings.collect()).unwrap()
        },
    )
}
