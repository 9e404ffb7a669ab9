//! Events to signed webhooks ([Standard Webhooks](https://www.standardwebhooks.com)): who asked to hear of something is told, at least once
//! and in order for each account, and nobody waits for anybody else.
//!
//! Reading order: [`notification`] says what an event is to the world outside, a pure function; `queue` is what one webhook still has to
//! be told, and when, without a clock or any I/O; `dispatcher` follows the log, fills the queues and empties them; `endpoint` posts;
//! `delivery_log` notes every attempt for people to read. Nothing here decides anything about money: a command never waits for a webhook.

mod delivery_log;
mod dispatcher;
mod endpoint;
mod facts;
mod health;
mod hook;
mod index;
mod limits;
pub mod notification;
mod options;
mod queue;
mod resolver;
pub mod signature;

pub use delivery_log::DeliveryLog;
pub use dispatcher::run;
pub use limits::*;
pub use options::NotificationOptions;
