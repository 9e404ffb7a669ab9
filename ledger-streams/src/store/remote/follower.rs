//! Following the log over the network.

use std::collections::VecDeque;
use std::sync::Arc;

use eventstore::{StreamPosition, SubscribeToAllOptions, SubscriptionEvent};
use eventstore_node::RecordedEvent;
use ledger_core::Position;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::connection::{Connection, Lease, delays};
use super::failure::{self, Failure};
use super::finished::unless_finished;
use super::reads::{at, filter, recorded};
use super::{EventStoreDb, Inner};
use crate::{FILL_TIME, FILTER_WINDOW_EVENTS, READ_AHEAD_EVENTS, RECONNECT_DELAY_MAX, StoreError};

/// Every event of the ledger after a position, once, in order, for ever: whatever happens to the connection, it goes on where it was.
pub(crate) struct Follower {
    messages: mpsc::Receiver<Message>,
    /// Events taken from there and not returned yet.
    ready: VecDeque<RecordedEvent>,
    /// When the first of them was taken.
    since: Instant,
    /// What ends them.
    failed: Option<StoreError>,
    caught_up: bool,
    _reader: AbortOnDropHandle<()>,
    _line: Line,
}

enum Message {
    Event(Box<RecordedEvent>),
    CaughtUp(bool),
    Failed(StoreError),
}

/// A connection of the follower's own: one whose events nobody takes must not hold up others. Left to the next follower.
struct Line {
    inner: Arc<Inner>,
    connection: Arc<Connection>,
}

impl Follower {
    pub(crate) fn new(store: &EventStoreDb, after: Option<Position>) -> Self {
        let line = Line::take(store);
        let (sender, messages) = mpsc::channel(READ_AHEAD_EVENTS);
        let closed = line.inner.closed.clone();
        let read = read(Arc::clone(&line.connection), after.unwrap_or(0), sender);
        let reader = tokio::spawn(async move {
            closed.run_until_cancelled(read).await;
        });
        Self {
            messages,
            ready: VecDeque::new(),
            since: Instant::now(),
            failed: None,
            caught_up: false,
            _reader: AbortOnDropHandle::new(reader),
            _line: line,
        }
    }

    /// The next events, at least one and at most `max` (0 counts as 1). Waits while there is none and while the store is away. Dropping
    /// the future loses nothing.
    pub(crate) async fn next(&mut self, max: usize) -> Result<Vec<RecordedEvent>, StoreError> {
        let max = max.max(1);
        loop {
            while self.ready.len() < max
                && self.failed.is_none()
                && let Ok(message) = self.messages.try_recv()
            {
                self.take(message);
            }
            let message = if self.ready.is_empty() {
                if let Some(error) = self.failed.take() {
                    return Err(error);
                }
                self.messages.recv().await
            } else if self.ready.len() >= max || self.caught_up || self.failed.is_some() {
                break;
            } else {
                // Behind, there is always more to come: an event, or the news that this was the last.
                match timeout_at(self.since + FILL_TIME, self.messages.recv()).await {
                    Ok(message) => message,
                    Err(_) => break,
                }
            };
            match message {
                Some(message) => self.take(message),
                None if self.ready.is_empty() => {
                    return Err(StoreError::Unavailable("it was closed".into()));
                }
                None => break,
            }
        }
        Ok(self.ready.drain(..max.min(self.ready.len())).collect())
    }

    /// Whether everything there was has been returned.
    pub(crate) fn caught_up(&self) -> bool {
        self.caught_up && self.ready.is_empty() && self.messages.is_empty()
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Event(event) => {
                if self.ready.is_empty() {
                    self.since = Instant::now();
                }
                self.ready.push_back(*event);
            }
            Message::CaughtUp(caught_up) => self.caught_up = caught_up,
            Message::Failed(error) => self.failed = Some(error),
        }
    }
}

impl Line {
    fn take(store: &EventStoreDb) -> Self {
        let inner = Arc::clone(&store.inner);
        let idle = inner.idle.lock().pop();
        let connection = idle.unwrap_or_else(|| {
            let connection = Arc::new(Connection::new());
            inner.keep(&connection);
            connection
        });
        Self { inner, connection }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.inner.idle.lock().push(Arc::clone(&self.connection));
    }
}

/// Subscribes again and again, and passes on what comes, until nobody wants it.
async fn read(connection: Arc<Connection>, mut place: Position, messages: mpsc::Sender<Message>) {
    let mut waits = delays();
    loop {
        let lease = connection.lease_beyond_calls().await;
        let before = place;
        let failure = match Box::pin(unless_finished(subscribe(&lease, &mut place, &messages))).await {
            Some(Some(failure)) => failure,
            Some(None) => return,
            None => {
                let reason = "the server has ended it".into();
                Failure::Passing { reason, connection: failure::Connection::Fine }
            }
        };
        if messages.send(Message::CaughtUp(false)).await.is_err() {
            return;
        }
        if place != before {
            waits = delays();
        }
        let error = match failure {
            Failure::Passing { reason, connection } => {
                tracing::debug!(%reason, place, "a subscription ended; subscribing again");
                lease.failed(connection, &reason);
                None
            }
            Failure::Lasting(error) => Some(error),
            Failure::Conflict | Failure::NotFound => {
                Some(StoreError::Broken(format!("its log has no position {place}").into()))
            }
        };
        if let Some(error) = error
            && messages.send(Message::Failed(error)).await.is_err()
        {
            return;
        }
        sleep(waits.next().unwrap_or(RECONNECT_DELAY_MAX)).await;
    }
}

/// One subscription, from a place to its end. Returns why it ended; `None` when nobody wants the messages any more.
///
/// The client's own retries are not used: they do not know checkpoints, and give up.
async fn subscribe(lease: &Lease, place: &mut Position, messages: &mpsc::Sender<Message>) -> Option<Failure> {
    let from = match *place {
        0 => StreamPosition::Start,
        place => StreamPosition::Position(at(place)),
    };
    let filter = filter().max(FILTER_WINDOW_EVENTS);
    let options = SubscribeToAllOptions::default().position(from).filter(filter);
    let mut subscription = lease.client.subscribe_to_all(&options).await;
    loop {
        let message = match subscription.next_subscription_event().await {
            Ok(SubscriptionEvent::EventAppeared(resolved)) => {
                // Never twice, whatever a server thinks "after" means.
                let Some(event) = resolved.event.filter(|event| event.position.commit > *place) else {
                    continue;
                };
                *place = event.position.commit;
                Message::Event(Box::new(recorded(event)))
            }
            // Where to go on, and no more: a place in other clients' events is none that anybody waits for.
            Ok(SubscriptionEvent::Checkpoint(position)) => {
                *place = position.commit.max(*place);
                continue;
            }
            Ok(SubscriptionEvent::CaughtUp(_)) => Message::CaughtUp(true),
            Ok(SubscriptionEvent::FellBehind(_)) => Message::CaughtUp(false),
            Ok(SubscriptionEvent::Confirmed(_)) => {
                lease.answered();
                continue;
            }
            Ok(
                SubscriptionEvent::FirstStreamPosition(_)
                | SubscriptionEvent::LastStreamPosition(_)
                | SubscriptionEvent::LastAllPosition(_),
            ) => continue,
            Err(error) => return Some(error.into()),
        };
        if messages.send(message).await.is_err() {
            return None;
        }
    }
}
