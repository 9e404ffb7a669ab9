//! Read: some events of a stream or of the log, in either direction.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::pages::{Admission, Messages, Page, Pages};
use super::request::{ReadRequest, What};
use super::resolve::Shape;
use super::subscribe::{follow_all, follow_stream};
use crate::Node;
use crate::error::ReadError;
use crate::event::{AllFrom, Direction, ReadLimit, RecordedEvent, StreamFrom};
use crate::grpc::filter::{Filter, is_hidden};
use crate::grpc::limits::{PAGE_BYTES, PAGE_EVENTS};
use crate::grpc::server::Server;
use crate::grpc::status;
use crate::grpc::wire::{ReadContent, ReadReq, ReadResp, StreamIdentifier, StreamNotFound};

/// Answers a read. What is wrong with its first page is an answer without a message: clients tell the difference.
pub(crate) async fn read(
    server: &Arc<Server>,
    connection: CancellationToken,
    request: ReadReq,
) -> Result<Messages, Status> {
    let admission = Admission::new(server, connection)?;
    let ReadRequest { what, shape, wants_bounds } = ReadRequest::new(request)?;
    let node = server.node.clone();
    let reader = match what {
        What::Stream { stream, from, direction, count } => {
            let cursor = StreamCursor { stream, from, wants_bounds, begun: false };
            Reader { node, shape, direction, left: count, cursor: Cursor::Stream(cursor) }
        }
        What::All { from, direction, count, filter } => {
            let cursor = Cursor::All { from, filter };
            Reader { node, shape, direction, left: count, cursor }
        }
        What::FollowStream { stream, after } => {
            return follow_stream(server, admission, shape, stream, after).await;
        }
        What::FollowAll { after, filter } => return Ok(follow_all(server, admission, shape, after, filter)),
    };
    let (reader, first) = reader.next().await?;
    Ok(match reader {
        None => Messages::complete(server, admission, first),
        Some(reader) => Messages::produced(server, admission, first, |pages| reader.run(pages)),
    })
}

/// A read under way.
struct Reader {
    node: Node,
    shape: Shape,
    direction: Direction,
    /// Events still wanted.
    left: u64,
    cursor: Cursor,
}

/// Where a read is.
enum Cursor {
    Stream(StreamCursor),
    All { from: AllFrom, filter: Option<Filter> },
}

/// Where a read of a stream is.
struct StreamCursor {
    stream: Arc<str>,
    from: StreamFrom,
    wants_bounds: bool,
    /// A page was read.
    begun: bool,
}

impl Reader {
    /// Reads page after page, as fast as they are taken. A page may be empty: a filter wants nothing of it.
    async fn run(self, pages: Pages) -> Result<(), Status> {
        let mut rest = Some(self);
        while let Some(reader) = rest {
            pages.wanted()?;
            let (next, page) = reader.next().await?;
            if !page.is_empty() {
                pages.send(page).await?;
            }
            rest = next;
        }
        Ok(())
    }

    /// The next page; and the reader, if there is more.
    async fn next(mut self) -> Result<(Option<Self>, Page), Status> {
        let read = move || {
            let mut page = Page::new();
            let more = match self.cursor {
                Cursor::Stream(_) => self.read_stream(&mut page),
                Cursor::All { .. } => self.read_all(&mut page),
            };
            more.map(|more| (more.then_some(self), page))
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| status::handler_exception())?
    }

    fn limit(&self, filtered: bool) -> ReadLimit {
        let wanted = if filtered { PAGE_EVENTS } else { self.left.min(PAGE_EVENTS as u64) as usize };
        ReadLimit { events: wanted, bytes: PAGE_BYTES }
    }

    /// Adds an event; returns its bytes.
    fn push(&mut self, page: &mut Page, event: RecordedEvent) -> Result<usize, ReadError> {
        self.left -= 1;
        let event = self.shape.read_event(&self.node, event)?;
        let bytes = event.bytes();
        page.push(ReadContent::Event(event).into());
        Ok(bytes)
    }

    /// Reads a page of a stream; returns whether there is more.
    fn read_stream(&mut self, page: &mut Page) -> Result<bool, Status> {
        let limit = self.limit(false);
        let Cursor::Stream(cursor) = &mut self.cursor else { return Ok(false) };
        let read = self
            .node
            .read_stream(&cursor.stream, cursor.from, self.direction, limit)
            .map_err(status::from_read)?;
        let begun = std::mem::replace(&mut cursor.begun, true);
        if !read.exists {
            if !begun {
                let stream_identifier = Some(StreamIdentifier::of(&cursor.stream));
                page.push(ReadContent::StreamNotFound(StreamNotFound { stream_identifier }).into());
            }
            return Ok(false);
        }
        let bounds = cursor.wants_bounds;
        if bounds && !begun && self.direction == Direction::Forward {
            page.extend(first_position(cursor.from, read.first_revision, read.last_revision));
        }
        page.reserve(read.events.len() + 1);
        let mut events = read.events.into_iter();
        let (mut bytes, mut next) = (0, None);
        // What links point to may be larger than they are.
        for event in events.by_ref() {
            next = match self.direction {
                Direction::Forward => event.revision.checked_add(1),
                Direction::Backward => event.revision.checked_sub(1),
            };
            bytes += self.push(page, event).map_err(status::from_read)?;
            if bytes >= PAGE_BYTES {
                break;
            }
        }
        let end = read.end && events.len() == 0;
        if let (Some(next), Cursor::Stream(cursor)) = (next, &mut self.cursor) {
            cursor.from = StreamFrom::Revision(next);
        }
        if next.is_some() && !end && self.left > 0 {
            return Ok(true);
        }
        if let Some(last) = read.last_revision.filter(|_| bounds) {
            page.push(ReadContent::LastStreamPosition(last).into());
        }
        Ok(false)
    }

    /// Reads a page of the log; returns whether there is more.
    fn read_all(&mut self, page: &mut Page) -> Result<bool, Status> {
        let Cursor::All { from, filter } = &mut self.cursor else { return Ok(false) };
        let (start, filter) = (*from, filter.take());
        let limit = self.limit(filter.is_some());
        let read = self.node.read_all(start, self.direction, limit).map_err(status::from_read)?;
        page.reserve(if filter.is_some() { 0 } else { read.events.len() });
        let mut events = read.events.into_iter();
        let (mut bytes, mut next) = (0, read.next);
        while let Some(event) = events.next() {
            if self.left == 0 {
                break;
            }
            if is_hidden(&event) {
                continue;
            }
            if filter.as_ref().map_or(Ok(true), |filter| filter.matches(&event))? {
                let after = match self.direction {
                    Direction::Forward => event.position + 1,
                    Direction::Backward => event.position,
                };
                bytes += self.push(page, event).map_err(status::from_read)?;
                if bytes >= PAGE_BYTES && events.len() > 0 {
                    next = after;
                    break;
                }
            }
        }
        self.cursor = Cursor::All { from: AllFrom::Position(next), filter };
        Ok((next != read.next || !read.end) && self.left > 0)
    }
}

/// A forward read that begins where there is nothing to read is told where there is.
fn first_position(from: StreamFrom, first: Option<u64>, last: Option<u64>) -> Option<ReadResp> {
    let (first, next) = (first?, last?.saturating_add(1));
    let start = match from {
        StreamFrom::Start => 0,
        StreamFrom::Revision(revision) => revision,
        StreamFrom::End => return None,
    };
    let readable = start.clamp(first.min(next), next);
    (readable != start).then(|| ReadContent::FirstStreamPosition(readable).into())
}
