//! The domain's door to the event store: the only crate that names an engine or a client.
//!
//! [`EventStore`] is the door, with the engines behind it. [`Ledger`] is what commands go through: it loads, decides, appends and
//! retries in one place ([`Ledger::account`], [`Ledger::user`]), and carries transfers from request to end
//! ([`Ledger::request_transfer`], [`Ledger::drive`]). [`Subscription`] is what everything that follows the log reads from.

mod accounts;
mod codec;
mod dead_letters;
mod decide_on;
mod error;
mod execute;
mod ids;
mod keys;
mod leases;
mod ledger;
mod limits;
mod opening;
mod personal;
mod places;
mod recall;
mod recorded;
mod secrets;
mod snapshots;
mod statements;
mod store;
mod subscription;
mod transfers;
mod users;
mod webhook_list;
mod webhooks;

#[cfg(test)]
mod test_server;
#[cfg(test)]
mod tests;

pub use codec::Context;
pub use error::StoreError;
pub use execute::Executed;
pub use keys::{KeyError, KeyOwner, KeyStore};
pub use leases::{Lease, LeaseTimes};
pub use ledger::{Ledger, LedgerOptions};
pub use limits::*;
pub use opening::{NewAccount, Opened};
pub use personal::UserDetails;
pub use recorded::Recorded;
pub use secrets::WebhookSecret;
#[cfg(feature = "simulation")]
pub use store::simulated;
pub use store::{ConnectError, EventStore, EventStoreDb};
pub use subscription::{Batch, Subscription, Undecoded, UndecodedBatch};
pub use transfers::{Claim, TransferEnd, TransferReceipt, TransferRequest, TransferRun};
pub use webhook_list::ListedWebhook;
