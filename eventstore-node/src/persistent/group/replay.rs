//! Parked messages on their way back to the consumers.

use std::sync::Arc;

use super::{Running, done};
use crate::persistent::config::GroupConfig;
use crate::persistent::machine::Machine;
use crate::persistent::reader::{detach, pin};
use crate::persistent::resolved::ResolvedEvent;
use crate::persistent::store::{self, ParkedLog};
use crate::{Node, ReadError};

/// Parked messages that were read.
pub(super) type Page = Result<Vec<ResolvedEvent>, ReadError>;

/// Parked messages on their way back to the consumers.
pub(super) struct Replay {
    node: Node,
    config: Arc<GroupConfig>,
    /// The first one that is not to be replayed; `None` if there is no replay under way.
    until: Option<u64>,
    reading: Running<Page>,
}

impl Replay {
    pub(super) fn new(node: Node, config: Arc<GroupConfig>) -> Self {
        Self { node, config, until: None, reading: None }
    }

    /// Replays what is parked now, up to and without this revision. A replay under way goes on.
    pub(super) fn ask(&mut self, stop_at: Option<u64>, parked: ParkedLog) {
        let until = stop_at.map_or(parked.end, |stop_at| stop_at.min(parked.end));
        if until > parked.next {
            self.until = self.until.max(Some(until));
        }
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.until.is_some()
    }

    /// Begins to read if there is anything to read and room for it.
    pub(super) fn begin(&mut self, machine: &Machine, parked: ParkedLog) {
        let Some(until) = self.until else { return };
        if self.reading.is_some() {
            return;
        }
        if parked.next >= until {
            self.until = None;
            return;
        }
        let wanted = usize::try_from(until - parked.next).unwrap_or(usize::MAX);
        let events = machine.replay_room().min(wanted).min(self.config.settings.read_batch_size as usize);
        if events > 0 {
            let (node, config) = (self.node.clone(), self.config.clone());
            let read = move || store::load_parked(&node, &config.key, parked.next, events);
            self.reading = Some(Box::pin(async move {
                tokio::task::spawn_blocking(read).await.map_err(|_| ReadError::ShuttingDown)?
            }));
        }
    }

    /// What was read.
    pub(super) async fn read(&mut self) -> Page {
        done(&mut self.reading).await
    }

    pub(super) fn take(&mut self, page: Page, machine: &mut Machine, parked: &mut ParkedLog) {
        match page {
            Ok(events) => {
                let read = events.len();
                for mut event in events {
                    let revision = event.original().revision;
                    parked.next = revision + 1;
                    // A message whose event is gone is done with.
                    if event.event().is_some() {
                        detach(&mut event);
                        let pin = pin(self.config.settings.strategy, &event);
                        machine.replay(revision, event, pin);
                    }
                }
                if read == 0 {
                    parked.next = parked.next.max(self.until.unwrap_or(0));
                }
            }
            Err(error) => {
                tracing::error!(source = %self.config.key.source, group = %self.config.key.group, %error,
                    "parked messages cannot be read");
                self.until = None;
            }
        }
    }
}
