//! The process manager, pure: it learns from events and names the next command, until the transfer has ended.
//!
//! ```text
//! Requested ──debit──▶ Debited ──credit──▶ Credited ──complete──▶ Ended
//!     │ refused            │ refused
//!     └──reject──▶ Ended   └──reverse──▶ Reversed ──fail──▶ Ended
//! ```
//! A transfer that cannot go on is parked, and an operator says how it is to end ([`Resolution`]). To refund is to refuse what was not answered
//! yet and go on from there; to complete a refused credit is to waive its reversal first, and then to force the credit:
//! ```text
//! CreditRefused ──waive──▶ ReversalWaived ──force──▶ Credited ──complete──▶ Ended
//! ```
//! Everything it knows can be folded from the log again; each command may be given twice, because accounts and transfers refuse to do
//! the same thing twice. That is the whole of crash recovery.

use super::{TransferCommand, TransferEvent, TransferRequested, TransferStatus};
use crate::account::{AccountCommand, AccountEvent, Funds, Leg};
use crate::dead_letter::{Resolution, StepName};
use crate::mutation::{Rule, is_broken};
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
    /// The source account does without the money, which the destination account had refused.
    ReversalWaived,
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
    /// How an operator said that it is to end, after it was parked.
    pub resolution: Option<Resolution>,
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
        Self { transfer, requested_at, stage: Stage::Requested, resolution: None }
    }

    /// Learns from an event of this transfer, of any of its three streams.
    pub fn evolve(&mut self, event: &Event) {
        self.stage = match event {
            Event::Account(AccountEvent::Debited(_)) => Stage::Debited,
            Event::Account(AccountEvent::Credited(_)) => Stage::Credited,
            Event::Account(AccountEvent::DebitReversed(reversed)) => Stage::Reversed(reversed.reason),
            Event::Account(AccountEvent::DebitRefused(refused)) => Stage::DebitRefused(refused.reason),
            Event::Account(AccountEvent::CreditRefused(refused)) => Stage::CreditRefused(refused.reason),
            Event::Account(AccountEvent::ReversalWaived(_)) => Stage::ReversalWaived,
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
            | Event::DeadLetter(_)
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
            Stage::CreditRefused(_) if self.is_to_complete() => Stage::ReversalWaived,
            Stage::CreditRefused(reason) => Stage::Reversed(reason),
            Stage::ReversalWaived => Stage::Credited,
            Stage::Credited => Stage::Ended(TransferStatus::Completed),
            Stage::Reversed(reason) => Stage::Ended(TransferStatus::Failed(reason)),
            Stage::DebitRefused(reason) => Stage::Ended(TransferStatus::Rejected(reason)),
            Stage::Ended(status) => Stage::Ended(status),
        };
    }

    /// Learns that the account commanded last said no. `false` when no answer to that is known, as when the source account's balance cannot
    /// hold what comes back: then the transfer needs a person.
    #[must_use]
    pub fn refuse(&mut self, reason: Rejection) -> bool {
        self.stage = match self.stage {
            Stage::Requested => Stage::DebitRefused(reason),
            Stage::Debited => Stage::CreditRefused(reason),
            // The reversal was booked before it could be waived.
            Stage::CreditRefused(first) if self.is_to_complete() => Stage::Reversed(first),
            // The reversal was waived before it could be booked.
            Stage::CreditRefused(_) if reason == Rejection::ResolvedByOperator => Stage::ReversalWaived,
            Stage::DebitRefused(_)
            | Stage::CreditRefused(_)
            | Stage::ReversalWaived
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
        let refund = self.resolution == Some(Resolution::Refund);
        let source =
            |command: fn(Leg) -> AccountCommand| Step::Account(transfer.from, command(self.leg(transfer.to)));
        let destination =
            |command: fn(Leg) -> AccountCommand| Step::Account(transfer.to, command(self.leg(transfer.from)));
        let step = match self.stage {
            Stage::Requested if refund => {
                source(|leg| AccountCommand::RefuseDebit(leg, Rejection::ResolvedByOperator))
            }
            Stage::Requested => {
                Step::Account(transfer.from, AccountCommand::Debit(self.leg(transfer.to), funds))
            }
            Stage::Debited if refund => {
                destination(|leg| AccountCommand::RefuseCredit(leg, Rejection::ResolvedByOperator))
            }
            Stage::Debited if is_broken(Rule::CompletionFollowsCredit) => {
                Step::Transfer(TransferCommand::Complete)
            }
            Stage::Debited => destination(AccountCommand::Credit),
            Stage::CreditRefused(reason) if is_broken(Rule::FailureFollowsReversal) => {
                Step::Transfer(TransferCommand::Fail(reason))
            }
            Stage::CreditRefused(_) if self.is_to_complete() && is_broken(Rule::ForceFollowsWaiver) => {
                destination(AccountCommand::ForceCredit)
            }
            Stage::CreditRefused(_) if self.is_to_complete() => source(AccountCommand::WaiveReversal),
            Stage::CreditRefused(reason) => {
                Step::Account(transfer.from, AccountCommand::ReverseDebit(self.leg(transfer.to), reason))
            }
            Stage::ReversalWaived => destination(AccountCommand::ForceCredit),
            Stage::DebitRefused(reason) => Step::Transfer(TransferCommand::Reject(reason)),
            Stage::Credited => Step::Transfer(TransferCommand::Complete),
            Stage::Reversed(reason) => Step::Transfer(TransferCommand::Fail(reason)),
            Stage::Ended(_) => return None,
        };
        Some(step)
    }

    /// What the transfer waits for, by name; `None` when it has ended.
    #[must_use]
    pub const fn step_name(&self) -> Option<StepName> {
        Some(match self.stage {
            Stage::Requested => StepName::Debit,
            Stage::DebitRefused(_) => StepName::Reject,
            Stage::Debited => StepName::Credit,
            Stage::CreditRefused(_) if self.is_to_complete() => StepName::WaiveReversal,
            Stage::CreditRefused(_) => StepName::Reverse,
            Stage::ReversalWaived => StepName::ForceCredit,
            Stage::Credited => StepName::Complete,
            Stage::Reversed(_) => StepName::Fail,
            Stage::Ended(_) => return None,
        })
    }

    const fn is_to_complete(&self) -> bool {
        matches!(self.resolution, Some(Resolution::Complete))
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
