//! How long the transfers of a command process that was killed wait for the others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eventstore::{Client, ReadAllOptions, StreamPosition, SubscribeToAllOptions};
use parking_lot::Mutex;
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::accounts;
use crate::server::Server;

const PROCESSES: usize = 3;
const ROUNDS: usize = 10;
const ACCOUNTS: usize = 1_000;
/// Clients of each process; each asks again as soon as it was answered.
const CLIENTS: usize = 8;
/// Load before each kill: longer than a lease is held.
const LOADED_FOR: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(1);

pub async fn run() {
    println!("\n## Taking over from a killed command process, one of {PROCESSES} under load");
    let dir = TempDir::new().unwrap();
    let node = Server::node(dir.path()).await;
    let mut processes = Vec::new();
    for _ in 0..PROCESSES {
        processes.push(Server::command(dir.path(), &node).await);
    }
    let accounts: Arc<[String]> = accounts::open(&processes[0], ACCOUNTS).await.into();
    let client = Client::new(format!("esdb://{}?tls=false", node.esdb).parse().unwrap()).unwrap();
    let under_way = Arc::<Mutex<UnderWay>>::default();
    let following = tokio::spawn(follow(client.clone(), Arc::clone(&under_way)));

    let (mut times, mut counts) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let stop = CancellationToken::new();
        let mut load = JoinSet::new();
        for (process, server) in processes.iter().enumerate() {
            for number in 0..CLIENTS {
                let name = format!("takeover-{round}-{process}-{number}");
                load.spawn(ask_on(
                    server.client.clone(),
                    server.address,
                    server.token.clone(),
                    name,
                    Arc::clone(&accounts),
                    stop.clone(),
                ));
            }
        }
        tokio::time::sleep(LOADED_FOR).await;
        processes.remove(0).kill();
        let killed = Instant::now();
        let end = log_end(&client).await;
        let left = || under_way.lock().requested_by(end);
        while left().is_none() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        counts.push(left().unwrap());
        while left() != Some(0) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        times.push(killed.elapsed().as_secs_f64());
        stop.cancel();
        load.join_all().await;
        processes.push(Server::command(dir.path(), &node).await);
    }
    following.abort();
    times.sort_by(f64::total_cmp);
    let transfers: usize = counts.iter().sum();
    println!(
        "  kill -9 to the end of the last transfer that was under way: median {:.2} s, max {:.2} s   ({ROUNDS} rounds, {transfers} transfers)",
        times[ROUNDS / 2],
        times[ROUNDS - 1]
    );
    for process in processes {
        process.stop();
    }
    node.stop();
}

/// Transfers that have not ended, by stream, and where each was requested.
#[derive(Default)]
struct UnderWay {
    transfers: HashMap<String, u64>,
    /// Everything up to here was seen.
    position: u64,
}

impl UnderWay {
    /// How many of those requested up to `end` have not ended; `None` while not all of them were seen.
    fn requested_by(&self, end: u64) -> Option<usize> {
        (self.position >= end).then(|| self.transfers.values().filter(|requested| **requested <= end).count())
    }
}

async fn follow(client: Client, under_way: Arc<Mutex<UnderWay>>) {
    let options = SubscribeToAllOptions::default().position(StreamPosition::Start);
    let mut events = client.subscribe_to_all(&options).await;
    loop {
        let event = events.next().await.unwrap();
        let event = event.get_original_event();
        let mut under_way = under_way.lock();
        under_way.position = event.position.commit;
        if event.stream_id().starts_with("transfer-") {
            match event.revision {
                0 => drop(under_way.transfers.insert(event.stream_id().to_owned(), event.position.commit)),
                _ => drop(under_way.transfers.remove(event.stream_id())),
            }
        }
    }
}

async fn log_end(client: &Client) -> u64 {
    let options = ReadAllOptions::default().position(StreamPosition::End).backwards().max_count(1);
    let last = client.read_all(&options).await.unwrap().next().await.unwrap().unwrap();
    last.get_original_event().position.commit
}

/// Asks for transfers until told to stop, answered or not.
async fn ask_on(
    client: reqwest::Client,
    address: std::net::SocketAddr,
    token: String,
    name: String,
    accounts: Arc<[String]>,
    stop: CancellationToken,
) {
    for number in 0.. {
        if stop.is_cancelled() {
            return;
        }
        let (from, to) = (&accounts[number % ACCOUNTS], &accounts[(number * 7 + 1) % ACCOUNTS]);
        let body = json!({ "idempotency_key": format!("{name}-{number}"), "to_account": to, "amount": "0.01", "currency": "EUR" });
        let url = format!("http://{address}/api/v1/transactions/{from}/account");
        // Whoever asks a process that is gone has no more to ask.
        if client.post(url).bearer_auth(&token).json(&body).send().await.is_err() {
            return;
        }
    }
}
