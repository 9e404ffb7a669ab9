//! What an account's decisions need to know, and no more.

use serde::{Deserialize, Serialize};

use super::{AccountCredited, AccountEvent, Answer, BookedLeg, LegKind, Legs};
use crate::account::AccountKind;
use crate::{AccountId, Currency, Money, Position, Rejection, TransferId, UserId};

/// Whether an account takes debits and credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    /// It does.
    Open,
    /// Not for now.
    Frozen,
    /// Never again.
    Closed,
}

/// An account that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its holder.
    pub user_id: Option<UserId>,
    /// What it is for.
    pub kind: AccountKind,
    /// Open, frozen or closed.
    pub status: AccountStatus,
    /// What is on it, debits in flight taken off.
    pub balance: Money,
    /// How far below zero it may go.
    pub overdraft_limit: Money,
    /// Its recent legs.
    pub legs: Legs,
}

impl Account {
    /// Its currency.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        self.balance.currency
    }

    /// The same without its memory of legs, which may be large.
    #[must_use]
    pub fn summary(&self) -> Self {
        let Self { id, user_id, kind, status, balance, overdraft_limit, legs: _ } = *self;
        Self { id, user_id, kind, status, balance, overdraft_limit, legs: Legs::default() }
    }
}

/// An account's state: what its stream says up to a revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountState {
    /// The account, once opened.
    pub account: Option<Account>,
    /// How many events were folded in; the stream's last revision is one less.
    pub events: u64,
}

impl AccountState {
    /// Folds one event in. Cannot fail: an event that happened cannot be refused.
    pub fn evolve(&mut self, event: &AccountEvent) {
        let revision = self.events;
        self.events = revision.saturating_add(1);
        if let AccountEvent::Opened(opened) = event {
            self.account = Some(Account {
                id: opened.account_id,
                user_id: opened.user_id,
                kind: opened.kind,
                status: AccountStatus::Open,
                balance: Money::zero(opened.currency),
                overdraft_limit: opened.overdraft_limit,
                legs: Legs::default(),
            });
            return;
        }
        let Some(account) = &mut self.account else { return };
        match event {
            AccountEvent::Opened(_) => {}
            AccountEvent::Debited(debited) => {
                account.book(debited.balance_after, debited.transfer_id, LegKind::Debit, revision);
            }
            AccountEvent::Credited(credited) => {
                account.book(credited.balance_after, credited.transfer_id, kind_of(credited), revision);
            }
            AccountEvent::DebitReversed(reversed) => {
                account.book(reversed.balance_after, reversed.transfer_id, LegKind::Reversal, revision);
            }
            AccountEvent::DebitRefused(refused) => {
                account.legs.push(refused.transfer_id, LegKind::Debit, Err(refused.reason), revision);
            }
            AccountEvent::CreditRefused(refused) => {
                account.legs.push(refused.transfer_id, LegKind::Credit, Err(refused.reason), revision);
            }
            AccountEvent::ReversalWaived(waived) => {
                account.legs.push(waived.transfer_id, LegKind::Reversal, WAIVED, revision);
            }
            AccountEvent::OverdraftLimitChanged(changed) => account.overdraft_limit = changed.limit,
            AccountEvent::Frozen(_) => account.status = AccountStatus::Frozen,
            AccountEvent::Unfrozen(_) => account.status = AccountStatus::Open,
            AccountEvent::Closed(_) => account.status = AccountStatus::Closed,
        }
    }

    /// Every event folded in up to `revision` is on disk, at or before `position`.
    pub fn settle(&mut self, revision: u64, position: Position) {
        if let Some(account) = &mut self.account {
            account.legs.settle(revision, position);
        }
    }

    /// True when the account remembers every leg booked at or after `position`; it goes on doing so until a later place is asked
    /// about. Positions beyond what was loaded are covered: a leg that came since made an append fail first.
    #[must_use]
    pub fn remembers(&mut self, position: Position) -> bool {
        self.account.as_mut().is_none_or(|account| account.legs.ask(position))
    }

    /// Where the legs are that the account does not remember.
    #[must_use]
    pub fn unremembered(&self) -> Unremembered {
        let legs = self.account.as_ref().map(|account| &account.legs);
        Unremembered {
            before_position: legs.map_or(0, Legs::complete_from),
            before_revision: legs.and_then(Legs::oldest_revision).unwrap_or(self.events),
        }
    }

    /// Teaches the account the legs between `position` and what it remembers: of its own stream, oldest first.
    pub fn remember(&mut self, position: Position, legs: impl DoubleEndedIterator<Item = BookedLeg>) {
        let Some(account) = &mut self.account else { return };
        let complete_from = account.legs.complete_from();
        account.legs.widen(position, legs.filter(|leg| leg.position < complete_from));
    }

    /// Teaches the account what it answered to one transfer before what it remembers, and nothing else: for a question from so long ago
    /// that everything since would be too much. Good until the next such question.
    pub fn recall(&mut self, legs: Vec<BookedLeg>) {
        if let Some(account) = &mut self.account {
            account.legs.recall(legs);
        }
    }
}

/// A part of an account's stream: what lies before both, oldest events first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unremembered {
    /// Every leg at or after this position is remembered.
    pub before_position: Position,
    /// Every leg at or after this revision is remembered.
    pub before_revision: u64,
}

impl Account {
    fn book(&mut self, balance_after: Money, transfer_id: TransferId, kind: LegKind, revision: u64) {
        self.balance = balance_after;
        self.legs.push(transfer_id, kind, Ok(()), revision);
    }
}

/// What an account says to a reversal that it does without.
const WAIVED: Answer = Err(Rejection::ResolvedByOperator);

const fn kind_of(credited: &AccountCredited) -> LegKind {
    if credited.forced { LegKind::ForcedCredit } else { LegKind::Credit }
}

impl BookedLeg {
    /// The leg that an event of the account's stream is, if it is one.
    #[must_use]
    pub fn of(event: &AccountEvent, revision: u64, position: Position) -> Option<Self> {
        let (transfer_id, kind, answer) = leg_of(event)?;
        Some(Self { transfer_id, kind, answer, revision, position })
    }
}

fn leg_of(event: &AccountEvent) -> Option<(TransferId, LegKind, Answer)> {
    match event {
        AccountEvent::Debited(debited) => Some((debited.transfer_id, LegKind::Debit, Ok(()))),
        AccountEvent::Credited(credited) => Some((credited.transfer_id, kind_of(credited), Ok(()))),
        AccountEvent::DebitReversed(reversed) => Some((reversed.transfer_id, LegKind::Reversal, Ok(()))),
        AccountEvent::DebitRefused(refused) => {
            Some((refused.transfer_id, LegKind::Debit, Err(refused.reason)))
        }
        AccountEvent::CreditRefused(refused) => {
            Some((refused.transfer_id, LegKind::Credit, Err(refused.reason)))
        }
        AccountEvent::ReversalWaived(waived) => Some((waived.transfer_id, LegKind::Reversal, WAIVED)),
        AccountEvent::Opened(_)
        | AccountEvent::OverdraftLimitChanged(_)
        | AccountEvent::Frozen(_)
        | AccountEvent::Unfrozen(_)
        | AccountEvent::Closed(_) => None,
    }
}
