//! The load generator: HTTP/1.1 with keep-alive, one transfer a request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Which account pays, and which is paid.
#[derive(Clone)]
pub struct Traffic {
    pub from: Arc<[String]>,
    pub to: Arc<[String]>,
}

/// What to offer.
#[derive(Clone)]
pub struct Load {
    pub address: SocketAddr,
    pub token: String,
    pub traffic: Traffic,
    pub connections: usize,
    pub duration: Duration,
    /// Transfers after which it ends, whatever the time.
    pub transfers: Option<u64>,
    /// Transfers offered each second, whether or not the answers keep up; `None`: each connection asks as soon as it was answered.
    pub rate: Option<u64>,
    /// Told of one accepted transfer now and then.
    pub sample: Option<tokio::sync::mpsc::Sender<Sampled>>,
    /// Told of every accepted transfer.
    pub accepted: Option<tokio::sync::mpsc::UnboundedSender<Accepted>>,
    /// Makes idempotency keys of different loads differ.
    pub name: Arc<str>,
}

/// An accepted transfer.
pub struct Accepted {
    /// When it was to be sent.
    pub due: Instant,
    pub answered: Instant,
    /// The answer.
    pub body: Bytes,
}

/// One that was accepted, read.
pub struct Sampled {
    pub id: String,
    /// The answer's place in the log.
    pub position: u64,
    pub at: Instant,
}

/// What came of it.
pub struct Outcome {
    pub accepted: u64,
    pub refused: u64,
    pub seconds: f64,
    /// Microseconds from when a request was due to its answer.
    pub latency: Histogram<u64>,
}

impl Outcome {
    pub fn rate(&self) -> f64 {
        self.accepted as f64 / self.seconds
    }

    pub fn ms(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1_000.0
    }
}

/// Offers the load and waits for the last answer.
pub async fn run(load: Load) -> Outcome {
    let ticket = Arc::new(AtomicU64::new(0));
    let totals = Arc::new(Mutex::new((0_u64, 0_u64, Histogram::<u64>::new(3).unwrap())));
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..load.connections {
        tasks.spawn(connection(load.clone(), Arc::clone(&ticket), Arc::clone(&totals), start));
    }
    tasks.join_all().await;
    let seconds = start.elapsed().as_secs_f64();
    let (accepted, refused, latency) = {
        let totals = totals.lock();
        (totals.0, totals.1, totals.2.clone())
    };
    Outcome { accepted, refused, seconds, latency }
}

async fn connection(
    load: Load,
    ticket: Arc<AtomicU64>,
    totals: Arc<Mutex<(u64, u64, Histogram<u64>)>>,
    start: Instant,
) {
    let stream = TcpStream::connect(load.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let host = load.address.to_string();
    let bearer = format!("Bearer {}", load.token);
    let (mut accepted, mut refused, mut latency) = (0, 0, Histogram::<u64>::new(3).unwrap());
    loop {
        let number = ticket.fetch_add(1, Ordering::Relaxed);
        if load.transfers.is_some_and(|transfers| number >= transfers) {
            break;
        }
        let due = match load.rate {
            Some(rate) => {
                let due = start + Duration::from_nanos(number * 1_000_000_000 / rate);
                tokio::time::sleep_until(due.into()).await;
                due
            }
            None => Instant::now(),
        };
        if due.duration_since(start) >= load.duration {
            break;
        }
        let (from, to) = pair(&load.traffic, number);
        let body = format!(
            r#"{{"idempotency_key":"{}-{number}","from_account":"{from}","to_account":"{to}","amount":"0.01","currency":"EUR"}}"#,
            load.name
        );
        let request = Request::post(format!("/api/v1/transactions/{from}/account"))
            .header(HOST, &host)
            .header(AUTHORIZATION, &bearer)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        sender.ready().await.unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        if status == StatusCode::ACCEPTED {
            accepted += 1;
            latency.record(u64::try_from(due.elapsed().as_micros()).unwrap()).unwrap();
            if number.is_multiple_of(256)
                && let Some(sample) = &load.sample
            {
                let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
                let id = answer["transfer_id"].as_str().unwrap().to_owned();
                let position = answer["position"].as_u64().unwrap();
                let _ = sample.try_send(Sampled { id, position, at: Instant::now() });
            }
            if let Some(told) = &load.accepted {
                let _ = told.send(Accepted { due, answered: Instant::now(), body });
            }
        } else {
            refused += 1;
            if refused == 1 {
                println!("  refused: {status} {}", String::from_utf8_lossy(&body));
            }
        }
    }
    let mut totals = totals.lock();
    totals.0 += accepted;
    totals.1 += refused;
    totals.2.add(&latency).unwrap();
}

/// Spreads the numbers over the accounts, never from an account to itself.
fn pair(traffic: &Traffic, number: u64) -> (&str, &str) {
    // A fixed permutation step is as good as a random draw here, and repeatable.
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
    let index = |len: usize, shift: u32| usize::try_from((mixed >> shift) % len as u64).unwrap();
    let from = &traffic.from[index(traffic.from.len(), 0)];
    let mut to = index(traffic.to.len(), 23);
    if &traffic.to[to] == from {
        to = (to + 1) % traffic.to.len();
    }
    (from, &traffic.to[to])
}
