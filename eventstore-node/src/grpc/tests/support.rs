//! A server on a free port, and words for the tests.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use eventstore::{Client, EventData, ReadStream, RecordedEvent, Subscription, SubscriptionEvent};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::grpc::{GrpcError, GrpcOptions, serve};
use crate::{Node, NodeOptions};

/// A running server. The directory goes last.
pub(super) struct Server {
    pub(super) node: Node,
    pub(super) address: SocketAddr,
    pub(super) stop: CancellationToken,
    pub(super) serving: JoinHandle<Result<(), GrpcError>>,
    _dir: tempfile::TempDir,
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::with(GrpcOptions::default()).await
    }

    pub(super) async fn with(options: GrpcOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut node_options = NodeOptions::new(dir.path());
        node_options.segment_bytes = 4 * 1024 * 1024;
        node_options.scrub_bytes_per_second = 0;
        let node = tokio::task::spawn_blocking(move || Node::open(node_options)).await.unwrap().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(node.clone(), listener, options, stop.clone()));
        Self { node, address, stop, serving, _dir: dir }
    }

    /// The official client.
    pub(super) fn client(&self) -> Client {
        client(&format!("esdb://{}?tls=false&discoveryInterval=1", self.address))
    }

    pub(super) async fn end(self) {
        self.stop.cancel();
        soon(self.serving).await.unwrap().unwrap();
        self.node.shutdown().await;
    }
}

pub(super) fn client(url: &str) -> Client {
    Client::new(url.parse().unwrap()).unwrap()
}

/// An event with an id of its own.
pub(super) fn event(data: &str) -> EventData {
    EventData::binary("happened", Bytes::copy_from_slice(data.as_bytes())).id(uuid::Uuid::new_v4())
}

pub(super) fn events(count: usize) -> Vec<EventData> {
    (0..count).map(|number| event(&number.to_string())).collect()
}

pub(super) fn data(event: &RecordedEvent) -> String {
    String::from_utf8(event.data.to_vec()).unwrap()
}

/// What must not hang.
pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("this hangs")
}

/// All events of a read.
pub(super) async fn drain(mut read: ReadStream) -> eventstore::Result<Vec<RecordedEvent>> {
    let mut events = Vec::new();
    while let Some(event) = soon(read.next()).await? {
        events.extend(event.link.or(event.event));
    }
    Ok(events)
}

/// What a subscription says, in short: a letter, and an event's data.
pub(super) async fn next(subscription: &mut Subscription) -> eventstore::Result<String> {
    Ok(match soon(subscription.next_subscription_event()).await? {
        SubscriptionEvent::Confirmed(_) => "confirmed".to_owned(),
        SubscriptionEvent::EventAppeared(event) => data(event.get_original_event()),
        SubscriptionEvent::Checkpoint(position) => format!("checkpoint {}", position.commit),
        SubscriptionEvent::CaughtUp(caught_up) => {
            let caught_up = caught_up.unwrap();
            match (caught_up.stream_revision, caught_up.position) {
                (Some(revision), None) => format!("caught up at revision {revision}"),
                (None, Some(position)) => format!("caught up at {}", position.commit),
                (None, None) => "caught up at nothing".to_owned(),
                both => panic!("both places: {both:?}"),
            }
        }
        other => panic!("unexpected: {other:?}"),
    })
}

/// As many words of a subscription.
pub(super) async fn take(subscription: &mut Subscription, count: usize) -> Vec<String> {
    let mut words = Vec::new();
    while words.len() < count {
        words.push(next(subscription).await.unwrap());
    }
    words
}
