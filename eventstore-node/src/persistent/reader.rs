//! The events of what a group follows, as the group wants them.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

use super::config::GroupConfig;
use super::filter::Filter;
use super::limits::RESOLVED_BYTES;
use super::machine::Place;
use super::names::hidden_from_all;
use super::resolved::{ResolvedEvent, is_link};
use super::settings::Strategy;
use crate::{AllSubscription, Node, ReadError, RecordedEvent, StreamSubscription};

/// An event that was read.
pub(super) enum Item {
    /// It is for the group.
    Event {
        /// Where it lies.
        place: Place,
        /// The event.
        event: Arc<ResolvedEvent>,
        /// What it is pinned by.
        pin: u64,
    },
    /// It is not.
    Skipped(Place),
    /// It is of the groups' own making.
    Hidden(Place),
}

/// Events that were read.
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    /// There were no more.
    pub(super) live: bool,
}

enum Subscription {
    Stream(StreamSubscription),
    All(AllSubscription),
}

/// The events of what a group follows, as the group wants them.
pub(super) struct Reader {
    node: Node,
    config: Arc<GroupConfig>,
    subscription: Subscription,
    /// Read, but not yet returned: their links could not be followed, or there was no room for what these lead to.
    unresolved: Vec<RecordedEvent>,
}

impl Reader {
    /// Reads on after a checkpoint, or from where the group begins.
    pub(super) fn new(node: Node, config: Arc<GroupConfig>, checkpoint: Option<Place>) -> Self {
        let after = checkpoint.or(config.first.checked_sub(1));
        let subscription = if config.key.is_on_all() {
            Subscription::All(node.subscribe_all(after))
        } else {
            Subscription::Stream(node.subscribe_stream(config.key.source.clone(), after))
        };
        Self { node, config, subscription, unresolved: Vec::new() }
    }

    /// The next events, at least one, waiting for one if need be.
    pub(super) async fn next(&mut self, room: usize) -> Result<Batch, ReadError> {
        if self.unresolved.is_empty() {
            let batch = self.config.settings.read_batch_size as usize;
            self.unresolved = match &mut self.subscription {
                Subscription::Stream(subscription) => subscription.next_batch(batch.min(room)).await?,
                // Few of them may be for the group.
                Subscription::All(subscription) if self.config.filter.is_some() => {
                    subscription.next_batch(room).await?
                }
                Subscription::All(subscription) => subscription.next_batch(batch.min(room)).await?,
            };
        }
        let items = self.resolve(room).await?;
        Ok(Batch { items, live: self.caught_up().unwrap_or(false) })
    }

    /// Whether there is nothing more to read now.
    pub(super) fn caught_up(&self) -> Result<bool, ReadError> {
        if !self.unresolved.is_empty() {
            return Ok(false);
        }
        match &self.subscription {
            Subscription::Stream(subscription) => subscription.caught_up(),
            Subscription::All(subscription) => Ok(subscription.caught_up()),
        }
    }

    /// What was read, as the group wants it: as much of it as there is room for.
    async fn resolve(&mut self, room: usize) -> Result<Vec<Item>, ReadError> {
        // With events always at hand nothing here would wait, and nothing else get a turn.
        tokio::task::yield_now().await;
        let follow = self.config.settings.resolve_links && self.unresolved.iter().any(is_link);
        let costly = self.config.filter.as_ref().is_some_and(Filter::is_costly);
        let (node, config, events) = (self.node.clone(), self.config.clone(), self.unresolved.clone());
        let items = move || items(&node, &config, events, room);
        let items = if follow || costly {
            tokio::task::spawn_blocking(items).await.map_err(|_| ReadError::ShuttingDown)??
        } else {
            items()?
        };
        self.unresolved.drain(..items.len());
        Ok(items)
    }
}

/// The first of these events, until there is no more room for them. Blocks if links are followed.
fn items(
    node: &Node,
    config: &GroupConfig,
    events: Vec<RecordedEvent>,
    room: usize,
) -> Result<Vec<Item>, ReadError> {
    let (mut items, mut wanted, mut bytes) = (Vec::with_capacity(events.len()), 0, 0);
    for event in events {
        if wanted >= room.max(1) || bytes >= RESOLVED_BYTES {
            break;
        }
        let item = item(node, config, event)?;
        if let Item::Event { event, .. } = &item {
            wanted += 1;
            bytes += event.bytes();
        }
        items.push(item);
    }
    Ok(items)
}

fn item(node: &Node, config: &GroupConfig, event: RecordedEvent) -> Result<Item, ReadError> {
    let all = config.key.is_on_all();
    let place = if all { event.position } else { event.revision };
    if all && hidden_from_all(&event.stream) {
        return Ok(Item::Hidden(place));
    }
    let filter = config.filter.as_ref();
    if filter.is_some_and(|filter| !filter.matches(&event.stream, &event.event_type)) {
        return Ok(Item::Skipped(place));
    }
    let mut event = match config.settings.resolve_links {
        true => ResolvedEvent::resolve(node, event)?,
        false => ResolvedEvent::Event(event),
    };
    detach(&mut event);
    let pin = pin(config.settings.strategy, &event);
    Ok(Item::Event { place, event: Arc::new(event), pin })
}

/// What an event is pinned by.
pub(super) fn pin(strategy: Strategy, event: &ResolvedEvent) -> u64 {
    #[derive(Deserialize)]
    struct Metadata {
        #[serde(rename = "$correlationId")]
        correlation_id: String,
    }
    let event = event.event().unwrap_or(event.original());
    match strategy {
        Strategy::DispatchToSingle | Strategy::RoundRobin => 0,
        Strategy::Pinned => xxh3_64(event.stream.as_bytes()),
        Strategy::PinnedByCorrelation => {
            let metadata: Option<Metadata> = serde_json::from_slice(&event.metadata).ok();
            let by = metadata.as_ref().map_or(&*event.stream, |metadata| &metadata.correlation_id);
            xxh3_64(by.as_bytes())
        }
    }
}

/// Copies an event's bytes out of the chunk of log they were read with, which a single event would keep in memory.
pub(super) fn detach(event: &mut ResolvedEvent) {
    let copy = |event: &mut RecordedEvent| {
        event.data = Bytes::copy_from_slice(&event.data);
        event.metadata = Bytes::copy_from_slice(&event.metadata);
    };
    match event {
        ResolvedEvent::Event(event) => copy(event),
        ResolvedEvent::Link { link, target } => {
            copy(link);
            target.iter_mut().for_each(copy);
        }
    }
}
