//! Persistent subscriptions, as EventStoreDB has them: groups of consumers that share the events of a stream or of the
//! whole log. The node remembers for each group how far it is, delivers again what is not acknowledged, and parks what
//! cannot be processed. Every event is delivered at least once.
//!
//! - [`PersistentSubscriptions`] has all groups of a node; each runs in a task of its own (`group/`).
//! - `machine/` decides what a group does with its events, without doing anything.
//! - `store` has a group's state, which lies in ordinary streams: `$persistentSubscriptionConfig`,
//!   `$persistentsubscription-<stream>::<group>-checkpoint` and `…-parked`. What a running group has in memory can be
//!   lost; events then come again.

mod config;
mod consumer;
mod error;
mod filter;
mod group;
mod info;
pub mod limits;
mod machine;
mod names;
mod reader;
mod resolved;
mod settings;
mod store;
mod subsystem;

pub use config::{GroupKey, Source, Start};
pub use consumer::{Answers, Consumer, ConsumerAbout, Delivered};
pub use error::{Dropped, GroupError};
pub use filter::{FilterBy, FilterDefinition, Pattern};
pub use info::{ConsumerInfo, GroupInfo};
pub use machine::NackAction;
pub use names::hidden_from_all;
pub use resolved::ResolvedEvent;
pub(crate) use resolved::{follow, is_link};
pub use settings::{GroupSettings, Strategy};
pub use subsystem::PersistentSubscriptions;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
