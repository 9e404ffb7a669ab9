//! What happened to a transfer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{AccountId, Money, Rejection, TransferId};

/// A client asked for a transfer; its stream begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransferRequested {
    /// Its id.
    pub transfer_id: TransferId,
    /// The account to debit.
    pub from: AccountId,
    /// The account to credit.
    pub to: AccountId,
    /// How much, positive.
    pub amount: Money,
    /// The payer's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The transaction's number elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// True for imported history: the debit need not be covered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub already_booked: bool,
}

/// The transfer was refused before any money moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransferRejected {
    /// Its id.
    pub transfer_id: TransferId,
    /// Why.
    pub reason: Rejection,
}

/// Both legs are booked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransferCompleted {
    /// Its id.
    pub transfer_id: TransferId,
}

/// The credit was refused and the debit is back on its account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransferFailed {
    /// Its id.
    pub transfer_id: TransferId,
    /// Why the credit was refused.
    pub reason: Rejection,
}

/// Everything that can happen to a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferEvent {
    /// See [`TransferRequested`].
    Requested(TransferRequested),
    /// See [`TransferRejected`].
    Rejected(TransferRejected),
    /// See [`TransferCompleted`].
    Completed(TransferCompleted),
    /// See [`TransferFailed`].
    Failed(TransferFailed),
}
