//! Measures the engine: appends with 1, 64 and 500 in flight, reading everything, starting again, and how far the index
//! is behind. `cargo run --release --example engine_bench -- [EVENTS] [DIR]` fills the log up to EVENTS (default 1,000,000)
//! before it measures the start. DIR (default: a temporary directory) is kept if given.

#![allow(clippy::print_stdout, clippy::expect_used, missing_docs)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use eventstore_node::{
    AllFrom, Direction, ExpectedRevision, Node, NodeOptions, ProposedEvent, ReadLimit, StreamAppend, Uuid,
};
use hdrhistogram::Histogram;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ACCOUNTS: u64 = 10_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let events = arguments
        .next()
        .map_or(1_000_000, |text| text.parse().expect("EVENTS must be a number"));
    let temporary = tempfile::tempdir().expect("no temporary directory");
    let dir = arguments
        .next()
        .map_or_else(|| temporary.path().to_owned(), Into::into);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("no runtime").block_on(bench(&dir, events));
}

async fn bench(dir: &std::path::Path, total_events: u64) {
    let begun = Instant::now();
    let node = Node::open(NodeOptions::new(dir)).expect("open");
    println!("open: {:.0?}, head {}", begun.elapsed(), node.head());
    for (in_flight, seconds) in [(1, 3), (64, 8), (500, 8)] {
        appends(&node, in_flight, Duration::from_secs(seconds), u64::MAX).await;
    }
    let there = read_all(&node);
    subscription(&node, there).await;
    if there < total_events {
        println!("filling up to {total_events} events");
        appends(&node, 500, Duration::MAX, (total_events - there) / 2).await;
    }
    streams(&node);
    let begun = Instant::now();
    node.shutdown().await;
    drop(node);
    println!("shutdown: {:.0?}", begun.elapsed());
    let begun = Instant::now();
    let node = Node::open(NodeOptions::new(dir)).expect("open");
    println!("open again: {:.0?}; resident {}", begun.elapsed(), resident());
    let begun = Instant::now();
    let count = read_all(&node);
    println!("({count} events in {:.1?})", begun.elapsed());
    node.shutdown().await;
}

/// Appends batches of two events to two streams, one of them new, until the time or the number is reached.
async fn appends(node: &Node, in_flight: usize, time: Duration, batches: u64) {
    let before = node.stats();
    let cpu = cpu_time();
    let left = Arc::new(AtomicU64::new(batches));
    let begun = Instant::now();
    let tasks: Vec<_> = (0..in_flight)
        .map(|_| {
            let (node, left) = (node.clone(), left.clone());
            tokio::spawn(async move {
                let mut latencies = Histogram::<u64>::new(2).expect("histogram");
                let data = Bytes::from("x".repeat(300));
                while begun.elapsed() < time
                    && left
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                        .is_ok()
                {
                    let started = Instant::now();
                    node.append(batch(&data)).await.expect("append");
                    latencies
                        .record(started.elapsed().as_micros() as u64)
                        .expect("record");
                }
                latencies
            })
        })
        .collect();
    let watcher = tokio::spawn({
        let node = node.clone();
        async move {
            let mut largest = 0;
            loop {
                largest = largest.max(node.stats().index_lag);
                LARGEST_LAG.store(largest, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    });
    let mut latencies = Histogram::<u64>::new(2).expect("histogram");
    for task in tasks {
        latencies.add(task.await.expect("task")).expect("add");
    }
    watcher.abort();
    let (seconds, after) = (begun.elapsed().as_secs_f64(), node.stats());
    println!(
        "{in_flight:4} in flight: {:7.0} batches/s, {:7.0} events/s, {:5.1} MB/s, {:5.0} syncs/s of {:4.0} us, {:5.1} batches a sync; \
         p50 {} us, p99 {} us, p99.9 {} us, max {} us; cpu {:.2} cores; index lag {} (max {}), resident {}",
        (after.batches - before.batches) as f64 / seconds,
        (after.events - before.events) as f64 / seconds,
        (after.bytes - before.bytes) as f64 / seconds / 1e6,
        (after.syncs - before.syncs) as f64 / seconds,
        (after.sync_nanos - before.sync_nanos) as f64 / (after.syncs - before.syncs) as f64 / 1e3,
        (after.batches - before.batches) as f64 / (after.syncs - before.syncs) as f64,
        latencies.value_at_quantile(0.5),
        latencies.value_at_quantile(0.99),
        latencies.value_at_quantile(0.999),
        latencies.max(),
        (cpu_time() - cpu) / seconds,
        after.index_lag,
        LARGEST_LAG.load(Ordering::Relaxed),
        resident(),
    );
}

static LARGEST_LAG: AtomicU64 = AtomicU64::new(0);

fn batch(data: &Bytes) -> Vec<StreamAppend> {
    let id = Uuid::new_v4();
    let account = id.as_u128() as u64 % ACCOUNTS;
    let event = |event_type: &'static str| ProposedEvent {
        id: Uuid::new_v4(),
        event_type: event_type.into(),
        is_json: true,
        data: data.clone(),
        metadata: Bytes::new(),
    };
    vec![
        StreamAppend {
            stream: format!("transfer-{}", id.simple()).into(),
            expected: ExpectedRevision::NoStream,
            follows: None,
            events: vec![event("TransferRequested")],
        },
        StreamAppend {
            stream: format!("account-{account}").into(),
            expected: ExpectedRevision::Any,
            follows: None,
            events: vec![event("AccountDebited")],
        },
    ]
}

fn read_all(node: &Node) -> u64 {
    for direction in [Direction::Backward, Direction::Forward] {
        let begun = Instant::now();
        let mut from = if direction == Direction::Forward {
            AllFrom::Start
        } else {
            AllFrom::End
        };
        let mut count = 0;
        loop {
            let page = node
                .read_all(from, direction, ReadLimit::default())
                .expect("read");
            count += page.events.len() as u64;
            if page.end {
                break;
            }
            from = AllFrom::Position(page.next);
        }
        let rate = count as f64 / begun.elapsed().as_secs_f64();
        println!("read_all {direction:?}: {count} events, {rate:.0} events/s");
        if direction == Direction::Forward {
            return count;
        }
    }
    0
}

async fn subscription(node: &Node, events: u64) {
    let begun = Instant::now();
    let mut subscription = node.subscribe_all(None);
    let mut count = 0;
    while count < events {
        count += subscription.next_batch(1000).await.expect("next").len() as u64;
    }
    println!(
        "subscription: {:.0} events/s",
        count as f64 / begun.elapsed().as_secs_f64()
    );
}

fn streams(node: &Node) {
    let begun = Instant::now();
    let mut count = 0;
    for account in 0..200 {
        let limit = ReadLimit::events(100);
        let stream = format!("account-{account}");
        let page = node.read_stream(
            &stream,
            eventstore_node::StreamFrom::End,
            Direction::Backward,
            limit,
        );
        count += page.expect("read").events.len();
    }
    println!(
        "read_stream, last 100 of 200 streams: {:.0} us each, {count} events",
        begun.elapsed().as_micros() as f64 / 200.0
    );
}

fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |name: &str| {
        status
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_default()
            .to_owned()
    };
    line("VmRSS:")
        .split_whitespace()
        .skip(1)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Seconds of CPU used by this process, user and system.
fn cpu_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|text| text.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0
}
