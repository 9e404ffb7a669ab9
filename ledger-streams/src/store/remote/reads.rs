//! Reading, and what is read.

use std::sync::Arc;

use eventstore::{
    Client, Error, ReadAllOptions, ReadStream, ReadStreamOptions, StreamPosition, SubscriptionFilter,
};
use eventstore_node::{Direction, RecordedEvent, StreamFrom};
use ledger_core::Position;

use super::calls::Refusal;
use super::{EventStoreDb, store_error};
use crate::codec::{CATEGORIES, is_the_ledgers};
use crate::{CALL_TIMEOUT, StoreError};

impl EventStoreDb {
    pub(in crate::store) async fn head(&self) -> Result<Position, StoreError> {
        self.calls().call(head).await.map_err(store_error)
    }

    /// A page of a stream, and whether it is known to be the last.
    pub(in crate::store) async fn stream_page(
        &self,
        stream: &Arc<str>,
        from: StreamFrom,
        direction: Direction,
        events_max: usize,
    ) -> Result<(Vec<RecordedEvent>, bool), StoreError> {
        let from = match from {
            StreamFrom::Start => StreamPosition::Start,
            StreamFrom::End => StreamPosition::End,
            StreamFrom::Revision(revision) => StreamPosition::Position(revision),
        };
        let options = ReadStreamOptions::default().position(from).max_count(events_max);
        let options = match direction {
            Direction::Forward => options.forwards(),
            Direction::Backward => options.backwards(),
        };
        let options = options.requires_leader(true).deadline(CALL_TIMEOUT);
        let read = self.calls().call(|client| {
            let (stream, options) = (Arc::clone(stream), options.clone());
            async move { collect(client.read_stream(&*stream, &options).await?, events_max).await }
        });
        let events = match read.await {
            Ok(events) => events,
            Err(Refusal::NotFound) => vec![],
            Err(refusal) => return Err(store_error(refusal)),
        };
        self.lanes().seen(&events);
        let end = events.len() < events_max
            || (direction == Direction::Backward && events.last().is_none_or(|event| event.revision == 0));
        Ok((events, end))
    }

    pub(in crate::store) async fn read_all_from(
        &self,
        position: Position,
        max: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let from = StreamPosition::Position(at(position));
        self.read_all(all().filter(filter()).position(from).forwards(), max).await
    }

    pub(in crate::store) async fn read_newest(&self) -> Result<Option<RecordedEvent>, StoreError> {
        let events = self.read_all(all().position(StreamPosition::End), 1).await?;
        Ok(events.into_iter().next())
    }

    /// The ledger's last event at or before a position; `None` also when the log has no such place.
    pub(in crate::store) async fn last_at(
        &self,
        position: Position,
    ) -> Result<Option<RecordedEvent>, StoreError> {
        if position == 0 {
            return Ok(None);
        }
        // A server reads backwards what lies before a place, and need not understand a place where no event begins.
        let from = all().position(StreamPosition::Position(at(position))).forwards();
        let next = self.read_all(from, 1).await?.into_iter().next();
        let before = match next {
            Some(event) if event.position == position && is_the_ledgers(&event) => return Ok(Some(event)),
            Some(event) => StreamPosition::Position(at(event.position)),
            None => StreamPosition::End,
        };
        let events = self.read_all(all().filter(filter()).position(before).backwards(), 1).await?;
        Ok(events.into_iter().next())
    }

    async fn read_all(&self, options: ReadAllOptions, max: usize) -> Result<Vec<RecordedEvent>, StoreError> {
        let options = options.max_count(max);
        let read = self.calls().call(|client| {
            let options = options.clone();
            async move { collect(client.read_all(&options).await?, max).await }
        });
        match read.await {
            Ok(events) => Ok(events),
            Err(Refusal::NotFound) => Ok(vec![]),
            Err(refusal) => Err(store_error(refusal)),
        }
    }
}

/// Position of the ledger's last event.
pub(super) async fn head(client: Arc<Client>) -> Result<Position, Error> {
    last_position(&client, all().filter(filter())).await
}

/// Position of the last event of all.
pub(super) async fn newest(client: Arc<Client>) -> Result<Position, Error> {
    last_position(&client, all()).await
}

async fn last_position(client: &Client, options: ReadAllOptions) -> Result<Position, Error> {
    let options = options.position(StreamPosition::End).max_count(1);
    let last = collect(client.read_all(&options).await?, 1).await?;
    Ok(last.first().map_or(0, |event| event.position))
}

/// What the ledger writes, by the names of streams.
pub(super) fn filter() -> SubscriptionFilter {
    CATEGORIES
        .iter()
        .fold(SubscriptionFilter::on_stream_name(), |filter, category| filter.add_prefix(category))
}

/// A position as the client wants it.
pub(super) const fn at(position: Position) -> eventstore::Position {
    eventstore::Position { commit: position, prepare: position }
}

/// An event as the ledger knows it.
pub(super) fn recorded(event: eventstore::RecordedEvent) -> RecordedEvent {
    // The client's own time has no fractions of seconds.
    let ticks = event.metadata.get("created").and_then(|ticks| ticks.parse().ok());
    RecordedEvent {
        id: event.id,
        stream: event.stream_id().into(),
        revision: event.revision,
        position: event.position.commit,
        event_type: event.event_type.into(),
        is_json: event.is_json,
        created: ticks.unwrap_or_else(|| event.created.timestamp_micros().saturating_mul(10)),
        data: event.data,
        metadata: event.custom_metadata,
    }
}

fn all() -> ReadAllOptions {
    ReadAllOptions::default().requires_leader(true).deadline(CALL_TIMEOUT)
}

async fn collect(mut read: ReadStream, max: usize) -> Result<Vec<RecordedEvent>, Error> {
    let mut events = Vec::new();
    // To its end: a server takes it ill when many streams are reset.
    while let Some(resolved) = read.next().await? {
        if events.len() < max {
            events.extend(resolved.event.map(recorded));
        }
    }
    Ok(events)
}
