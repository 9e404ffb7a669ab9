//! The events that move money, seen as entries on an account: what most projections are made of.

use chrono::{Datelike, NaiveDate};
use chrono_tz::Tz;
use ledger_core::account::AccountEvent;
use ledger_core::settlement::Settlement;
use ledger_core::{AccountId, Event, Money, TransferId, stream};
use ledger_streams::Recorded;

use crate::ApplyError;

/// Which leg of a transfer an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    Debit,
    Credit,
    /// The debit back on its account.
    Reversal,
}

impl EntryKind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Debit => "debit",
            Self::Credit => "credit",
            Self::Reversal => "reversal",
        }
    }
}

/// A debit, credit or reversal on an account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) recorded: &'a Recorded,
    pub(super) account_id: AccountId,
    pub(super) kind: EntryKind,
    pub(super) transfer_id: TransferId,
    pub(super) counterparty: AccountId,
    pub(super) amount: Money,
    pub(super) balance_after: Money,
    pub(super) description: Option<&'a str>,
    pub(super) reference: Option<&'a str>,
}

/// The entries among the events.
pub(super) fn entries(events: &[Recorded]) -> impl Iterator<Item = Result<Entry<'_>, ApplyError>> {
    events.iter().filter_map(|recorded| Entry::of(recorded).transpose())
}

/// The account whose stream the event is in.
pub(super) fn account_of(recorded: &Recorded) -> Result<AccountId, ApplyError> {
    stream::account_id(&recorded.stream).ok_or(ApplyError::Unfit("not an account's stream"))
}

macro_rules! entry {
    ($recorded:ident, $kind:ident, $leg:ident) => {
        Entry {
            recorded: $recorded,
            account_id: account_of($recorded)?,
            kind: EntryKind::$kind,
            transfer_id: $leg.transfer_id,
            counterparty: $leg.counterparty,
            amount: $leg.amount,
            balance_after: $leg.balance_after,
            description: $leg.description.as_deref(),
            reference: $leg.reference.as_deref(),
        }
    };
}

impl<'a> Entry<'a> {
    fn of(recorded: &'a Recorded) -> Result<Option<Self>, ApplyError> {
        let entry = match &recorded.event {
            Event::Account(AccountEvent::Debited(leg)) => entry!(recorded, Debit, leg),
            Event::Account(AccountEvent::Credited(leg)) => entry!(recorded, Credit, leg),
            Event::Account(AccountEvent::DebitReversed(leg)) => entry!(recorded, Reversal, leg),
            Event::Account(
                AccountEvent::Opened(_)
                | AccountEvent::DebitRefused(_)
                | AccountEvent::CreditRefused(_)
                | AccountEvent::ReversalWaived(_)
                | AccountEvent::OverdraftLimitChanged(_)
                | AccountEvent::Frozen(_)
                | AccountEvent::Unfrozen(_)
                | AccountEvent::Closed(_),
            )
            | Event::Transfer(_)
            | Event::User(_)
            | Event::Reference(_)
            | Event::Statement(_)
            | Event::DeadLetter(_)
            | Event::Webhook(_) => return Ok(None),
        };
        Ok(Some(entry))
    }

    /// The account the transfer's money comes from.
    pub(super) const fn source(&self) -> AccountId {
        match self.kind {
            EntryKind::Debit | EntryKind::Reversal => self.account_id,
            EntryKind::Credit => self.counterparty,
        }
    }

    /// How the entry changes the account's balance, in minor units. Amounts are positive, so their negation exists.
    pub(super) const fn on_balance(&self) -> i64 {
        match self.kind {
            EntryKind::Debit => self.amount.minor.saturating_neg(),
            EntryKind::Credit | EntryKind::Reversal => self.amount.minor,
        }
    }

    /// How the entry changes what is in transit, in minor units: what it takes off a balance, it puts in transit.
    pub(super) const fn on_transit(&self) -> i64 {
        self.on_balance().saturating_neg()
    }

    /// True for an entry on one of the bank's own accounts.
    pub(super) fn is_settlement(&self) -> bool {
        Settlement::of(self.account_id).is_some()
    }

    /// First day of the month in which the entry was booked.
    pub(super) fn month(&self, time_zone: Tz) -> NaiveDate {
        let day = self.recorded.metadata.booked_at.with_timezone(&time_zone).date_naive();
        // Every month has a first day.
        day.with_day(1).unwrap_or(day)
    }
}
