//! The process manager, pure: it learns from events and names the next command, until the transfer has ended.
//!
//! ```text
//! Requested ──debit──▶ Debited ──credit──▶ Credited ──complete──▶ Ended
//!     │ refused            │ refused
//!     └──reject──▶ Ended   └──reverse──▶ Reversed ──fail──▶ Ended
//! ```
//! Everything it knows can be folded from the log again; each command may be given twice, because accounts and transfers refuse to do
//! the same thing twice. That is the whole of crash recovery.

use super::{TransferCommand, TransferEvent, TransferRequested, TransferStatus};
use crate::account::{AccountCommand, AccountEvent, Funds, Leg};
use crate::{AccountId, Event, Position, Rejection};

/// How far a transfer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Asked for; the source account has not answered yet.
    Requested,
    /// The source account refused.
    DebitRefused(Rejection),
    /// The money has left the source account.
    Debited,
    /// The destination account refused.
    CreditRefused(Rejection),
    /// The money has arrived.
    Credited,
    /// The money is back on the source account.
    Reversed(Rejection),
    /// Nothing more to do.
    Ended(TransferStatus),
}

/// One transfer under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// What was asked for.
    pub transfer: TransferRequested,
    /// Where in the log it was asked for: no leg of it lies before.
    pub requested_at: Position,
    /// How far it has come.
    pub stage: Stage,
}

/// The next command, and whom it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// For an account.
    Account(AccountId, AccountCommand),
    /// For the transfer itself; it ends with this.
    Transfer(TransferCommand),
}

impl Process {
    /// A transfer that was requested at `requested_at`.
    #[must_use]
    pub const fn new(transfer: TransferRequested, requested_at: Position) -> Self {
        Self { transfer, requested_at, stage: Stage::Requested }
    }

    /// Learns from an event of this transfer, of any of its three streams.
    pub fn evolve(&mut self, event: &Event) {
        self.stage = match event {
            Event::Account(AccountEvent::Debited(_)) => Stage::Debited,
            Event::Account(AccountEvent::Credited(_)) => Stage::Credited,
            Event::Account(AccountEvent::DebitReversed(reversed)) => Stage::Reversed(reversed.reason),
            Event::Account(AccountEvent::DebitRefused(refused)) => Stage::DebitRefused(refused.reason),
            Event::Account(AccountEvent::CreditRefused(refused)) => Stage::CreditRefused(refused.reason),
            Event::Transfer(TransferEvent::Completed(_)) => Stage::Ended(TransferStatus::Completed),
            Event::Transfer(TransferEvent::Failed(failed)) => {
                Stage::Ended(TransferStatus::Failed(failed.reason))
            }
            Event::Transfer(TransferEvent::Rejected(rejected)) => {
                Stage::Ended(TransferStatus::Rejected(rejected.reason))
            }
            Event::Transfer(TransferEvent::Requested(_))
            | Event::User(_)
            | Event::Reference(_)
            | Event::Statement(_)
            | Event::Webhook(_)
            | Event::Account(
                AccountEvent::Opened(_)
                | AccountEvent::OverdraftLimitChanged(_)
                | AccountEvent::Frozen(_)
                | AccountEvent::Unfrozen(_)
                | AccountEvent::Closed(_),
            ) => self.stage,
        };
    }

    /// Learns that the last command had its effect, now or before.
    pub fn succeed(&mut self) {
        self.stage = match self.stage {
            Stage::Requested => Stage::Debited,
            Stage::Debited => Stage::Credited,
            Stage::CreditRefused(reason) => Stage::Reversed(reason),
            Stage::Credited => Stage::Ended(TransferStatus::Completed),
            Stage::Reversed(reason) => Stage::Ended(TransferStatus::Failed(reason)),
            Stage::DebitRefused(reason) => Stage::Ended(TransferStatus::Rejected(reason)),
            Stage::Ended(status) => Stage::Ended(status),
        };
    }

    /// Learns that the account commanded last said no. `false` when no answer to that is known: a reversal cannot be refused by a rule,
    /// so the transfer needs a person.
    #[must_use]
    pub fn refuse(&mut self, reason: Rejection) -> bool {
        self.stage = match self.stage {
            Stage::Requested => Stage::DebitRefused(reason),
            Stage::Debited => Stage::CreditRefused(reason),
            Stage::DebitRefused(_)
            | Stage::CreditRefused(_)
            | Stage::Credited
            | Stage::Reversed(_)
            | Stage::Ended(_) => return false,
        };
        true
    }

    /// Where the transfer stands.
    #[must_use]
    pub const fn status(&self) -> TransferStatus {
        match self.stage {
            Stage::Ended(status) => status,
            _ => TransferStatus::Pending,
        }
    }

    /// The next command; `None` when the transfer has ended.
    #[must_use]
    pub fn next(&self) -> Option<Step> {
        let transfer = &self.transfer;
        let funds = if transfer.already_booked { Funds::AlreadyBooked } else { Funds::MustCover };
        let step = match self.stage {
            Stage::Requested => {
                Step::Account(transfer.from, AccountCommand::Debit(self.leg(transfer.to), funds))
            }
            Stage::Debited => Step::Account(transfer.to, AccountCommand::Credit(self.leg(transfer.from))),
            Stage::CreditRefused(reason) => {
                Step::Account(transfer.from, AccountCommand::ReverseDebit(self.leg(transfer.to), reason))
            }
            Stage::DebitRefused(reason) => Step::Transfer(TransferCommand::Reject(reason)),
            Stage::Credited => Step::Transfer(TransferCommand::Complete),
            Stage::Reversed(reason) => Step::Transfer(TransferCommand::Fail(reason)),
            Stage::Ended(_) => return None,
        };
        Some(step)
    }

    fn leg(&self, counterparty: AccountId) -> Leg {
        Leg {
            transfer_id: self.transfer.transfer_id,
            counterparty,
            amount: self.transfer.amount,
            description: self.transfer.description.clone(),
            reference: self.transfer.reference.clone(),
            since: Some(self.requested_at),
        }
    }
}
