//! What a statement says: one month of one account.

use chrono::{DateTime, Duration, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use ledger_core::{AccountId, Currency, Month, TransferId};

use crate::limits::GAP_MINUTES_MAX;

/// The account that a statement is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementAccount {
    /// Its id.
    pub id: AccountId,
    /// Its number in other systems.
    pub reference: Option<String>,
    /// Its currency.
    pub currency: Currency,
    /// Whose account it is, as the statement names them.
    pub holder: String,
}

/// What an entry did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Money left the account.
    Debit,
    /// Money came to the account.
    Credit,
    /// Money of an earlier debit came back.
    Reversal,
}

impl EntryKind {
    /// The word for it in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debit => "debit",
            Self::Credit => "credit",
            Self::Reversal => "reversal",
        }
    }
}

/// An entry of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// Its event's revision in the account's stream: with the account's id, the entry's own id.
    pub revision: u64,
    /// The transfer that it belongs to.
    pub transfer_id: TransferId,
    /// Debit, credit or reversal.
    pub kind: EntryKind,
    /// Minor units, above zero.
    pub amount: i64,
    /// The other account.
    pub counterparty: AccountId,
    /// What it was for.
    pub description: Option<String>,
    /// The transfer's number in other systems.
    pub reference: Option<String>,
    /// When, in business time.
    pub booked_at: DateTime<Utc>,
}

impl Booking {
    /// What it adds to the balance, in minor units.
    #[must_use]
    pub fn change(&self) -> i128 {
        match self.kind {
            EntryKind::Debit => i128::from(self.amount).saturating_neg(),
            EntryKind::Credit | EntryKind::Reversal => i128::from(self.amount),
        }
    }
}

/// A booking and the balance after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The booking.
    pub booking: Booking,
    /// Minor units.
    pub balance: i128,
}

/// Why there is no statement of what was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Amounts are above zero; the kind says which way.
    #[error("the entry at revision {0} has an amount that is not above zero")]
    AmountNotPositive(u64),
    /// Booked in another month of the statement's time zone.
    #[error("the entry at revision {revision} was booked at {booked_at}, outside {month}")]
    OutsideMonth {
        /// The entry.
        revision: u64,
        /// When it was booked.
        booked_at: DateTime<Utc>,
        /// The statement's month.
        month: Month,
    },
    /// One event is one entry.
    #[error("the entry at revision {0} was given twice")]
    Twice(u64),
    /// Beyond 128 bits of minor units.
    #[error("the sums are beyond what can be counted")]
    OutOfRange,
}

/// One month of one account: it adds up, or it cannot be made.
///
/// Balances follow business time, so they may leave the 64 bits that the balance of an account keeps to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    account: StatementAccount,
    month: Month,
    zone: Tz,
    opening: i128,
    debits: i128,
    credits: i128,
    lines: Vec<Line>,
}

impl Statement {
    /// The statement of `month` in the bank's time zone, from the balance before it and its bookings, in any order: they are put in
    /// that of (`booked_at`, `revision`).
    ///
    /// # Errors
    /// See [`StatementError`].
    pub fn new(
        account: StatementAccount,
        month: Month,
        zone: Tz,
        opening: i128,
        mut bookings: Vec<Booking>,
    ) -> Result<Self, StatementError> {
        let mut revisions: Vec<_> = bookings.iter().map(|booking| booking.revision).collect();
        revisions.sort_unstable();
        if let Some(revision) = revisions.array_windows().find_map(|[a, b]| (a == b).then_some(*a)) {
            return Err(StatementError::Twice(revision));
        }
        bookings.sort_by_key(|booking| (booking.booked_at, booking.revision));
        let (mut balance, mut debits, mut credits) = (opening, 0_i128, 0_i128);
        let mut lines = Vec::with_capacity(bookings.len());
        for booking in bookings {
            let &Booking { revision, booked_at, .. } = &booking;
            if booking.amount <= 0 {
                return Err(StatementError::AmountNotPositive(revision));
            }
            if Month::containing(booked_at.with_timezone(&zone).date_naive()) != month {
                return Err(StatementError::OutsideMonth { revision, booked_at, month });
            }
            balance = balance.checked_add(booking.change()).ok_or(StatementError::OutOfRange)?;
            let side = match booking.kind {
                EntryKind::Debit => &mut debits,
                EntryKind::Credit | EntryKind::Reversal => &mut credits,
            };
            *side = side.checked_add(i128::from(booking.amount)).ok_or(StatementError::OutOfRange)?;
            lines.push(Line { booking, balance });
        }
        Ok(Self { account, month, zone, opening, debits, credits, lines })
    }

    /// The account.
    #[must_use]
    pub const fn account(&self) -> &StatementAccount {
        &self.account
    }

    /// The month.
    #[must_use]
    pub const fn month(&self) -> Month {
        self.month
    }

    /// The bank's time zone, in which the month begins and ends.
    #[must_use]
    pub const fn zone(&self) -> Tz {
        self.zone
    }

    /// The balance at the month's beginning, in minor units.
    #[must_use]
    pub const fn opening(&self) -> i128 {
        self.opening
    }

    /// The balance at the month's end, in minor units.
    #[must_use]
    pub fn closing(&self) -> i128 {
        self.lines.last().map_or(self.opening, |line| line.balance)
    }

    /// The sum of the debits, in minor units, zero or above.
    #[must_use]
    pub const fn debits(&self) -> i128 {
        self.debits
    }

    /// The sum of the credits, reversals among them, in minor units, zero or above.
    #[must_use]
    pub const fn credits(&self) -> i128 {
        self.credits
    }

    /// The bookings in order, each with the balance after it.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Minor units as text of the account's currency.
    #[must_use]
    pub fn amount(&self, minor: impl Into<i128>) -> String {
        self.account.currency.amount(minor)
    }

    /// An instant in the bank's time zone.
    #[must_use]
    pub fn local(&self, time: DateTime<Utc>) -> DateTime<Tz> {
        time.with_timezone(&self.zone)
    }

    /// The month's first and last second: whenever clocks show a time of this month, it is between them.
    #[must_use]
    pub fn span(&self) -> (DateTime<Tz>, DateTime<Tz>) {
        let first = self.month.first_day().and_time(NaiveTime::MIN);
        let last = self.month.next().first_day().and_time(NaiveTime::MIN) - Duration::seconds(1);
        let earliest =
            near(first, Duration::minutes(1), |local| self.zone.from_local_datetime(&local).earliest());
        let latest =
            near(last, Duration::minutes(-1), |local| self.zone.from_local_datetime(&local).latest());
        let in_utc = |local| self.zone.from_utc_datetime(local);
        (earliest.unwrap_or_else(|| in_utc(&first)), latest.unwrap_or_else(|| in_utc(&last)))
    }
}

/// From when on no clock of the zone shows a time of this month again.
pub(crate) fn over_from(month: Month, zone: Tz) -> DateTime<Tz> {
    last_at(month.next().first_day().and_time(NaiveTime::MIN), zone)
}

/// When clocks show this for the last time: then no earlier time comes again. Where they leave it out, as when they go forward, it is when
/// they go on.
pub(crate) fn last_at(local: NaiveDateTime, zone: Tz) -> DateTime<Tz> {
    let latest = near(local, Duration::minutes(1), |local| zone.from_local_datetime(&local).latest());
    latest.unwrap_or_else(|| zone.from_utc_datetime(&local))
}

/// What is found for this time, or else for the next one, step by step, that clocks do not leave out.
fn near<T>(local: NaiveDateTime, step: Duration, find: impl Fn(NaiveDateTime) -> Option<T>) -> Option<T> {
    (0..GAP_MINUTES_MAX).find_map(|steps| find(local + step * steps))
}

#[cfg(test)]
#[path = "statement_tests.rs"]
mod tests;
