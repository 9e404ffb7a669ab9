//! What a group can be told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::limits::MAX_BUFFER_EVENTS;

/// How a group chooses the consumer of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Strategy {
    /// The consumer that connected first, until it has no room.
    DispatchToSingle,
    /// Each consumer with room in its turn.
    RoundRobin,
    /// All events of a stream to one consumer, as long as the consumers stay the same.
    Pinned,
    /// All events with a correlation id to one consumer, as long as the consumers stay the same.
    PinnedByCorrelation,
}

impl Strategy {
    /// The strategy of this name; `None` if there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::DispatchToSingle, Self::RoundRobin, Self::Pinned, Self::PinnedByCorrelation]
            .into_iter()
            .find(|strategy| strategy.name() == name)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DispatchToSingle => "DispatchToSingle",
            Self::RoundRobin => "RoundRobin",
            Self::Pinned => "Pinned",
            Self::PinnedByCorrelation => "PinnedByCorrelation",
        }
    }
}

/// How a group treats its events and consumers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSettings {
    /// Deliver the event that a link points to together with the link.
    pub resolve_links: bool,
    /// Measure how long consumers take.
    pub extra_statistics: bool,
    /// After this time without an answer an event is delivered again. Zero: never.
    pub message_timeout: Duration,
    /// Deliveries after the first one before an event is parked.
    pub max_retry_count: u32,
    /// After this time a checkpoint is written if `min_checkpoint_count` events have passed.
    pub checkpoint_after: Duration,
    /// Fewest events between two checkpoints.
    pub min_checkpoint_count: u32,
    /// Events after which a checkpoint is written at once.
    pub max_checkpoint_count: u32,
    /// Most consumers at a time; 0 for as many as there are.
    pub max_subscriber_count: u32,
    /// Most events buffered once the group has caught up.
    pub live_buffer_size: u32,
    /// Most events read at once.
    pub read_batch_size: u32,
    /// Most events buffered while the group catches up.
    pub history_buffer_size: u32,
    /// Who gets an event.
    pub strategy: Strategy,
}

impl Default for GroupSettings {
    fn default() -> Self {
        Self {
            resolve_links: false,
            extra_statistics: false,
            message_timeout: Duration::from_secs(30),
            max_retry_count: 10,
            checkpoint_after: Duration::from_secs(2),
            min_checkpoint_count: 10,
            max_checkpoint_count: 1000,
            max_subscriber_count: 0,
            live_buffer_size: 500,
            read_batch_size: 20,
            history_buffer_size: 500,
            strategy: Strategy::RoundRobin,
        }
    }
}

impl GroupSettings {
    /// Why these settings make no sense, if so.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.read_batch_size == 0 {
            return Err("the read batch size must be at least 1".to_owned());
        }
        if self.read_batch_size >= self.history_buffer_size {
            return Err(format!(
                "the read batch size ({}) must be smaller than the history buffer size ({})",
                self.read_batch_size, self.history_buffer_size
            ));
        }
        let largest = self.history_buffer_size.max(self.live_buffer_size);
        if largest > MAX_BUFFER_EVENTS {
            return Err(format!(
                "a buffer of {largest} events is asked for, at most {MAX_BUFFER_EVENTS} may be"
            ));
        }
        Ok(())
    }
}
