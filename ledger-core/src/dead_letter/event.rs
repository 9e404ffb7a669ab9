//! What happened to parked transfers.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{AccountId, Money, TransferId};

/// What a transfer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// The source account's answer.
    Debit,
    /// Its end, after the source account refused.
    Reject,
    /// The destination account's answer.
    Credit,
    /// The money's way back, after the destination account refused.
    Reverse,
    /// The source account's word that the money does not come back.
    WaiveReversal,
    /// The credit that was refused before.
    ForceCredit,
    /// Its end, after both legs were booked.
    Complete,
    /// Its end, after the money came back.
    Fail,
}

impl StepName {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debit => "debit",
            Self::Reject => "reject",
            Self::Credit => "credit",
            Self::Reverse => "reverse",
            Self::WaiveReversal => "waive_reversal",
            Self::ForceCredit => "force_credit",
            Self::Complete => "complete",
            Self::Fail => "fail",
        }
    }
}

/// How a parked transfer is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// The money goes back, or never leaves.
    Refund,
    /// The money arrives.
    Complete,
}

impl Resolution {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refund => "refund",
            Self::Complete => "complete",
        }
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Resolution {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Refund, Self::Complete]
            .into_iter()
            .find(|resolution| resolution.as_str() == text)
            .ok_or_else(|| format!("'{text}' is not a resolution: refund or complete"))
    }
}

/// A try that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailedAttempt {
    /// When it was given up.
    pub at: DateTime<Utc>,
    /// Why.
    pub reason: String,
}

/// A transfer that cannot go on by itself was put aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransferParked {
    /// The transfer.
    pub transfer_id: TransferId,
    /// Its stream.
    pub stream: String,
    /// The account that is debited.
    pub from: AccountId,
    /// The account that is credited.
    pub to: AccountId,
    /// How much is at stake.
    pub amount: Money,
    /// What it waits for.
    pub step: StepName,
    /// Why it cannot go on.
    pub reason: String,
    /// How often it was tried since it was asked for, or since an operator's last word.
    pub attempts: u32,
    /// The last of these tries, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<FailedAttempt>,
}

/// An operator had a parked transfer tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ParkedTransferRetried {
    /// The transfer.
    pub transfer_id: TransferId,
    /// Its stream.
    pub stream: String,
    /// How an operator said before that it is to end: that stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// An operator said how a parked transfer is to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ParkedTransferResolved {
    /// The transfer.
    pub transfer_id: TransferId,
    /// Its stream.
    pub stream: String,
    /// How it is to end.
    pub resolution: Resolution,
    /// Why, in the operator's words.
    pub reason: String,
}

/// Everything that can happen to a parked transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadLetterEvent {
    /// See [`TransferParked`].
    Parked(TransferParked),
    /// See [`ParkedTransferRetried`].
    Retried(ParkedTransferRetried),
    /// See [`ParkedTransferResolved`].
    Resolved(ParkedTransferResolved),
}
