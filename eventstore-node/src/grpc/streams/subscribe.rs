//! Catch-up subscriptions: everything after a place, and then what comes, for as long as the client listens.
//!
//! The log is the buffer. A subscriber that is slow is read for more slowly, and that is all; one that takes nothing
//! for a long time is sent away and goes on from where it was when it comes back; if it does not even take notice of
//! that, its connection is cut. No subscription ends without an error: clients take no other end for one.

use std::sync::Arc;

use tonic::Status;

use super::pages::{Admission, Messages, Page, Pages};
use super::request::After;
use super::resolve::Shape;
use crate::error::ReadError;
use crate::event::{DELETED_REVISION, Direction, Position, ReadLimit, RecordedEvent, StreamFrom};
use crate::grpc::filter::{Filter, is_hidden};
use crate::grpc::limits::{LIVE_BUFFER_EVENTS, PAGE_BYTES, PAGE_EVENTS};
use crate::grpc::server::Server;
use crate::grpc::status;
use crate::grpc::wire::{
    CaughtUp, Checkpoint, ReadContent, ReadEvent, ReadResp, SubscriptionConfirmation, Timestamp,
};
use crate::subscription::{AllSubscription, StreamSubscription};

/// Follows a stream, which need not exist.
pub(crate) async fn follow_stream(
    server: &Arc<Server>,
    admission: Admission,
    shape: Shape,
    stream: Arc<str>,
    after: After<u64>,
) -> Result<Messages, Status> {
    let (node, name) = (server.node.clone(), stream.clone());
    let nothing = ReadLimit::events(0);
    let look = move || node.read_stream(&name, StreamFrom::End, Direction::Forward, nothing);
    let found = tokio::task::spawn_blocking(look).await.map_err(|_| status::handler_exception())?;
    let last = found.map_err(status::from_read)?.last_revision;
    let seen = match after {
        After::Nothing => None,
        After::Place(revision) => Some(revision),
        After::Everything => last,
    };
    let source = Source::Stream(server.node.subscribe_stream(stream, seen));
    let follower = Follower::new(server, shape, source, seen, None);
    Ok(Messages::produced(server, admission, follower.confirmation(), |pages| follower.run(pages)))
}

/// Follows the log.
pub(crate) fn follow_all(
    server: &Arc<Server>,
    admission: Admission,
    shape: Shape,
    after: After<Position>,
    filter: Option<Filter>,
) -> Messages {
    let head = Some(server.node.head()).filter(|head| *head > 0);
    let seen = match after {
        After::Nothing => None,
        After::Place(position) => Some(position),
        After::Everything => head,
    };
    let source = Source::All(server.node.subscribe_all(seen));
    let follower = Follower::new(server, shape, source, seen, filter);
    Messages::produced(server, admission, follower.confirmation(), |pages| follower.run(pages))
}

/// What is followed.
enum Source {
    Stream(StreamSubscription),
    All(AllSubscription),
}

impl Source {
    async fn next_batch(&mut self) -> Result<Vec<RecordedEvent>, ReadError> {
        match self {
            Self::Stream(stream) => stream.next_batch(PAGE_EVENTS).await,
            Self::All(all) => all.next_batch(PAGE_EVENTS).await,
        }
    }

    fn caught_up(&self) -> Result<bool, ReadError> {
        match self {
            Self::Stream(stream) => stream.caught_up(),
            Self::All(all) => Ok(all.caught_up()),
        }
    }

    /// Whether there can be something after this place.
    fn goes_on_after(&self, seen: Option<u64>) -> bool {
        matches!(self, Self::All(_)) || seen != Some(DELETED_REVISION)
    }

    /// An event's place, as the client resumes by it.
    fn place(&self, event: &RecordedEvent) -> u64 {
        match self {
            Self::Stream(_) => event.revision,
            Self::All(_) => event.position,
        }
    }
}

/// A subscription.
struct Follower {
    server: Arc<Server>,
    shape: Shape,
    source: Source,
    filter: Option<Arc<Filter>>,
    /// Revision or position of the last event considered, or where the client began.
    seen: Option<u64>,
    /// Events considered since the last checkpoint.
    considered: u64,
    /// The client was told that it has caught up.
    live: bool,
    /// A page had to wait for the client.
    waited: bool,
}

impl Follower {
    fn new(
        server: &Arc<Server>,
        shape: Shape,
        source: Source,
        seen: Option<u64>,
        filter: Option<Filter>,
    ) -> Self {
        Self {
            server: server.clone(),
            shape,
            source,
            filter: filter.map(Arc::new),
            seen,
            considered: 0,
            live: false,
            waited: false,
        }
    }

    fn confirmation(&self) -> Page {
        let subscription_id = uuid::Uuid::new_v4().to_string();
        vec![ReadContent::Confirmation(SubscriptionConfirmation { subscription_id }).into()]
    }

    /// Never ends well: by a failed read, a stop, a client that is gone or does not listen.
    async fn run(mut self, pages: Pages) -> Result<(), Status> {
        loop {
            let behind = !self.live && self.source.goes_on_after(self.seen);
            if behind && self.source.caught_up().map_err(status::from_read)? {
                self.live = true;
                let page = self.caught_up();
                self.send(&pages, page).await?;
            }
            let batch = tokio::select! {
                biased;
                why = pages.unwanted() => return Err(why),
                batch = self.source.next_batch() => batch.map_err(status::from_read)?,
            };
            if std::mem::take(&mut self.waited) && batch.len() > LIVE_BUFFER_EVENTS {
                self.live = false;
            }
            let page = self.page(&pages, batch).await?;
            if !page.is_empty() {
                self.send(&pages, page).await?;
            }
        }
    }

    /// Hands a page over. A client that lets too much come together is told again when it has caught up.
    async fn send(&mut self, pages: &Pages, page: Page) -> Result<(), Status> {
        self.waited |= pages.send(page).await?;
        Ok(())
    }

    /// What the client gets for a batch of events: those it wants, and checkpoints in place of many it does not. Full
    /// pages are sent at once, the rest is returned.
    async fn page(&mut self, pages: &Pages, batch: Vec<RecordedEvent>) -> Result<Page, Status> {
        let mut page = Page::with_capacity(if self.filter.is_some() { 0 } else { batch.len() });
        let mut bytes = 0;
        for (event, wanted) in self.choose(pages, batch).await? {
            self.seen = Some(self.source.place(&event));
            self.considered += 1;
            if wanted {
                let event = if self.shape.is_link(&event) {
                    self.resolve(event).await?
                } else {
                    self.shape.plain(event)
                };
                bytes += event.bytes();
                page.push(ReadContent::Event(event).into());
            }
            if self.filter.as_ref().is_some_and(|filter| self.considered >= filter.checkpoint_interval) {
                page.extend(self.checkpoint());
            }
            // What links point to may be larger than they are.
            if bytes >= PAGE_BYTES {
                bytes = 0;
                self.send(pages, std::mem::take(&mut page)).await?;
            }
        }
        Ok(page)
    }

    /// A batch of events, and whether the client wants each.
    async fn choose(
        &self,
        pages: &Pages,
        batch: Vec<RecordedEvent>,
    ) -> Result<Vec<(RecordedEvent, bool)>, Status> {
        let all = matches!(self.source, Source::All(_));
        let Some(filter) = &self.filter else {
            let choice = batch.into_iter().map(|event| {
                let wanted = !all || !is_hidden(&event);
                (event, wanted)
            });
            return Ok(choice.collect());
        };
        let (filter, pages) = (filter.clone(), pages.clone());
        let costly = filter.is_costly();
        let choose = move || {
            let choice = batch.into_iter().map(|event| {
                pages.wanted()?;
                let wanted = !is_hidden(&event) && filter.matches(&event)?;
                Ok((event, wanted))
            });
            choice.collect()
        };
        if costly {
            tokio::task::spawn_blocking(choose).await.map_err(|_| status::handler_exception())?
        } else {
            choose()
        }
    }

    async fn resolve(&self, event: RecordedEvent) -> Result<ReadEvent, Status> {
        let (node, shape) = (self.server.node.clone(), self.shape);
        let read = tokio::task::spawn_blocking(move || shape.read_event(&node, event)).await;
        read.map_err(|_| status::handler_exception())?.map_err(status::from_read)
    }

    /// A checkpoint, if the last one was not at this place.
    fn checkpoint(&mut self) -> Option<ReadResp> {
        if std::mem::take(&mut self.considered) == 0 {
            return None;
        }
        let position = self.seen?;
        let timestamp = Some(Timestamp::now());
        let checkpoint = Checkpoint { commit_position: position, prepare_position: position, timestamp };
        Some(ReadContent::Checkpoint(checkpoint).into())
    }

    fn caught_up(&mut self) -> Page {
        let mut page = Page::new();
        if self.filter.is_some() {
            page.extend(self.checkpoint());
        }
        let mut caught_up = CaughtUp { timestamp: Some(Timestamp::now()), ..CaughtUp::default() };
        match self.source {
            Source::Stream(_) => caught_up.stream_revision = self.seen.map(|revision| revision as i64),
            Source::All(_) => caught_up.position = self.seen.map(Into::into),
        }
        page.push(ReadContent::CaughtUp(caught_up).into());
        page
    }
}
