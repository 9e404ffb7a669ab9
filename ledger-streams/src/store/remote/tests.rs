//! The engine against a server that comes, goes and is shared.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use eventstore_node::grpc::{Credentials, GrpcOptions, TlsOptions};
use eventstore_node::{ExpectedRevision, ProposedEvent, RecordedEvent, StreamAppend};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

use super::EventStoreDb;
use crate::store::{AppendFailure, EventStore, Follower, after};
use crate::test_server::Server;
use crate::{CALL_PATIENCE, StoreError};

fn connect(server: &Server) -> EventStore {
    EventStore::connect(&server.url()).unwrap()
}

fn remote(store: &EventStore) -> &EventStoreDb {
    let EventStore::EventStoreDb(remote) = store else { panic!("not over the network") };
    remote
}

fn event(text: &str) -> ProposedEvent {
    ProposedEvent {
        id: Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes()),
        event_type: Cow::Borrowed("Tested"),
        is_json: true,
        data: Bytes::from(format!("{{ \"text\": \"{text}\" }}")),
        metadata: Bytes::from_static(b"{}"),
    }
}

/// One event for a stream that has `events` already.
fn part(stream: &str, events: u64, text: &str) -> StreamAppend {
    StreamAppend { stream: stream.into(), expected: after(events), follows: None, events: vec![event(text)] }
}

fn following(text: &str, append: StreamAppend) -> StreamAppend {
    StreamAppend { follows: Some(event(text).id), ..append }
}

fn conflict<T: std::fmt::Debug>(outcome: Result<T, AppendFailure>) -> usize {
    match outcome {
        Err(AppendFailure::Conflict(part)) => part,
        other => panic!("{other:?}"),
    }
}

async fn texts(store: &EventStore, stream: &str) -> Vec<String> {
    let events = store.read_stream(&stream.into(), 0).await.unwrap();
    for (revision, event) in (0..).zip(&events) {
        assert_eq!((event.revision, &*event.stream), (revision, stream));
    }
    events.iter().map(text).collect()
}

fn text(event: &RecordedEvent) -> String {
    let data: HashMap<String, String> = serde_json::from_slice(&event.data).unwrap();
    data.get("text").unwrap().clone()
}

/// Appends until it is told that it worked, as a client that repeats its wish.
async fn append_whatever_happens(store: &EventStore, append: StreamAppend) {
    loop {
        match store.append(vec![append.clone()]).await {
            Ok(_) => return,
            Err(AppendFailure::Store(StoreError::Unavailable(_))) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_server_may_come_later() {
    let mut server = Server::later().await;
    let store = connect(&server);
    assert!(store.health().is_err());
    let appending = tokio::spawn({
        let store = store.clone();
        async move { append_whatever_happens(&store, part("account-1", 0, "a")).await }
    });
    let mut subscription = Follower::new(remote(&store), None);
    remote(&store).calls().health.wait_for(false).await;
    server.start().await;
    appending.await.unwrap();
    let seen = subscription.next(10).await.unwrap();
    assert_eq!(seen.iter().map(text).collect::<Vec<_>>(), ["a"]);
    remote(&store).calls().health.wait_for(true).await;
    let head = store.head().await.unwrap();
    assert_eq!(head, server.node().head());
    store.close().await;
    assert!(matches!(store.head().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(subscription.next(10).await, Err(StoreError::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_goes_under_load_and_comes_back_has_everything_once() {
    const WRITERS: usize = 16;
    const EACH: u64 = 60;
    let mut server = Server::new().await;
    let store = connect(&server);
    remote(&store).calls().health.wait_for(true).await;
    let (progress, mut written) = tokio::sync::watch::channel(0);
    let progress = Arc::new(progress);
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, progress) = (store.clone(), Arc::clone(&progress));
        writers.spawn(async move {
            for number in 0..EACH {
                let stream = format!("account-{writer}");
                append_whatever_happens(&store, part(&stream, number, &format!("{writer}/{number}"))).await;
                progress.send_modify(|written| *written += 1);
            }
        });
    }
    let follower = tokio::spawn({
        let mut subscription = Follower::new(remote(&store), None);
        async move {
            let mut seen = Vec::new();
            while seen.len() < WRITERS * EACH as usize {
                seen.extend(subscription.next(64).await.unwrap());
            }
            seen
        }
    });
    for stop_at in [100, 400] {
        written.wait_for(|written| *written >= stop_at).await.unwrap();
        server.stop().await;
        remote(&store).calls().health.wait_for(false).await;
        assert!(store.health().unwrap_err().len() > 5);
        server.start().await;
    }
    writers.join_all().await;
    for writer in 0..WRITERS {
        let expected: Vec<_> = (0..EACH).map(|number| format!("{writer}/{number}")).collect();
        assert_eq!(texts(&store, &format!("account-{writer}")).await, expected);
    }
    let seen = follower.await.unwrap();
    assert!(seen.is_sorted_by(|one, next| one.position < next.position));
    let distinct: HashSet<_> = seen.iter().map(text).collect();
    assert_eq!((seen.len(), distinct.len()), (WRITERS * EACH as usize, WRITERS * EACH as usize));
    remote(&store).calls().health.wait_for(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn appends_queued_ahead_of_the_answers_keep_their_order_and_are_written_together() {
    let server = Server::new().await;
    let store = connect(&server);
    let mut pending = Vec::new();
    for number in 0..1_000_u64 {
        let reservation = store.reserve().await.unwrap();
        let before = part(&format!("transfer-{number}"), 0, "requested");
        let own = part("account-1", number, &number.to_string());
        pending.push(reservation.submit(vec![before, own]));
    }
    let mut positions = Vec::new();
    for (number, submitted) in (0..).zip(pending) {
        let placed = submitted.placed().await.unwrap();
        let [before, own] = placed.as_slice() else { panic!("{placed:?}") };
        assert_eq!((before.revision, own.revision), (0, number));
        positions.push((before.position, own.position));
    }
    let own = store.read_stream(&"account-1".into(), 0).await.unwrap();
    for (number, (event, (before, placed))) in own.iter().zip(positions).enumerate() {
        assert!(placed >= event.position, "it is there at this place");
        let requested = store.read_last(&format!("transfer-{number}").into()).await.unwrap();
        assert_eq!(requested.unwrap().position, before, "what begins a stream has its own place");
    }
    let expected: Vec<_> = (0..1_000).map(|number| number.to_string()).collect();
    assert_eq!(texts(&store, "account-1").await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_processes_one_loses() {
    let server = Server::new().await;
    let (one, two) = (connect(&server), connect(&server));
    let (first, second) = tokio::join!(
        one.append(vec![part("account-1", 0, "one")]),
        two.append(vec![part("account-1", 0, "two")])
    );
    assert_eq!(first.is_ok(), second.is_err());
    let winner = if first.is_ok() { "one" } else { "two" };
    assert_eq!(texts(&one, "account-1").await, [winner]);
    assert_eq!(conflict(if first.is_ok() { second } else { first }), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_repetition_is_known_also_when_something_new_follows_it() {
    let server = Server::new().await;
    let (before, store) = (connect(&server), connect(&server));
    before.append(vec![part("account-1", 0, "a")]).await.unwrap();
    before.append(vec![part("account-1", 1, "b")]).await.unwrap();
    // A process that was never told that "b" was written.
    let repetition = store.reserve().await.unwrap();
    let next = store.reserve().await.unwrap();
    let repetition = repetition.submit(vec![part("account-1", 1, "b")]);
    let next = next.submit(vec![part("account-1", 2, "c")]);
    assert_eq!(repetition.placed().await.unwrap().first().unwrap().revision, 1);
    assert_eq!(next.placed().await.unwrap().first().unwrap().revision, 2);
    assert_eq!(texts(&store, "account-1").await, ["a", "b", "c"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_follows_what_did_not_happen() {
    let server = Server::new().await;
    let (store, other) = (connect(&server), connect(&server));
    other.append(vec![part("account-1", 0, "theirs 0")]).await.unwrap();
    // Decided on an empty stream: the first of these fails, and takes the second along with the rest of its batch.
    let batches = [
        vec![
            part("transfer-1", 0, "requested"),
            part("account-1", 0, "ours 0"),
            part("transfer-2", 0, "never"),
        ],
        vec![part("transfer-3", 0, "requested"), following("ours 0", part("account-1", 1, "ours 1"))],
    ];
    let mut submitted = Vec::new();
    for batch in batches {
        submitted.push(store.reserve().await.unwrap().submit(batch));
    }
    for submitted in submitted {
        assert_eq!(conflict(submitted.placed().await), 1);
    }
    other.append(vec![part("account-1", 1, "theirs 1")]).await.unwrap();
    // Decided before anybody heard of the failure; by now the revisions would fit.
    let late = following("ours 1", part("account-1", 2, "ours 2"));
    assert_eq!(conflict(store.append(vec![part("transfer-4", 0, "requested"), late]).await), 1);
    assert_eq!(texts(&store, "account-1").await, ["theirs 0", "theirs 1"]);
    for (stream, written) in [("transfer-1", 1), ("transfer-2", 0), ("transfer-3", 1), ("transfer-4", 1)] {
        assert_eq!(store.events_in(&stream.into()).await.unwrap(), written, "{stream}");
    }
    let anew = following("theirs 1", part("account-1", 2, "ours 2"));
    store.append(vec![anew]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_stays_away_is_called_unavailable_and_safe_to_ask_again() {
    let mut server = Server::new().await;
    let store = connect(&server);
    store.append(vec![part("account-1", 0, "a")]).await.unwrap();
    server.stop().await;
    let failing = [part("account-1", 1, "b"), following("b", part("account-1", 2, "c"))];
    let mut submitted = Vec::new();
    for append in failing.clone() {
        submitted.push(store.reserve().await.unwrap().submit(vec![append]));
    }
    let started = std::time::Instant::now();
    for submitted in submitted {
        let failure = submitted.placed().await.unwrap_err();
        // The second may have been part of the same append or behind it.
        assert!(matches!(
            failure,
            AppendFailure::Store(StoreError::Unavailable(_)) | AppendFailure::Conflict(0)
        ));
    }
    assert!(started.elapsed() < CALL_PATIENCE + Duration::from_secs(5));
    // Known to be away for long, it is not waited for.
    let asked = timeout(CALL_PATIENCE / 2, store.read_last(&"account-1".into())).await.unwrap();
    assert!(matches!(asked, Err(StoreError::Unavailable(_))));
    server.start().await;
    remote(&store).calls().health.wait_for(true).await;
    for append in failing {
        store.append(vec![append]).await.unwrap();
    }
    assert_eq!(texts(&store, "account-1").await, ["a", "b", "c"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn other_clients_of_the_store_are_not_in_the_way() {
    let server = Server::new().await;
    let (store, node) = (connect(&server), EventStore::Embedded(server.node()));
    let any = |stream: &str| StreamAppend { expected: ExpectedRevision::Any, ..part(stream, 0, "noise") };
    store.append(vec![part("account-1", 0, "a")]).await.unwrap();
    for _ in 0..600 {
        node.append(vec![any("orders-1"), any("$stats")]).await.unwrap();
    }
    let mut subscription = Follower::new(remote(&store), None);
    let first = subscription.next(100).await.unwrap();
    assert_eq!(first.iter().map(text).collect::<Vec<_>>(), ["a"]);
    let a = first.first().unwrap();
    assert_eq!(store.head().await.unwrap(), a.position);
    assert!(server.node().head() > a.position);
    assert_eq!(store.recorded_at(server.node().head()).await.unwrap(), Some(crate::codec::time_of(a)));
    store.append(vec![part("account-1", 1, "b")]).await.unwrap();
    let next = subscription.next(100).await.unwrap();
    assert_eq!(next.iter().map(text).collect::<Vec<_>>(), ["b"]);
    assert!(subscription.caught_up());
    let newest = store.read_newest().await.unwrap().unwrap();
    assert_eq!(newest, node.read_newest().await.unwrap().unwrap(), "an event is the same through both doors");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_subscription_may_be_asked_and_not_waited_for() {
    let server = Server::new().await;
    let store = connect(&server);
    let mut subscription = Follower::new(remote(&store), None);
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for number in 0..300 {
                store.append(vec![part("account-1", number, &number.to_string())]).await.unwrap();
            }
        }
    });
    let mut seen = Vec::new();
    while seen.len() < 300 {
        tokio::select! {
            biased;
            events = subscription.next(7) => seen.extend(events.unwrap().iter().map(text)),
            () = tokio::task::yield_now() => {}
        }
    }
    writer.await.unwrap();
    assert_eq!(seen, (0..300).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_subscription_begins_after_a_place_and_knows_when_it_is_at_the_end() {
    let server = Server::new().await;
    let store = connect(&server);
    for number in 0..500 {
        store.append(vec![part("account-1", number, &number.to_string())]).await.unwrap();
    }
    let page = store.read_stream(&"account-1".into(), 0).await.unwrap();
    let mut subscription = Follower::new(remote(&store), Some(page[99].position));
    let mut seen = Vec::new();
    while seen.len() < 400 {
        let events = subscription.next(150).await.unwrap();
        assert!(!events.is_empty() && events.len() <= 150);
        seen.extend(events);
        assert_eq!(subscription.caught_up(), seen.len() == 400);
    }
    assert_eq!(seen, page[100..]);
    // Connections are used again by the next.
    drop(subscription);
    let mut another = Follower::new(remote(&store), None);
    assert_eq!(another.next(1).await.unwrap(), page[..1]);
    drop(another);
    assert_eq!(remote(&store).inner.idle.lock().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn over_tls_the_password_matters() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut options = GrpcOptions::default();
    let (certificate, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
    options.tls = Some(TlsOptions { certificate: certificate.clone().into(), key: key.into() });
    options.credentials = Some(Credentials { user: "admin".into(), password: "changeit".into() });
    let server = Server::with(options).await;
    let authority = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(authority.path(), certificate).unwrap();
    let url = |user: &str| {
        format!("esdb://{user}@localhost:{}?tlsCaFile={}", server.port(), authority.path().display())
    };
    let store = EventStore::connect(&url("admin:changeit")).unwrap();
    store.append(vec![part("account-1", 0, "a")]).await.unwrap();
    assert_eq!(Follower::new(remote(&store), None).next(1).await.unwrap().len(), 1);

    let stranger = EventStore::connect(&url("admin:guess")).unwrap();
    let denied =
        |error: &StoreError| matches!(error, StoreError::Broken(text) if text.contains("denies access"));
    assert!(denied(&stranger.head().await.unwrap_err()));
    assert!(denied(&Follower::new(remote(&stranger), None).next(1).await.unwrap_err()));
    let append = stranger.append(vec![part("account-1", 1, "b")]).await.unwrap_err();
    assert!(matches!(append, AppendFailure::Store(error) if denied(&error)));
    assert!(!stranger.health().unwrap_err().contains("guess"));

    // Without trust in the certificate there is no connection: away, and it says why.
    let distrustful = EventStore::connect(&format!("esdb://localhost:{}", server.port())).unwrap();
    assert!(matches!(distrustful.head().await, Err(StoreError::Unavailable(_))));
    let told = distrustful.health().unwrap_err();
    assert!(told.contains("certificate") || told.contains("connect"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cluster_is_asked_for_its_leader_again_when_it_was_gone() {
    let mut server = Server::new().await;
    // Two names of the same node, as two seeds.
    for url in [
        format!("esdb+discover://127.0.0.1:{}?tls=false", server.port()),
        format!("esdb://127.0.0.1:{0},localhost:{0}?tls=false", server.port()),
    ] {
        let store = EventStore::connect(&url).unwrap();
        let mut subscription = Follower::new(remote(&store), store.head().await.ok());
        let stream = format!("account-{}", url.len());
        append_whatever_happens(&store, part(&stream, 0, "a")).await;
        server.stop().await;
        remote(&store).calls().health.wait_for(false).await;
        server.start().await;
        append_whatever_happens(&store, part(&stream, 1, "b")).await;
        let mut seen = Vec::new();
        while seen.len() < 2 {
            seen.extend(subscription.next(10).await.unwrap().iter().map(text));
        }
        assert_eq!(seen, ["a", "b"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_says_nothing_is_not_waited_for_for_ever() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store = EventStore::connect(&format!("esdb://{}?tls=false", listener.local_addr().unwrap())).unwrap();
    let silent = tokio::spawn(async move {
        let mut connections = Vec::new();
        loop {
            connections.push(listener.accept().await.unwrap());
        }
    });
    let asked =
        timeout(CALL_PATIENCE + Duration::from_secs(5), store.append(vec![part("account-1", 0, "a")]));
    let answer = asked.await.unwrap();
    assert!(matches!(answer, Err(AppendFailure::Store(StoreError::Unavailable(_)))), "{answer:?}");
    assert!(!store.health().unwrap_err().is_empty());
    timeout(Duration::from_secs(5), store.close()).await.unwrap();
    silent.abort();
}

/// A server that knows no features, has no events, and ends every subscription at once, without an error.
async fn serve_nothing(listener: tokio::net::TcpListener, reads: Arc<AtomicUsize>) {
    let mut connections = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let reads = Arc::clone(&reads);
        let service = service_fn(move |request: Request<Incoming>| {
            let is_read = request.uri().path().ends_with("/Read");
            reads.fetch_add(usize::from(is_read), Ordering::Relaxed);
            let status = if is_read { "0" } else { "12" };
            let response = Response::builder().header("content-type", "application/grpc");
            let response = response.header("grpc-status", status).body(String::new());
            std::future::ready(response)
        });
        let server = http2::Builder::new(TokioExecutor::new());
        connections.spawn(server.serve_connection(TokioIo::new(socket), service));
    }
}

#[tokio::test]
async fn a_subscription_that_the_server_ends_is_made_again_and_costs_no_thread() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("esdb://{}?tls=false", listener.local_addr().unwrap());
    let reads = Arc::new(AtomicUsize::new(0));
    let serving = tokio::spawn(serve_nothing(listener, Arc::clone(&reads)));
    let store = EventStore::connect(&url).unwrap();
    let mut subscription = Follower::new(remote(&store), None);
    // There is one thread: if it is lost, nothing below is ever reached.
    assert!(timeout(Duration::from_secs(2), subscription.next(1)).await.is_err());
    assert_eq!(store.head().await.unwrap(), 0);
    assert!(reads.load(Ordering::Relaxed) > 5);
    store.close().await;
    serving.abort();
}
