//! Counts the bytes of appends that are being received: one append's, and those of all clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tonic::Status;

use super::limits::{EVENT_BYTES, MAX_RECEIVING_BYTES};
use super::server::Server;
use super::status;
use crate::event::ProposedEvent;
use crate::limits::MAX_BATCH_EVENTS;

/// Why no more is received.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TooMuch {
    /// The append is larger than one may be.
    Append { limit: usize },
    /// All appends together are.
    Busy,
}

impl From<TooMuch> for Status {
    fn from(error: TooMuch) -> Self {
        match error {
            TooMuch::Append { limit } => status::append_too_large(limit),
            TooMuch::Busy => status::too_busy(),
        }
    }
}

/// Bytes of one append, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Receiving {
    all: Arc<AtomicUsize>,
    bytes: usize,
    /// What is counted for all: the bytes, and what events take in memory besides.
    held: usize,
    events: usize,
    limit: usize,
}

impl Receiving {
    /// Of an append that begins.
    pub(crate) fn new(server: &Server) -> Self {
        Self {
            all: server.receiving.clone(),
            bytes: 0,
            held: 0,
            events: 0,
            limit: server.options.max_append_bytes,
        }
    }

    /// Counts an event, as EventStoreDB does.
    pub(crate) fn add(&mut self, event: &ProposedEvent) -> Result<(), TooMuch> {
        let size = event.data.len() + event.metadata.len() + 2 * event.event_type.len();
        self.bytes += size;
        self.events += 1;
        self.held += size + EVENT_BYTES;
        let all = self.all.fetch_add(size + EVENT_BYTES, Ordering::Relaxed) + size + EVENT_BYTES;
        if self.bytes > self.limit || self.events > MAX_BATCH_EVENTS {
            return Err(TooMuch::Append { limit: self.limit });
        }
        if all > MAX_RECEIVING_BYTES { Err(TooMuch::Busy) } else { Ok(()) }
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.all.fetch_sub(self.held, Ordering::Relaxed);
    }
}
