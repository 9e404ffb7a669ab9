//! The event store by itself: the embedded engine in this process, and the same engine behind EventStoreDB's gRPC protocol in a process of
//! its own, spoken to with the official client.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use eventstore::{
    AppendToStreamOptions, Client, EventData, ReadAllOptions, StreamPosition, StreamState,
    SubscribeToAllOptions, SubscriptionEvent,
};
use eventstore_node::{
    AllFrom, Direction, ExpectedRevision, Node, NodeOptions, ProposedEvent, ReadLimit, StreamAppend,
};
use hdrhistogram::Histogram;
use tempfile::TempDir;
use uuid::Uuid;

use crate::Plan;
use crate::server::Server;

/// 256 bytes of JSON: what EventStoreDB's own test client writes.
const EVENT_BYTES: usize = 256;
/// Streams written to, one event an append, any revision: as that client does.
const STREAMS: usize = 1_000;
/// Events of the catch-up read.
const CATCH_UP_EVENTS: u64 = 1_000_000;
/// Connections of the gRPC door: a real server allows 100 calls at a time on each.
const CONNECTIONS: usize = 8;
const IN_FLIGHT: [usize; 3] = [1, 64, 500];
/// The number of the append that ends a delivery run.
const LAST: u64 = u64::MAX;
/// Appends a second while deliveries are timed, beside as many as there can be.
const STEADY_RATE: u64 = 8_000;

/// A way to the event store.
#[derive(Clone)]
enum Door {
    InProcess(Node),
    Grpc(Arc<Vec<Client>>),
}

/// Appends, a catch-up read and delivery to a subscriber, through both doors.
pub fn run(plan: &Plan) {
    println!("\n## The event store, {EVENT_BYTES}-byte events, single-event appends to {STREAMS} streams");
    // Client and server share two cores; a client of one thread would measure itself.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let seconds = Duration::from_secs(plan.seconds.clamp(1, 10));
    runtime.block_on(async {
        let dir = TempDir::new().unwrap();
        let node = open(dir.path());
        appends("in process", &Door::InProcess(node.clone()), seconds).await;
        node.shutdown().await;

        let dir = TempDir::new().unwrap();
        let server = Server::node(dir.path()).await;
        let door = Door::Grpc(Arc::new(connect(&server, CONNECTIONS).await));
        appends("over gRPC", &door, seconds).await;
        for rate in [Some(STEADY_RATE), None] {
            delivery(&server, &door, rate, seconds).await;
        }
        server.stop();

        let dir = TempDir::new().unwrap();
        let node = open(dir.path());
        fill(&node).await;
        catch_up_in_process(&node).await;
        node.shutdown().await;
        let server = Server::node(dir.path()).await;
        catch_up_over_grpc(&connect(&server, 1).await[0]).await;
        server.stop();
    });
}

fn open(dir: &Path) -> Node {
    Node::open(NodeOptions::new(dir)).unwrap()
}

/// The client gives up for good if its server is not there yet: each attempt is a new one.
async fn connect(server: &Server, connections: usize) -> Vec<Client> {
    let url = format!("esdb://{}?tls=false&discoveryInterval=1", server.esdb);
    let mut clients = Vec::new();
    while clients.len() < connections {
        let client = Client::new(url.parse().unwrap()).unwrap();
        let options = ReadAllOptions::default().max_count(1);
        match client.read_all(&options).await {
            Ok(_) => clients.push(client),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    clients
}

impl Door {
    async fn append(&self, number: u64) -> Result<(), String> {
        let stream = format!("bench-{}", number as usize % STREAMS);
        let data = Bytes::from(payload(number));
        match self {
            Self::InProcess(node) => {
                let append = StreamAppend {
                    stream: stream.into(),
                    expected: ExpectedRevision::Any,
                    follows: None,
                    events: vec![proposed(data)],
                };
                node.append(vec![append]).await.map(drop).map_err(|error| error.to_string())
            }
            Self::Grpc(clients) => {
                let options = AppendToStreamOptions::default().stream_state(StreamState::Any);
                let event = EventData::binary("Bench", data).id(Uuid::new_v4());
                let client = &clients[number as usize % clients.len()];
                client
                    .append_to_stream(stream, &options, event)
                    .await
                    .map(drop)
                    .map_err(|error| error.to_string())
            }
        }
    }
}

fn proposed(data: Bytes) -> ProposedEvent {
    ProposedEvent {
        id: Uuid::new_v4(),
        event_type: "Bench".into(),
        is_json: true,
        data,
        metadata: Bytes::new(),
    }
}

fn payload(number: u64) -> Vec<u8> {
    let digits = EVENT_BYTES - r#"{"number":""}"#.len();
    format!(r#"{{"number":"{number:0>digits$}"}}"#).into_bytes()
}

async fn appends(name: &str, door: &Door, duration: Duration) {
    for in_flight in IN_FLIGHT {
        let (rate, latencies) = load(door, Offer { in_flight, rate: None }, duration, None).await;
        println!(
            "  {name}, {in_flight:>3} in flight: {rate:>8.0} appends/s   p50 {:.2} ms, p99 {:.2} ms",
            latencies.value_at_quantile(0.5) as f64 / 1e3,
            latencies.value_at_quantile(0.99) as f64 / 1e3
        );
    }
}

/// Appends as fast as they are answered, or as many a second.
#[derive(Clone, Copy)]
struct Offer {
    in_flight: usize,
    rate: Option<u64>,
}

/// Makes appends; appends a second, and microseconds each took.
async fn load(
    door: &Door,
    offer: Offer,
    duration: Duration,
    acknowledged: Option<Arc<Acknowledged>>,
) -> (f64, Histogram<u64>) {
    let (next, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let started = Instant::now();
    let tasks: Vec<_> = (0..offer.in_flight)
        .map(|_| {
            let (door, next, stop) = (door.clone(), Arc::clone(&next), Arc::clone(&stop));
            let acknowledged = acknowledged.clone();
            tokio::spawn(async move {
                let mut latencies = Histogram::<u64>::new(3).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if let Some(rate) = offer.rate {
                        let due = started + Duration::from_nanos(number * 1_000_000_000 / rate);
                        tokio::time::sleep_until(due.into()).await;
                    }
                    let begun = Instant::now();
                    door.append(number).await.unwrap();
                    if let Some(acknowledged) = &acknowledged {
                        acknowledged.note(number);
                    }
                    latencies.record(micros(begun.elapsed())).unwrap();
                }
                latencies
            })
        })
        .collect();
    tokio::time::sleep(duration).await;
    stop.store(true, Ordering::Relaxed);
    let mut all = Histogram::<u64>::new(3).unwrap();
    for task in tasks {
        all.add(task.await.unwrap()).unwrap();
    }
    (all.len() as f64 / started.elapsed().as_secs_f64(), all)
}

/// When each append was acknowledged, by its number.
struct Acknowledged {
    started: Instant,
    /// Microseconds after the start; 0: not yet.
    at: Vec<AtomicU64>,
}

impl Acknowledged {
    fn new() -> Self {
        Self { started: Instant::now(), at: (0..1 << 20).map(|_| AtomicU64::new(0)).collect() }
    }

    fn slot(&self, number: u64) -> &AtomicU64 {
        &self.at[number as usize % self.at.len()]
    }

    fn note(&self, number: u64) {
        self.slot(number).store(micros(self.started.elapsed()).max(1), Ordering::Relaxed);
    }

    /// Microseconds since the acknowledgement; 0 when the subscriber is ahead of it.
    fn since(&self, number: u64) -> u64 {
        match self.slot(number).load(Ordering::Relaxed) {
            0 => 0,
            at => micros(self.started.elapsed()).saturating_sub(at),
        }
    }
}

/// How long after its writer was told that it is on disk an event reaches a subscriber, and how long after the node began to write it.
async fn delivery(server: &Server, door: &Door, rate: Option<u64>, duration: Duration) {
    // A connection of its own, as whoever follows a log has.
    let client = connect(server, 1).await.remove(0);
    let options = SubscribeToAllOptions::default().position(StreamPosition::End);
    let mut subscription = client.subscribe_to_all(&options).await;
    let acknowledged = Arc::new(Acknowledged::new());
    let (subscribed, wait) = tokio::sync::oneshot::channel();
    let known = Arc::clone(&acknowledged);
    let follower = tokio::spawn(async move {
        let (mut since_told, mut since_written) =
            (Histogram::<u64>::new(3).unwrap(), Histogram::<u64>::new(3).unwrap());
        let mut subscribed = Some(subscribed);
        loop {
            match subscription.next_subscription_event().await.unwrap() {
                SubscriptionEvent::EventAppeared(event) => {
                    let event = event.get_original_event();
                    let number = number(&event.data);
                    if number == LAST {
                        break;
                    }
                    since_told.record(known.since(number)).unwrap();
                    let created: i64 = event.metadata["created"].parse().unwrap();
                    let now = chrono::Utc::now().timestamp_micros();
                    since_written.record(u64::try_from(now - created / 10).unwrap_or(0)).unwrap();
                }
                SubscriptionEvent::CaughtUp(_) => {
                    subscribed.take().map(|subscribed| subscribed.send(()));
                }
                _ => {}
            }
        }
        (since_told, since_written)
    });
    wait.await.unwrap();
    let (reached, _) = load(door, Offer { in_flight: 64, rate }, duration, Some(acknowledged)).await;
    door.append(LAST).await.unwrap();
    let (since_told, since_written) = follower.await.unwrap();
    let ms = |latencies: &Histogram<u64>, quantile| latencies.value_at_quantile(quantile) as f64 / 1e3;
    println!(
        "  over gRPC, at {reached:.0} appends/s: acknowledged to delivered p50 {:.2} ms, p99 {:.2} ms, max {:.1} ms; written to delivered p50 {:.2} ms, p99 {:.2} ms",
        ms(&since_told, 0.5),
        ms(&since_told, 0.99),
        ms(&since_told, 1.0),
        ms(&since_written, 0.5),
        ms(&since_written, 0.99),
    );
}

/// The number in a payload.
fn number(payload: &[u8]) -> u64 {
    let digits = payload.iter().filter(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

async fn fill(node: &Node) {
    for batch in 0..CATCH_UP_EVENTS / 1_000 {
        let append = StreamAppend {
            stream: format!("bench-{batch}").into(),
            expected: ExpectedRevision::Any,
            follows: None,
            events: (0..1_000).map(|number| proposed(Bytes::from(payload(number)))).collect(),
        };
        node.append(vec![append]).await.unwrap();
    }
}

async fn catch_up_in_process(node: &Node) {
    let started = Instant::now();
    let mut subscription = node.subscribe_all(None);
    let mut seen = 0;
    while seen < CATCH_UP_EVENTS {
        seen += subscription.next_batch(4_096).await.unwrap().len() as u64;
    }
    report("catch-up subscription, in process", seen, started);
    let started = Instant::now();
    let (mut seen, mut from) = (0, AllFrom::Start);
    loop {
        let page = node.read_all(from, Direction::Forward, ReadLimit::default()).unwrap();
        seen += page.events.len() as u64;
        if page.end {
            break;
        }
        from = AllFrom::Position(page.next);
    }
    report("read of $all, in process", seen, started);
}

async fn catch_up_over_grpc(client: &Client) {
    let options = SubscribeToAllOptions::default().position(StreamPosition::Start);
    let mut subscription = client.subscribe_to_all(&options).await;
    let started = Instant::now();
    let mut seen = 0;
    while seen < CATCH_UP_EVENTS {
        subscription.next().await.unwrap();
        seen += 1;
    }
    report("catch-up subscription, over gRPC", seen, started);
    drop(subscription);
    let started = Instant::now();
    let mut read = client.read_all(&ReadAllOptions::default()).await.unwrap();
    let mut seen = 0;
    while let Some(_event) = read.next().await.unwrap() {
        seen += 1;
    }
    report("read of $all, over gRPC", seen, started);
}

fn report(what: &str, events: u64, started: Instant) {
    println!(
        "  {what}: {:>8.0} events/s   ({events} events)",
        events as f64 / started.elapsed().as_secs_f64()
    );
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
