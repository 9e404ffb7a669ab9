//! Subscriptions through either door.

use std::collections::VecDeque;

use eventstore::{
    Client, StreamPosition, SubscribeToAllOptions, SubscribeToStreamOptions, Subscription, SubscriptionEvent,
};
use eventstore_node::{AllSubscription, Node, RecordedEvent, StreamSubscription};

use super::door::{Refused, at, recorded, refused, refused_read};

/// Where a subscription begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum After {
    /// Before the first event.
    Nothing,
    /// After this revision or position.
    Place(u64),
    /// After everything there is.
    Everything,
}

/// A subscription.
pub(super) struct Following {
    source: Source,
    ahead: VecDeque<RecordedEvent>,
}

enum Source {
    NodeStream(StreamSubscription),
    NodeAll(AllSubscription),
    Grpc(Box<Subscription>),
}

impl Following {
    pub(super) fn node_stream(node: &Node, stream: &str, after: After) -> Result<Self, Refused> {
        let after = match after {
            After::Nothing => None,
            After::Place(revision) => Some(revision),
            After::Everything => node.last_revision(stream).map_err(refused_read)?,
        };
        Ok(Self::new(Source::NodeStream(node.subscribe_stream(stream, after))))
    }

    pub(super) fn node_all(node: &Node, after: After) -> Self {
        let after = match after {
            After::Nothing => None,
            After::Place(position) => Some(position),
            After::Everything => Some(node.head()),
        };
        Self::new(Source::NodeAll(node.subscribe_all(after)))
    }

    pub(super) async fn grpc_stream(client: &Client, stream: &str, after: After) -> Result<Self, Refused> {
        let options = SubscribeToStreamOptions::default().start_from(match after {
            After::Nothing => StreamPosition::Start,
            After::Place(revision) => StreamPosition::Position(revision),
            After::Everything => StreamPosition::End,
        });
        Self::confirmed(client.subscribe_to_stream(stream, &options).await, after).await
    }

    pub(super) async fn grpc_all(client: &Client, after: After) -> Self {
        let options = SubscribeToAllOptions::default().position(match after {
            After::Nothing => StreamPosition::Start,
            After::Place(position) => StreamPosition::Position(at(position)),
            After::Everything => StreamPosition::End,
        });
        Self::confirmed(client.subscribe_to_all(&options).await, after).await.unwrap()
    }

    async fn confirmed(mut subscription: Subscription, after: After) -> Result<Self, Refused> {
        let first = subscription.next_subscription_event().await.map_err(refused)?;
        assert!(matches!(first, SubscriptionEvent::Confirmed(_)), "{first:?} instead of the confirmation");
        if let After::Everything = after {
            // What is appended from here on is new.
            let second = subscription.next_subscription_event().await.map_err(refused)?;
            assert!(matches!(second, SubscriptionEvent::CaughtUp(_)), "{second:?} instead of caught-up");
        }
        Ok(Self::new(Source::Grpc(Box::new(subscription))))
    }

    fn new(source: Source) -> Self {
        Self { source, ahead: VecDeque::new() }
    }

    /// The next event, waiting for it.
    pub(super) async fn next(&mut self) -> Result<RecordedEvent, Refused> {
        if self.ahead.is_empty() {
            let events = match &mut self.source {
                Source::NodeStream(subscription) => {
                    subscription.next_batch(usize::MAX).await.map_err(refused_read)?
                }
                Source::NodeAll(subscription) => {
                    subscription.next_batch(usize::MAX).await.map_err(refused_read)?
                }
                Source::Grpc(subscription) => {
                    let event = subscription.next().await.map_err(refused)?;
                    vec![recorded(event.event.expect("an event that is no unresolved link"))]
                }
            };
            self.ahead.extend(events);
        }
        Ok(self.ahead.pop_front().expect("at least one"))
    }

    /// The next events that one is interested in, this many.
    pub(super) async fn take(
        &mut self,
        count: usize,
        wanted: impl Fn(&RecordedEvent) -> bool,
    ) -> Vec<RecordedEvent> {
        let mut events = Vec::with_capacity(count);
        while events.len() < count {
            let event = self.next().await.unwrap();
            if wanted(&event) {
                events.push(event);
            }
        }
        events
    }
}
