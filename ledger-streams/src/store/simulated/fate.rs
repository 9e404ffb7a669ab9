//! What befalls a process and its connection to the store.

use std::time::Duration;

use chrono::{DateTime, Utc};
use eventstore_node::StreamAppend;

/// Decides what befalls one process. It is asked at every moment at which something can, in the order in which they come.
pub trait Fate: Send + Sync + 'static {
    /// The time by the process's own clock.
    fn now(&self) -> DateTime<Utc>;

    /// A number nobody can guess, in production.
    fn random(&self) -> u128;

    /// How long the next message takes, to the store or back.
    fn latency(&self) -> Duration;

    /// What befalls an append.
    fn append(&self, batch: &[StreamAppend]) -> AppendFault;

    /// What befalls a read.
    fn read(&self) -> ReadFault;

    /// What befalls a subscription that has something to deliver.
    fn delivery(&self) -> DeliveryFault;

    /// An append to this stream was refused because somebody else was faster.
    fn lost_a_race(&self, stream: &str);

    /// An append was recognised as the repetition of one that is in the log.
    fn repeated_itself(&self);
}

/// What befalls an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendFault {
    /// Nothing.
    None,
    /// It is not written, and fails.
    Fails,
    /// It is not written, for its first stream is said to be contended: the store is there, and this one thing does not work.
    Contended,
    /// It is written; its caller hears that it failed.
    ReplyLost,
    /// Its caller hears that it failed; after this time it is written all the same, if it still fits.
    Late(Duration),
    /// The reply is lost, and it is sent again after this time.
    Twice(Duration),
    /// The process ends before it is written.
    CrashBefore,
    /// The process ends when it is written.
    CrashAfter,
}

/// What befalls a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFault {
    /// Nothing.
    None,
    /// It fails.
    Fails,
    /// The process ends.
    Crash,
}

/// What befalls a subscription that has something to deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryFault {
    /// It delivers no more than so many events, at least one.
    AtMost(usize),
    /// It first goes back by so many events, and delivers these again.
    Again(usize),
    /// It waits, and is asked again.
    Delayed(Duration),
    /// It ends with an error.
    Fails,
    /// The process ends.
    Crash,
}
