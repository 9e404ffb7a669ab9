//! Following one stream: every event that can be read after a revision, each once, in order, for as long as one asks.

use std::sync::Arc;

use tokio::sync::watch;

use super::{BATCH_BYTES, changed, read};
use crate::error::ReadError;
use crate::event::{DELETED_REVISION, Direction, Position, ReadLimit, RecordedEvent};
use crate::limits::WARM_BYTES;
use crate::log::reader::read_each;
use crate::shared::Shared;
use crate::streams::StreamHead;

/// All events of one stream after a revision.
pub struct StreamSubscription {
    shared: Arc<Shared>,
    /// Wakes it when something happens to the stream. `None` only while it is dropped.
    changed: Option<watch::Receiver<()>>,
    stream: Arc<str>,
    /// Of its name.
    hash: u64,
    /// The log's last event when it began: a tombstone after that is an event to return, an older one is an error.
    since: Position,
    /// The revision to read next.
    next: u64,
}

impl StreamSubscription {
    pub(crate) fn new(shared: Arc<Shared>, stream: Arc<str>, after: Option<u64>) -> Self {
        let hash = shared.streams.hash(&stream);
        let (changed, since) = (Some(shared.followers.follow(hash)), shared.durable().head);
        Self { shared, changed, stream, hash, since, next: after.map_or(0, |after| after.saturating_add(1)) }
    }

    /// The next events, at least one and at most `max_events` (0 counts as 1), waiting for one if need be. The stream
    /// need not exist yet.
    ///
    /// Events that its metadata truncates before they are returned are left out. If it is deleted for good meanwhile,
    /// the last event is the one that says so.
    ///
    /// Cancel-safe: if the future is dropped, the next call returns what this one would have.
    ///
    /// # Errors
    /// As for [`AllSubscription::next_batch`](crate::AllSubscription::next_batch). `StreamDeleted` if the stream was
    /// deleted for good before the subscription began, or when the event that says so was returned.
    pub async fn next_batch(&mut self, max_events: usize) -> Result<Vec<RecordedEvent>, ReadError> {
        loop {
            if let Some(changed) = &mut self.changed {
                changed.mark_unchanged();
            }
            let durable = self.shared.durable();
            self.shared.check_original(&self.stream)?;
            if let Some(head) = self.shared.find_stream(&self.stream)?.filter(|head| self.is_news(*head)) {
                let (shared, stream, next, since) =
                    (self.shared.clone(), self.stream.clone(), self.next, self.since);
                let limit = ReadLimit { events: max_events.max(1), bytes: BATCH_BYTES };
                // Where the events lie is not known before they are looked up; the newest are in the page cache.
                let warm = head.revision.saturating_sub(next) < 16
                    && durable.end.saturating_sub(head.position) <= WARM_BYTES;
                let events =
                    read(warm, move || shared.read_following(&stream, head, next, since, limit)).await?;
                if let Some(last) = events.last() {
                    self.next = last.revision + 1;
                    return Ok(events);
                }
            }
            if durable.closed {
                return Err(ReadError::ShuttingDown);
            }
            match &mut self.changed {
                Some(receiver) => changed(receiver).await?,
                None => return Err(ReadError::ShuttingDown),
            }
        }
    }

    /// Whether everything durable now has been returned.
    ///
    /// # Errors
    /// The stream's state cannot be read.
    pub fn caught_up(&self) -> Result<bool, ReadError> {
        let Some(head) = self.shared.find_stream(&self.stream)?.filter(|head| self.is_news(*head)) else {
            return Ok(true);
        };
        if head.is_tombstone() {
            return Ok(self.next > DELETED_REVISION);
        }
        let readable = self.shared.truncate(head, self.shared.metadata_of(&self.stream)?)?;
        Ok(readable.first > head.revision)
    }

    /// Whether something is to be said about the stream's last event. A tombstone is said again and again.
    fn is_news(&self, head: StreamHead) -> bool {
        head.is_tombstone() || head.revision >= self.next
    }
}

impl Drop for StreamSubscription {
    fn drop(&mut self) {
        drop(self.changed.take());
        self.shared.followers.leave(self.hash);
    }
}

impl Shared {
    /// Events of a stream from `next` on. If `head` is a tombstone, what it ended and then itself: once, and only if it
    /// was written after the position `since`.
    fn read_following(
        &self,
        stream: &str,
        head: StreamHead,
        next: u64,
        since: Position,
        limit: ReadLimit,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        if head.is_tombstone() && (head.position <= since || next > DELETED_REVISION) {
            return Err(ReadError::StreamDeleted { stream: stream.into() });
        }
        let last = if head.is_tombstone() { self.before_tombstone(head)? } else { Some(head) };
        if let Some(last) = last {
            let readable = self.truncate(last, self.metadata_of(stream)?)?;
            let (events, _) = self.read_revisions(readable, next, Direction::Forward, limit)?;
            if !events.is_empty() {
                return Ok(events);
            }
        }
        let mut events = Vec::new();
        if head.is_tombstone() {
            read_each(&self.log, &[head.position], |found| {
                events.push(found.event(&self.types));
                Ok(())
            })?;
        }
        Ok(events)
    }
}
