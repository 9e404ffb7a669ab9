//! The ledger's domain, pure.
//!
//! Every write is **decide + evolve**: [`account::decide`], [`transfer::decide`], [`user::decide`] and [`webhook::decide`] look at a
//! state and a command and answer with events or a [`Rejection`]; `evolve` folds events into the next state and cannot fail.
//! [`transfer::process`] is the process manager as data: events in, the next command out.
//!
//! What is deliberately absent: clocks, randomness, I/O, async, floats. Time, ids and keys arrive inside the command.

pub mod account;
pub mod actor;
pub mod dead_letter;
pub mod event;
pub mod id;
pub mod metadata;
pub mod money;
pub mod month;
pub mod mutation;
pub mod partition;
pub mod reference;
pub mod rejection;
pub mod settlement;
pub mod statement;
pub mod stream;
pub mod testing;
pub mod text;
pub mod transfer;
pub mod upcast;
pub mod user;
pub mod webhook;

pub use actor::{Actor, Role};
pub use event::{DecodeError, Event};
pub use id::{AccountId, Snowflakes, TransferId, UserId, WebhookId};
pub use metadata::Metadata;
pub use money::{Currency, Money, MoneyError};
pub use month::{Month, MonthError};
pub use rejection::Rejection;

/// A place in the global log: opaque, strictly increasing, comparable. The first event's is above zero.
pub type Position = u64;
