//! Following the log.

use eventstore_node::AllSubscription;
use ledger_core::Position;

use crate::codec::decode;
use crate::{EventStore, Recorded, StoreError};

/// A catch-up subscription on the whole log: every event after a position once, in order, for ever.
pub struct Subscription {
    engine: Engine,
}

enum Engine {
    Embedded(AllSubscription),
}

/// Some events, in order.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The ledger's events.
    pub events: Vec<Recorded>,
    /// Position of the last event read, the ledger's or not: where to go on from.
    pub position: Position,
    /// True when the subscription had reached the end of the log.
    pub caught_up: bool,
}

impl Subscription {
    pub(crate) fn new(store: &EventStore, after: Option<Position>) -> Self {
        match store {
            EventStore::Embedded(node) => Self { engine: Engine::Embedded(node.subscribe_all(after)) },
        }
    }

    /// The next events, at least one read and at most `max`; waits for them. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`StoreError::Undecodable`] for an event this program does not know: the events before it were not returned, and asking again
    /// gives what follows, so a caller that must not skip makes a new subscription from its checkpoint once the cause is mended.
    /// [`StoreError::Unavailable`] and [`StoreError::Broken`] from the store.
    pub async fn next(&mut self, max: usize) -> Result<Batch, StoreError> {
        let (recorded, caught_up) = match &mut self.engine {
            Engine::Embedded(subscription) => {
                let events = subscription.next_batch(max).await?;
                (events, subscription.caught_up())
            }
        };
        let position = recorded.last().map_or(0, |event| event.position);
        let mut events = Vec::with_capacity(recorded.len());
        for event in recorded {
            events.extend(decode(event)?);
        }
        Ok(Batch { events, position, caught_up })
    }
}
