//! Following a simulated log.

use eventstore_node::RecordedEvent;
use ledger_core::Position;

use super::Simulated;
use super::fate::DeliveryFault;
use super::server::{Server, unavailable};
use crate::StoreError;

/// Every event after a position, in order, for ever, and some of them more than once.
pub(crate) struct Follower {
    server: Server,
    next: usize,
}

impl Follower {
    pub(crate) fn new(store: &Simulated, after: Option<Position>) -> Self {
        let server = store.server.clone();
        Self { next: server.log.first_after(after), server }
    }

    /// The next events, at least one and at most `max`. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self, max: usize) -> Result<Vec<RecordedEvent>, StoreError> {
        loop {
            self.server.log.grown_beyond(self.next).await;
            self.server.travel().await;
            let most = match self.server.fate.delivery() {
                DeliveryFault::AtMost(most) => most.clamp(1, max.max(1)),
                DeliveryFault::Again(events) => {
                    self.next = self.next.saturating_sub(events);
                    continue;
                }
                DeliveryFault::Delayed(time) => {
                    self.server.wait(time).await;
                    continue;
                }
                DeliveryFault::Fails => return Err(unavailable()),
                DeliveryFault::Crash => {
                    self.server.crash().await;
                    continue;
                }
            };
            let (events, next) = self.server.log.deliver(self.next, most);
            self.next = next;
            if !events.is_empty() {
                return Ok(events);
            }
        }
    }

    pub(crate) fn caught_up(&self) -> bool {
        self.next >= self.server.log.len()
    }
}
