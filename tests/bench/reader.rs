//! The load generator of reads: HTTP/1.1 with keep-alive and as little else as possible, since it runs on the cores that it measures.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Writes the request of a number.
pub type Ask = Arc<dyn Fn(u64, &mut Vec<u8>) + Send + Sync>;

/// What to ask.
#[derive(Clone)]
pub struct Reads {
    pub address: SocketAddr,
    pub ask: Ask,
    pub connections: usize,
    pub duration: Duration,
    /// Requests each second, whether or not the answers keep up; `None`: each connection asks as soon as it was answered.
    pub rate: Option<u64>,
    /// What a right answer has so many times; looked at now and then.
    pub expected: (&'static str, usize),
}

/// What came of it.
pub struct Answers {
    pub count: u64,
    pub seconds: f64,
    pub bytes: u64,
    /// Microseconds from when a request was due to its whole answer.
    pub latency: Histogram<u64>,
}

impl Answers {
    pub fn rate(&self) -> f64 {
        self.count as f64 / self.seconds
    }
}

/// Asks, and waits for the last answer.
pub async fn run(reads: Reads) -> Answers {
    let ticket = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..reads.connections {
        tasks.spawn(connection(reads.clone(), Arc::clone(&ticket), start));
    }
    let mut all = Answers { count: 0, seconds: 0.0, bytes: 0, latency: Histogram::new(3).unwrap() };
    for (latency, bytes) in tasks.join_all().await {
        all.bytes += bytes;
        all.latency.add(&latency).unwrap();
    }
    all.seconds = start.elapsed().as_secs_f64();
    all.count = all.latency.len();
    all
}

async fn connection(reads: Reads, ticket: Arc<AtomicU64>, start: Instant) -> (Histogram<u64>, u64) {
    let mut stream = TcpStream::connect(reads.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut request, mut answer) = (Vec::new(), Vec::with_capacity(64 * 1024));
    let (mut latency, mut bytes) = (Histogram::<u64>::new(3).unwrap(), 0);
    loop {
        let number = ticket.fetch_add(1, Ordering::Relaxed);
        let due = match reads.rate {
            Some(rate) => {
                let due = start + Duration::from_nanos(number * 1_000_000_000 / rate);
                tokio::time::sleep_until(due.into()).await;
                due
            }
            None => Instant::now(),
        };
        if due.duration_since(start) >= reads.duration {
            return (latency, bytes);
        }
        request.clear();
        (reads.ask)(number, &mut request);
        stream.write_all(&request).await.unwrap();
        answer.clear();
        let body = whole(&mut stream, &mut answer).await;
        latency.record(u64::try_from(due.elapsed().as_micros()).unwrap()).unwrap();
        bytes += answer.len() as u64;
        let is_good = answer.starts_with(b"HTTP/1.1 200 ");
        if !is_good || number.is_multiple_of(512) {
            let text = String::from_utf8_lossy(&answer[body..]);
            let (part, times) = reads.expected;
            assert!(is_good && text.matches(part).count() == times, "{text}");
        }
    }
}

/// Reads one answer; where its body begins.
async fn whole(stream: &mut TcpStream, answer: &mut Vec<u8>) -> usize {
    loop {
        assert!(stream.read_buf(answer).await.unwrap() > 0, "the server hung up");
        let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&answer[..head]).unwrap().to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.expect("a length").parse().unwrap();
        let body = head + 4;
        while answer.len() < body + length {
            assert!(stream.read_buf(answer).await.unwrap() > 0, "the server hung up");
        }
        return body;
    }
}

/// Spreads numbers evenly and repeatably.
pub fn mixed(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
