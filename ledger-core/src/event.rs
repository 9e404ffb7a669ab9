//! The registry: every event by its wire name and version.
//!
//! A name stands in the log for ever. To rename a struct, keep its name here; to change its fields, raise its version and add an
//! upcaster in [`crate::upcast`].

use schemars::{Schema, schema_for};
use serde_json::value::RawValue;

use crate::account::AccountEvent;
use crate::dead_letter::DeadLetterEvent;
use crate::reference::ReferenceEvent;
use crate::statement::StatementEvent;
use crate::transfer::TransferEvent;
use crate::user::UserEvent;
use crate::webhook::WebhookEvent;
use crate::{account, dead_letter, reference, statement, transfer, upcast, user, webhook};

/// Any event of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Of an account's stream.
    Account(AccountEvent),
    /// Of a transfer's stream.
    Transfer(TransferEvent),
    /// Of a user's stream.
    User(UserEvent),
    /// Of an account reference's stream.
    Reference(ReferenceEvent),
    /// Of the stream of parked transfers.
    DeadLetter(DeadLetterEvent),
    /// Of the stream of an account's statements.
    Statement(StatementEvent),
    /// Of a webhook's stream.
    Webhook(WebhookEvent),
}

/// Why a stored event cannot be read. Never skipped over: a skipped event is a wrong balance.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// No event has this name.
    #[error("no event is called '{0}'")]
    UnknownName(String),
    /// Written by a newer Daybook.
    #[error("version {version} of '{name}' is newer than this program knows ({newest})")]
    UnknownVersion {
        /// The event's name.
        name: String,
        /// Its version in the log.
        version: u16,
        /// The newest version known here.
        newest: u16,
    },
    /// The data does not fit the event.
    #[error("the data of '{name}' does not fit: {source}")]
    Malformed {
        /// The event's name.
        name: String,
        /// What does not fit.
        source: serde_json::Error,
    },
}

/// An event type as the registry lists it.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Wire name.
    pub name: &'static str,
    /// Newest version.
    pub version: u16,
    /// Stream category.
    pub category: &'static str,
    /// JSON Schema of the newest version's data.
    pub schema: Schema,
}

macro_rules! registry {
    ($($name:literal, $version:literal, $group:ident :: $variant:ident, $inner:ident, $module:ident :: $data:ident, $category:ident;)*) => {
        impl Event {
            /// Wire name.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$group($inner::$variant(_)) => $name,)* }
            }

            /// Version of the schema that [`Self::encode`] writes.
            #[must_use]
            pub const fn version(&self) -> u16 {
                match self { $(Self::$group($inner::$variant(_)) => $version,)* }
            }

            /// The data as JSON.
            ///
            /// # Errors
            /// None in practice: every event has a JSON form.
            pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
                match self { $(Self::$group($inner::$variant(data)) => serde_json::to_vec(data),)* }
            }

            /// Reads data of a name and version, upcasting older versions.
            ///
            /// # Errors
            /// See [`DecodeError`].
            pub fn decode(name: &str, version: u16, data: &[u8]) -> Result<Self, DecodeError> {
                let malformed = |source| DecodeError::Malformed { name: name.to_owned(), source };
                match name {
                    $($name if version == $version => {
                        serde_json::from_slice(data).map($inner::$variant).map(Self::$group).map_err(malformed)
                    })*
                    $($name if version > $version => {
                        Err(DecodeError::UnknownVersion { name: name.to_owned(), version, newest: $version })
                    })*
                    $($name => {
                        let raw: &RawValue = serde_json::from_slice(data).map_err(malformed)?;
                        let upcast = upcast::upcast($name, version, raw).map_err(malformed)?;
                        serde_json::from_value(upcast).map($inner::$variant).map(Self::$group).map_err(malformed)
                    })*
                    _ => Err(DecodeError::UnknownName(name.to_owned())),
                }
            }
        }

        /// Every event type, in the order of the registry.
        #[must_use]
        pub fn registry() -> Vec<Registered> {
            vec![$(Registered {
                name: $name,
                version: $version,
                category: crate::stream::$category,
                schema: schema_for!($module::$data),
            },)*]
        }
    };
}

registry! {
    "AccountOpened", 1, Account::Opened, AccountEvent, account::AccountOpened, ACCOUNT;
    "AccountDebited", 1, Account::Debited, AccountEvent, account::AccountDebited, ACCOUNT;
    "AccountCredited", 1, Account::Credited, AccountEvent, account::AccountCredited, ACCOUNT;
    "DebitReversed", 1, Account::DebitReversed, AccountEvent, account::DebitReversed, ACCOUNT;
    "DebitRefused", 1, Account::DebitRefused, AccountEvent, account::DebitRefused, ACCOUNT;
    "CreditRefused", 1, Account::CreditRefused, AccountEvent, account::CreditRefused, ACCOUNT;
    "ReversalWaived", 1, Account::ReversalWaived, AccountEvent, account::ReversalWaived, ACCOUNT;
    "OverdraftLimitChanged", 1, Account::OverdraftLimitChanged, AccountEvent, account::OverdraftLimitChanged, ACCOUNT;
    "AccountFrozen", 1, Account::Frozen, AccountEvent, account::AccountFrozen, ACCOUNT;
    "AccountUnfrozen", 1, Account::Unfrozen, AccountEvent, account::AccountUnfrozen, ACCOUNT;
    "AccountClosed", 1, Account::Closed, AccountEvent, account::AccountClosed, ACCOUNT;
    "TransferRequested", 1, Transfer::Requested, TransferEvent, transfer::TransferRequested, TRANSFER;
    "TransferRejected", 1, Transfer::Rejected, TransferEvent, transfer::TransferRejected, TRANSFER;
    "TransferCompleted", 1, Transfer::Completed, TransferEvent, transfer::TransferCompleted, TRANSFER;
    "TransferFailed", 1, Transfer::Failed, TransferEvent, transfer::TransferFailed, TRANSFER;
    "UserRegistered", 1, User::Registered, UserEvent, user::UserRegistered, USER;
    "UserDetailsChanged", 1, User::DetailsChanged, UserEvent, user::UserDetailsChanged, USER;
    "UserErased", 1, User::Erased, UserEvent, user::UserErased, USER;
    "AccountReferenceClaimed", 1, Reference::Claimed, ReferenceEvent, reference::AccountReferenceClaimed, ACCOUNT_REFERENCE;
    "TransferParked", 1, DeadLetter::Parked, DeadLetterEvent, dead_letter::TransferParked, DEAD_LETTERS;
    "ParkedTransferRetried", 1, DeadLetter::Retried, DeadLetterEvent, dead_letter::ParkedTransferRetried, DEAD_LETTERS;
    "ParkedTransferResolved", 1, DeadLetter::Resolved, DeadLetterEvent, dead_letter::ParkedTransferResolved, DEAD_LETTERS;
    "StatementIssued", 1, Statement::Issued, StatementEvent, statement::StatementIssued, STATEMENT;
    "WebhookRegistered", 1, Webhook::Registered, WebhookEvent, webhook::WebhookRegistered, WEBHOOK;
    "WebhookChanged", 1, Webhook::Changed, WebhookEvent, webhook::WebhookChanged, WEBHOOK;
    "WebhookSecretRotated", 1, Webhook::SecretRotated, WebhookEvent, webhook::WebhookSecretRotated, WEBHOOK;
    "WebhookDisabled", 1, Webhook::Disabled, WebhookEvent, webhook::WebhookDisabled, WEBHOOK;
    "WebhookEnabled", 1, Webhook::Enabled, WebhookEvent, webhook::WebhookEnabled, WEBHOOK;
    "WebhookReplayed", 1, Webhook::Replayed, WebhookEvent, webhook::WebhookReplayed, WEBHOOK;
    "WebhookDeleted", 1, Webhook::Deleted, WebhookEvent, webhook::WebhookDeleted, WEBHOOK;
}

impl From<AccountEvent> for Event {
    fn from(event: AccountEvent) -> Self {
        Self::Account(event)
    }
}

impl From<TransferEvent> for Event {
    fn from(event: TransferEvent) -> Self {
        Self::Transfer(event)
    }
}

impl From<UserEvent> for Event {
    fn from(event: UserEvent) -> Self {
        Self::User(event)
    }
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
