//! What the node's threads, readers and subscriptions share.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;
use quick_cache::sync::Cache;
use tokio::sync::watch;

use crate::error::AppendError;
use crate::event::Position;
use crate::followers::Followers;
use crate::index::SharedIndex;
use crate::log::Log;
use crate::metadata::Metadata;
use crate::stats::Counters;
use crate::streams::Streams;
use crate::type_names::TypeNames;

/// How far the log is on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Durable {
    /// The last event; 0 if there is none.
    pub(crate) head: Position,
    /// Where it ends.
    pub(crate) end: Position,
    /// The node is shut down: nothing more will come.
    pub(crate) closed: bool,
}

/// One node's state.
pub(crate) struct Shared {
    pub(crate) log: Log,
    pub(crate) index: SharedIndex,
    pub(crate) streams: Streams,
    /// By the position of its event, so never out of date.
    pub(crate) metadata: Cache<Position, Metadata>,
    pub(crate) types: TypeNames,
    pub(crate) durable: watch::Sender<Durable>,
    /// Who waits for a stream; all others watch `durable`.
    pub(crate) followers: Followers,
    /// Why no more appends are taken, once that is so.
    pub(crate) failure: OnceLock<AppendError>,
    /// Set before the writer empties its queue for the last time: what is queued later is never looked at. Held for
    /// reading while something is queued.
    pub(crate) writer_gone: RwLock<bool>,
    pub(crate) queued_bytes: AtomicUsize,
    pub(crate) counters: Counters,
}

impl Shared {
    pub(crate) fn durable(&self) -> Durable {
        *self.durable.borrow()
    }

    /// Stops appends for good. The first reason stays.
    pub(crate) fn fail(&self, error: AppendError) -> AppendError {
        tracing::error!(%error, "no more appends are taken");
        self.failure.get_or_init(|| error).clone()
    }

    /// Why nothing is appended any more, once the writer is gone.
    pub(crate) fn why_ended(&self) -> AppendError {
        self.failure.get().cloned().unwrap_or(AppendError::ShuttingDown)
    }

    /// Takes a batch off the count of bytes that wait for the writer.
    pub(crate) fn dequeued(&self, bytes: usize) {
        self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}
