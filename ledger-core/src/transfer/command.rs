//! What can be asked of a transfer.

use crate::{AccountId, Money, Rejection, TransferId};

/// Ask for a transfer, under an id that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestTransfer {
    /// The id it gets if it is new; a repeated request keeps its first one.
    pub transfer_id: TransferId,
    /// The account to debit.
    pub from: AccountId,
    /// The account to credit.
    pub to: AccountId,
    /// How much.
    pub amount: Money,
    /// The payer's text.
    pub description: Option<String>,
    /// The transaction's number elsewhere.
    pub reference: Option<String>,
    /// True for imported history: the debit need not be covered.
    pub already_booked: bool,
}

/// Everything that can be asked of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferCommand {
    /// Begin it.
    Request(RequestTransfer),
    /// End it before any money moved.
    Reject(Rejection),
    /// End it: both legs are booked.
    Complete,
    /// End it: the debit came back.
    Fail(Rejection),
}
