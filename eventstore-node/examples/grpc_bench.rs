//! How fast the node is over gRPC on loopback, client and server in one process: appends with many in flight, a read of
//! all events, the delay until a subscriber has a committed event.
//!
//! `cargo run --release -p eventstore-node --example grpc_bench -- [EVENTS] [DIR]`: EVENTS to read (default 500,000), DIR in which a
//! temporary directory is made (default: here).

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use eventstore::{
    AppendToStreamOptions, Client, EventData, ReadAllOptions, StreamPosition, SubscribeToAllOptions,
};
use eventstore_node::grpc::{GrpcOptions, serve};
use eventstore_node::{ExpectedRevision, Node, NodeOptions, ProposedEvent, StreamAppend, Uuid};
use hdrhistogram::Histogram;
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EVENT_BYTES: usize = 256;

/// When each of the numbered events was acknowledged, in nanoseconds since the start; 0: not yet.
type Acknowledged = Arc<Vec<AtomicU64>>;

fn nanos(begun: Instant) -> u64 {
    begun.elapsed().as_nanos() as u64
}

/// An event with a number.
fn event(number: u64) -> EventData {
    let mut data = vec![b'x'; EVENT_BYTES];
    data[..8].copy_from_slice(&number.to_le_bytes());
    EventData::binary("happened", data.into()).id(Uuid::new_v4())
}

async fn appends(client: &Client, in_flight: u64, total: u64) {
    let acknowledged = Arc::new((0..total).map(|_| AtomicU64::new(0)).collect());
    appends_noted(client, in_flight, Instant::now(), acknowledged).await;
}

async fn appends_noted(client: &Client, in_flight: u64, start: Instant, acknowledged: Acknowledged) {
    let total = acknowledged.len() as u64;
    let (left, begun) = (Arc::new(AtomicU64::new(total)), Instant::now());
    let workers: Vec<_> = (0..in_flight)
        .map(|worker| {
            let (client, left, acknowledged) = (client.clone(), left.clone(), acknowledged.clone());
            tokio::spawn(async move {
                let mut delays = Histogram::<u64>::new(3).unwrap();
                let options = AppendToStreamOptions::default();
                let one_less = |left: u64| left.checked_sub(1);
                while let Ok(left) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less) {
                    let (number, begun) = (left - 1, Instant::now());
                    let stream = format!("s-{worker}");
                    client.append_to_stream(stream, &options, event(number)).await.unwrap();
                    acknowledged[number as usize].store(nanos(start), Ordering::Relaxed);
                    delays.record(begun.elapsed().as_micros() as u64).unwrap();
                }
                delays
            })
        })
        .collect();
    let mut delays = Histogram::<u64>::new(3).unwrap();
    for worker in workers {
        delays.add(worker.await.unwrap()).unwrap();
    }
    let rate = total as f64 / begun.elapsed().as_secs_f64();
    println!(
        "appends, {in_flight:>3} in flight: {rate:>8.0}/s   p50 {:>6} us  p99 {:>6} us",
        delays.value_at_quantile(0.5),
        delays.value_at_quantile(0.99)
    );
}

async fn fill(node: &Node, events: u64) {
    for batch in 0..events / 1000 {
        let events = (0..1000).map(|_| ProposedEvent {
            id: Uuid::new_v4(),
            event_type: "happened".into(),
            is_json: false,
            data: vec![b'x'; EVENT_BYTES].into(),
            metadata: Default::default(),
        });
        let append = StreamAppend {
            stream: format!("fill-{}", batch % 16).into(),
            expected: ExpectedRevision::Any,
            follows: None,
            events: events.collect(),
        };
        node.append(vec![append]).await.unwrap();
    }
}

async fn catch_up(client: &Client) {
    for _ in 0..3 {
        let begun = Instant::now();
        let options = ReadAllOptions::default().position(StreamPosition::Start).max_count(usize::MAX);
        let mut read = client.read_all(&options).await.unwrap();
        let mut count = 0_u64;
        while read.next().await.unwrap().is_some() {
            count += 1;
        }
        println!("read of {count} events: {:.0} events/s", count as f64 / begun.elapsed().as_secs_f64());
    }
}

/// Delays from the acknowledgement until the event arrives at a subscriber, while appends go on.
async fn deliveries(client: &Client, reader: &Client, total: u64) {
    let options = SubscribeToAllOptions::default().position(StreamPosition::End);
    let mut subscription = reader.subscribe_to_all(&options).await;
    subscription.next_subscription_event().await.unwrap();
    let acknowledged: Acknowledged = Arc::new((0..total).map(|_| AtomicU64::new(0)).collect());
    let (start, noted) = (Instant::now(), acknowledged.clone());
    let listener = tokio::spawn(async move {
        let mut delays = Histogram::<u64>::new(3).unwrap();
        for _ in 0..total {
            let event = subscription.next().await.unwrap();
            let number = u64::from_le_bytes(event.get_original_event().data[..8].try_into().unwrap());
            // It may be here before the acknowledgement.
            let delay = match noted[number as usize].load(Ordering::Relaxed) {
                0 => 0,
                acknowledged => nanos(start).saturating_sub(acknowledged),
            };
            delays.record(delay / 1000).unwrap();
        }
        delays
    });
    appends_noted(client, 64, start, acknowledged).await;
    let delays = listener.await.unwrap();
    println!(
        "acknowledged until delivered, under that load: p50 {} us  p99 {} us  max {} us",
        delays.value_at_quantile(0.5),
        delays.value_at_quantile(0.99),
        delays.max()
    );
}

#[tokio::main]
async fn main() {
    let events = std::env::args().nth(1).map_or(500_000, |events| events.parse().unwrap());
    let dir = tempfile::tempdir_in(std::env::args().nth(2).unwrap_or_else(|| ".".to_owned())).unwrap();
    let node = Node::open(NodeOptions::new(dir.path())).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("esdb://{}?tls=false&discoveryInterval=1", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve(node.clone(), listener, GrpcOptions::default(), stop.clone()));
    let client = || Client::new(url.parse().unwrap()).unwrap();
    let (writer, reader) = (client(), client());
    appends(&writer, 1, 1000).await;
    for _ in 0..2 {
        appends(&writer, 64, 40_000).await;
    }
    appends(&writer, 500, 40_000).await;
    deliveries(&writer, &reader, 40_000).await;
    fill(&node, events).await;
    catch_up(&reader).await;
    stop.cancel();
    serving.await.unwrap().unwrap();
    node.shutdown().await;
}
