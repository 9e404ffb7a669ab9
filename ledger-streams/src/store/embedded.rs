//! The engine in this process: our node.

use std::sync::Arc;

use eventstore_node::{AllFrom, Direction, Node, ReadError, ReadLimit, RecordedEvent, StreamFrom};
use ledger_core::Position;

use super::BACKWARD_PAGE_EVENTS;
use crate::StoreError;
use crate::codec::is_the_ledgers;

/// The ledger's last event at or before a position.
pub(super) async fn last_at(node: &Node, position: Position) -> Result<Option<RecordedEvent>, StoreError> {
    blocking(node, move |node| {
        let mut before = position.saturating_add(1);
        loop {
            let limit = ReadLimit::events(BACKWARD_PAGE_EVENTS);
            let read = node.read_all(AllFrom::Position(before), Direction::Backward, limit)?;
            let (next, end) = (read.next, read.end);
            let found = read.events.into_iter().find(is_the_ledgers);
            if found.is_some() || end {
                return Ok(found);
            }
            before = next;
        }
    })
    .await
}

pub(super) async fn stream_page(
    node: &Node,
    stream: &Arc<str>,
    from: StreamFrom,
    direction: Direction,
    events_max: usize,
) -> Result<(Vec<RecordedEvent>, bool), StoreError> {
    let limit = ReadLimit::events(events_max);
    let stream = Arc::clone(stream);
    let read = blocking(node, move |node| node.read_stream(&stream, from, direction, limit)).await?;
    Ok((read.events, read.end))
}

pub(super) fn read_short(
    node: &Node,
    stream: &Arc<str>,
    max: usize,
) -> Result<Vec<RecordedEvent>, StoreError> {
    if node.last_revision(stream)?.is_none() {
        return Ok(Vec::new());
    }
    Ok(node.read_stream(stream, StreamFrom::Start, Direction::Forward, ReadLimit::events(max))?.events)
}

pub(super) fn read_newest(node: &Node) -> Result<Option<RecordedEvent>, StoreError> {
    let read = node.read_all(AllFrom::End, Direction::Backward, ReadLimit::events(1))?;
    Ok(read.events.into_iter().next())
}

/// Reads that may touch the disk run beside the async threads.
async fn blocking<T: Send + 'static>(
    node: &Node,
    read: impl FnOnce(&Node) -> Result<T, ReadError> + Send + 'static,
) -> Result<T, StoreError> {
    let node = node.clone();
    match tokio::task::spawn_blocking(move || read(&node)).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(StoreError::Unavailable(error.to_string().into())),
    }
}
