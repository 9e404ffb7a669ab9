//! What an event is to the world outside, as a pure function.
//!
//! An event makes at most one notification, so a position and a type name it. All that it says is in the event itself, and in the request
//! of the transfer that it ends; that a balance fell below a threshold follows from the balance after an entry and its amount.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use ledger_core::account::AccountEvent;
use ledger_core::statement::{StatementEvent, StatementFile};
use ledger_core::transfer::{TransferEvent, TransferRequested};
use ledger_core::webhook::{NotificationType, Settings};
use ledger_core::{AccountId, Event, Money, Position, Rejection, TransferId, stream};
use ledger_streams::Recorded;
use serde::Serialize;

/// Something to tell, whoever wants to hear it.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// What it is.
    pub kind: NotificationType,
    /// The account that it is about; they are told in order for each.
    pub account: AccountId,
    /// Of its event in the log.
    pub position: Position,
    recorded_at: DateTime<Utc>,
    content: Content,
}

#[derive(Clone, Debug, PartialEq)]
enum Content {
    Ended { transfer: TransferRequested, status: &'static str, reason: Option<Rejection> },
    Received(Entry),
    Fell { before: i64, entry: Entry },
    Issued(Box<Issued>),
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    transfer_id: TransferId,
    counterparty: AccountId,
    amount: Money,
    balance_after: Money,
    description: Option<String>,
    reference: Option<String>,
    booked_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Issued {
    month: String,
    issue: u32,
    opening: String,
    closing: String,
    total_debits: String,
    total_credits: String,
    currency: &'static str,
    count: u64,
    files: Vec<StatementFile>,
}

/// What an event tells of its transfer's end. Then [`notification`] needs to know what that transfer was asked for.
#[must_use]
pub const fn end_told_by(event: &Event) -> Option<NotificationType> {
    match event {
        Event::Transfer(TransferEvent::Completed(_)) => Some(NotificationType::TransferCompleted),
        Event::Transfer(TransferEvent::Rejected(_) | TransferEvent::Failed(_)) => {
            Some(NotificationType::TransferFailed)
        }
        Event::Transfer(TransferEvent::Requested(_))
        | Event::Account(_)
        | Event::User(_)
        | Event::Reference(_)
        | Event::DeadLetter(_)
        | Event::Statement(_)
        | Event::Webhook(_) => None,
    }
}

/// What an event is to the world outside, if it is anything. `request` is what the transfer was asked for, where [`end_told_by`] says anything.
#[must_use]
pub fn notification(recorded: &Recorded, request: Option<&TransferRequested>) -> Option<Notification> {
    let own_account = || stream::account_id(&recorded.stream);
    let booked_at = recorded.metadata.booked_at;
    let ended = |kind, status, reason| {
        let transfer = request?.clone();
        Some((kind, transfer.from, Content::Ended { transfer, status, reason }))
    };
    let (kind, account, content) = match &recorded.event {
        Event::Account(AccountEvent::Credited(credited)) => {
            let entry = Entry {
                transfer_id: credited.transfer_id,
                counterparty: credited.counterparty,
                amount: credited.amount,
                balance_after: credited.balance_after,
                description: credited.description.clone(),
                reference: credited.reference.clone(),
                booked_at,
            };
            (NotificationType::MoneyReceived, own_account()?, Content::Received(entry))
        }
        Event::Account(AccountEvent::Debited(debited)) => {
            let before = debited.balance_after.minor.saturating_add(debited.amount.minor);
            let entry = Entry {
                transfer_id: debited.transfer_id,
                counterparty: debited.counterparty,
                amount: debited.amount,
                balance_after: debited.balance_after,
                description: debited.description.clone(),
                reference: debited.reference.clone(),
                booked_at,
            };
            (NotificationType::BalanceBelowThreshold, own_account()?, Content::Fell { before, entry })
        }
        Event::Transfer(TransferEvent::Completed(_)) => {
            ended(NotificationType::TransferCompleted, "completed", None)?
        }
        Event::Transfer(TransferEvent::Failed(failed)) => {
            ended(NotificationType::TransferFailed, "failed", Some(failed.reason))?
        }
        Event::Transfer(TransferEvent::Rejected(rejected)) => {
            ended(NotificationType::TransferFailed, "rejected", Some(rejected.reason))?
        }
        Event::Statement(StatementEvent::Issued(issued)) => {
            let content = Issued {
                month: issued.month.clone(),
                issue: issued.issue,
                opening: issued.opening.amount(),
                closing: issued.closing.amount(),
                total_debits: issued.total_debits.amount(),
                total_credits: issued.total_credits.amount(),
                currency: issued.closing.currency.code(),
                count: issued.count,
                files: issued.files.clone(),
            };
            (NotificationType::StatementIssued, issued.account_id, Content::Issued(Box::new(content)))
        }
        // A debit that came back makes no balance fall, and its transfer's end is told.
        Event::Account(
            AccountEvent::Opened(_)
            | AccountEvent::DebitReversed(_)
            | AccountEvent::ReversalWaived(_)
            | AccountEvent::DebitRefused(_)
            | AccountEvent::CreditRefused(_)
            | AccountEvent::OverdraftLimitChanged(_)
            | AccountEvent::Frozen(_)
            | AccountEvent::Unfrozen(_)
            | AccountEvent::Closed(_),
        )
        | Event::Transfer(TransferEvent::Requested(_))
        | Event::User(_)
        | Event::Reference(_)
        | Event::DeadLetter(_)
        | Event::Webhook(_) => return None,
    };
    let (position, recorded_at) = (recorded.position, recorded.recorded_at);
    Some(Notification { kind, account, position, recorded_at, content })
}

impl Notification {
    /// True when somebody with these settings wants to hear it, as far as the account goes without saying.
    #[must_use]
    pub fn is_for(&self, settings: &Settings) -> bool {
        settings.wants(self.kind)
            && match &self.content {
                Content::Fell { before, entry } => settings.threshold.is_some_and(|threshold| {
                    threshold.currency == entry.balance_after.currency
                        && *before >= threshold.minor
                        && entry.balance_after.minor < threshold.minor
                }),
                Content::Ended { .. } | Content::Received(_) | Content::Issued(_) => true,
            }
    }

    /// The message's id: the same whenever the same webhook is told the same thing, so that receivers know it again.
    #[must_use]
    pub fn message_id(&self, webhook: ledger_core::WebhookId) -> String {
        format!("msg_{webhook}_{}", self.position)
    }

    /// What is posted.
    #[must_use]
    pub fn body(&self, settings: &Settings) -> Bytes {
        let message = Message {
            r#type: self.kind.name(),
            timestamp: self.recorded_at.to_rfc3339_opts(SecondsFormat::Micros, true),
            data: self.data(settings),
        };
        // A struct of texts and numbers always has a JSON form.
        serde_json::to_vec(&message).unwrap_or_default().into()
    }

    fn data<'a>(&'a self, settings: &Settings) -> Data<'a> {
        let position = self.position;
        let account_id = self.account;
        match &self.content {
            Content::Ended { transfer, status, reason } => Data::Transfer {
                account_id,
                position,
                transfer_id: transfer.transfer_id,
                status,
                reason: *reason,
                from_account: transfer.from,
                to_account: transfer.to,
                amount: transfer.amount.amount(),
                currency: transfer.amount.currency.code(),
                description: transfer.description.as_deref(),
                reference: transfer.reference.as_deref(),
            },
            Content::Received(entry) => Data::Received {
                account_id,
                position,
                transfer_id: entry.transfer_id,
                from_account: entry.counterparty,
                amount: entry.amount.amount(),
                currency: entry.amount.currency.code(),
                balance_after: entry.balance_after.amount(),
                description: entry.description.as_deref(),
                reference: entry.reference.as_deref(),
                booked_at: entry.booked_at,
            },
            Content::Fell { entry, .. } => Data::Fell {
                account_id,
                position,
                balance: entry.balance_after.amount(),
                threshold: settings.threshold.map(Money::amount),
                currency: entry.balance_after.currency.code(),
                transfer_id: entry.transfer_id,
                booked_at: entry.booked_at,
            },
            Content::Issued(issued) => Data::Issued { account_id, position, statement: issued },
        }
    }
}

#[derive(Serialize)]
struct Message<'a> {
    r#type: &'static str,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Transfer {
        account_id: AccountId,
        transfer_id: TransferId,
        status: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<Rejection>,
        from_account: AccountId,
        to_account: AccountId,
        amount: String,
        currency: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
        position: Position,
    },
    Received {
        account_id: AccountId,
        transfer_id: TransferId,
        from_account: AccountId,
        amount: String,
        currency: &'static str,
        balance_after: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
        booked_at: DateTime<Utc>,
        position: Position,
    },
    Fell {
        account_id: AccountId,
        balance: String,
        threshold: Option<String>,
        currency: &'static str,
        transfer_id: TransferId,
        booked_at: DateTime<Utc>,
        position: Position,
    },
    Issued {
        account_id: AccountId,
        #[serde(flatten)]
        statement: &'a Issued,
        position: Position,
    },
}

#[cfg(test)]
#[path = "notification_tests.rs"]
mod tests;
