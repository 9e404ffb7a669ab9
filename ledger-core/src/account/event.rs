//! What happened to an account.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{AccountId, Currency, Money, Rejection, TransferId, UserId};

/// What an account is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// Everyday payments.
    Checking,
    /// Savings.
    Savings,
    /// The bank's own; see [`crate::settlement`]. May go negative without limit.
    Settlement,
}

impl AccountKind {
    /// The kind's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Checking => "checking",
            Self::Savings => "savings",
            Self::Settlement => "settlement",
        }
    }
}

/// The account exists from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountOpened {
    /// Its id.
    pub account_id: AccountId,
    /// Its holder; none for settlement accounts and imported accounts without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// What it is for.
    pub kind: AccountKind,
    /// The only currency it holds.
    pub currency: Currency,
    /// The account's number elsewhere, unique among accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// How far below zero it may go; zero or more.
    pub overdraft_limit: Money,
}

/// Money left the account; its transfer is in flight until it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountDebited {
    /// The transfer this is a leg of.
    pub transfer_id: TransferId,
    /// The account on the other side.
    pub counterparty: AccountId,
    /// How much, positive.
    pub amount: Money,
    /// The balance with this entry in it.
    pub balance_after: Money,
    /// The payer's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The transaction's number elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// Money arrived on the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountCredited {
    /// The transfer this is a leg of.
    pub transfer_id: TransferId,
    /// The account on the other side.
    pub counterparty: AccountId,
    /// How much, positive.
    pub amount: Money,
    /// The balance with this entry in it.
    pub balance_after: Money,
    /// The payer's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The transaction's number elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// True for a credit that the account had refused: an operator sent it here after all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forced: bool,
}

/// The debit of a transfer whose credit was refused came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DebitReversed {
    /// The transfer that failed.
    pub transfer_id: TransferId,
    /// The account that refused the credit.
    pub counterparty: AccountId,
    /// How much came back, positive.
    pub amount: Money,
    /// The balance with this entry in it.
    pub balance_after: Money,
    /// Why the credit was refused.
    pub reason: Rejection,
    /// The payer's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The transaction's number elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// The account said no to a debit, once and for all: whoever asks for this leg again gets the same answer.
///
/// Only a transfer that is already in the log needs it. A wish that is refused before that leaves its trace in the transfer's stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DebitRefused {
    /// The transfer this would have been a leg of.
    pub transfer_id: TransferId,
    /// The account on the other side.
    pub counterparty: AccountId,
    /// How much was asked for.
    pub amount: Money,
    /// Why not.
    pub reason: Rejection,
}

/// The account said no to a credit, once and for all: the transfer's money goes back, and no later credit can bring it here as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreditRefused {
    /// The transfer this would have been a leg of.
    pub transfer_id: TransferId,
    /// The account on the other side.
    pub counterparty: AccountId,
    /// How much was offered.
    pub amount: Money,
    /// Why not.
    pub reason: Rejection,
}

/// The account does without the money of a transfer whose credit was refused: an operator sends it to the other side after all. The
/// debit cannot come back any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReversalWaived {
    /// The transfer.
    pub transfer_id: TransferId,
    /// The account that gets the money.
    pub counterparty: AccountId,
    /// How much does not come back.
    pub amount: Money,
}

/// The account may go this far below zero from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OverdraftLimitChanged {
    /// The new limit, zero or more.
    pub limit: Money,
}

/// No debits and no credits from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountFrozen {
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Debits and credits are allowed again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountUnfrozen {}

/// The account takes no more debits and credits, for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountClosed {}

/// Everything that can happen to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountEvent {
    /// See [`AccountOpened`].
    Opened(AccountOpened),
    /// See [`AccountDebited`].
    Debited(AccountDebited),
    /// See [`AccountCredited`].
    Credited(AccountCredited),
    /// See [`DebitReversed`].
    DebitReversed(DebitReversed),
    /// See [`DebitRefused`].
    DebitRefused(DebitRefused),
    /// See [`CreditRefused`].
    CreditRefused(CreditRefused),
    /// See [`ReversalWaived`].
    ReversalWaived(ReversalWaived),
    /// See [`OverdraftLimitChanged`].
    OverdraftLimitChanged(OverdraftLimitChanged),
    /// See [`AccountFrozen`].
    Frozen(AccountFrozen),
    /// See [`AccountUnfrozen`].
    Unfrozen(AccountUnfrozen),
    /// See [`AccountClosed`].
    Closed(AccountClosed),
}
