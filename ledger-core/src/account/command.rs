//! What can be asked of an account.

use super::AccountKind;
use crate::{AccountId, Currency, Money, Position, Rejection, TransferId, UserId};

/// Open an account under an id that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAccount {
    /// The new account's id.
    pub account_id: AccountId,
    /// Its holder.
    pub user_id: Option<UserId>,
    /// What it is for.
    pub kind: AccountKind,
    /// Its currency.
    pub currency: Currency,
    /// Its number elsewhere.
    pub reference: Option<String>,
    /// How far below zero it may go.
    pub overdraft_limit: Money,
}

/// One side of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The transfer.
    pub transfer_id: TransferId,
    /// The account on the other side.
    pub counterparty: AccountId,
    /// How much, positive.
    pub amount: Money,
    /// The payer's text.
    pub description: Option<String>,
    /// The transaction's number elsewhere.
    pub reference: Option<String>,
    /// A position in the log before which this leg cannot have been booked: the account must know of every leg since then to
    /// refuse this one a second time. `None` for a leg whose transfer is only now being requested.
    pub since: Option<Position>,
}

/// Whether a debit must be covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Funds {
    /// The available balance must cover it.
    MustCover,
    /// Another book has already booked it (import): history is recorded as it was, overdrawn or not.
    AlreadyBooked,
}

/// Everything that can be asked of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountCommand {
    /// Open it.
    Open(OpenAccount),
    /// Take money off it.
    Debit(Leg, Funds),
    /// Put money on it.
    Credit(Leg),
    /// Give a debit back, because the credit was refused for this reason. No rule refuses it, for the money belongs here; only an operator's
    /// word that it goes to the other side after all.
    ReverseDebit(Leg, Rejection),
    /// Answer a debit with no, unless it was answered before: an operator ends its transfer.
    RefuseDebit(Leg, Rejection),
    /// Answer a credit with no, unless it was answered before: an operator ends its transfer.
    RefuseCredit(Leg, Rejection),
    /// Do without the money of a refused credit for good: an operator sends it to the other side after all.
    WaiveReversal(Leg),
    /// Book a credit that was refused before, on an operator's word, also on a frozen or closed account. Only after the other side did
    /// without it ([`Self::WaiveReversal`]).
    ForceCredit(Leg),
    /// Change how far below zero it may go.
    ChangeOverdraftLimit(Money),
    /// Stop debits and credits, for a reason in words.
    Freeze(Option<String>),
    /// Allow debits and credits again.
    Unfreeze,
    /// Stop debits and credits for good.
    Close,
}

/// What an account must know before it decides about a leg: every answer it gave to this transfer at or after a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The transfer.
    pub transfer_id: TransferId,
    /// No leg of it lies before.
    pub since: Position,
}

impl AccountCommand {
    /// What the account must know of its legs before this command is decided.
    #[must_use]
    pub fn question(&self) -> Option<Question> {
        match self {
            Self::Debit(leg, _)
            | Self::Credit(leg)
            | Self::ReverseDebit(leg, _)
            | Self::RefuseDebit(leg, _)
            | Self::RefuseCredit(leg, _)
            | Self::WaiveReversal(leg)
            | Self::ForceCredit(leg) => {
                leg.since.map(|since| Question { transfer_id: leg.transfer_id, since })
            }
            Self::Open(_)
            | Self::ChangeOverdraftLimit(_)
            | Self::Freeze(_)
            | Self::Unfreeze
            | Self::Close => None,
        }
    }
}
