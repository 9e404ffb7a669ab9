//! One account that has done a million transfers.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eventstore_node::{ExpectedRevision, Node, NodeOptions};
use serde_json::json;
use tempfile::TempDir;

use crate::load::{Outcome, Traffic, run};
use crate::parts::{load, wait_for_projections};
use crate::server::Server;
use crate::{Plan, accounts, machine};

const ACCOUNTS: usize = 1_000;
/// Transfers between two looks.
const SLICE: u64 = 50_000;
/// Each in as much time as it takes.
const FOR_EVER: Duration = Duration::from_secs(3_600);
const STARTS: usize = 3;

/// A log with such an account in it; nothing runs on it.
pub struct Long {
    dir: TempDir,
    /// The account, then others.
    ids: Vec<String>,
}

impl Long {
    fn traffic(&self) -> Traffic {
        Traffic { from: self.ids[..1].into(), to: self.ids[1..].into() }
    }
}

/// One account pays a million times, everything running. Each slice begins when the one before has ended and is in Postgres, so that the
/// first and the last meet the same idle machine and memory is what stays.
pub async fn million(plan: &Plan) -> Long {
    println!("\n## One account, {} transfers from it, everything running, 64 connections", plan.million);
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path(), &[]).await;
    let ids = accounts::open(&server, ACCOUNTS).await;
    let long = Long { dir, ids };
    let memory = || machine::memory(server.pid()).0;
    wait_for_projections(&server).await;
    println!("  resident memory before the first {:>4} MiB", memory());
    let (mut done, mut at_half) = (0, false);
    while done < plan.million {
        let slice = SLICE.min(plan.million - done);
        let mut offer = load(&server, long.traffic(), FOR_EVER, &format!("long-{done}"));
        offer.transfers = Some(slice);
        let (begun, before) = (Instant::now(), machine::total_cpu(server.pid()));
        let outcome = run(offer).await;
        wait_for_projections(&server).await;
        let after = machine::total_cpu(server.pid());
        let micros = |seconds: f64| seconds * 1e6 / slice as f64;
        let cost = (micros(after.0 - before.0), micros(after.1 - before.1));
        let (first, last) = (done == 0, done + slice >= plan.million);
        let half = !at_half && done + slice >= plan.million / 2;
        at_half |= half;
        done += slice;
        if first || half || last {
            print_slice(done, slice, &outcome, begun.elapsed(), cost, memory());
        }
    }
    println!("  peak {} MiB", machine::memory(server.pid()).1);
    server.stop();
    long
}

/// `cost`: microseconds of processor time for each transfer, of daybook and of Postgres. It does not depend on what else the machine does.
fn print_slice(done: u64, slice: u64, outcome: &Outcome, elapsed: Duration, cost: (f64, f64), memory: u64) {
    println!(
        "  the {slice} up to {done:>7}: accepted {:>6.0}/s, 202 p50 {:.2} ms, p99 {:.2} ms; completed and visible {:>6.0}/s; \
         {:.0} µs of daybook and {:.0} µs of Postgres each; resident memory then {memory:>4} MiB   ({} refused)",
        outcome.rate(),
        outcome.ms(0.5),
        outcome.ms(0.99),
        slice as f64 / elapsed.as_secs_f64(),
        cost.0,
        cost.1,
        outcome.refused
    );
}

/// The first command on an account of a million events, after a start.
pub async fn cold(plan: &Plan, long: Option<Long>) {
    let long = match long {
        Some(long) => long,
        None => filled(plan).await,
    };
    println!("\n## First command on a cold account of {} events (its log in the page cache)", plan.million);
    let dir = long.dir.path();
    for _ in 0..STARTS {
        touch(dir, &long.ids, &["--roles", "command"], "with its snapshot").await;
    }
    without_snapshot(dir, &long.ids[0]).await;
    touch(dir, &long.ids, &["--roles", "command"], "without a snapshot").await;
    touch(dir, &long.ids, &["--roles", "command"], "again: the load before wrote one").await;
    let node = Server::node(dir).await;
    let url = format!("esdb://{}?tls=false", node.esdb);
    let other = TempDir::new().unwrap();
    let remote = ["--roles", "command", "--event-store", &url];
    touch(other.path(), &long.ids, &remote, "with its snapshot, the log over gRPC").await;
    node.stop();
    without_snapshot(dir, &long.ids[0]).await;
    let node = Server::node(dir).await;
    let url = format!("esdb://{}?tls=false", node.esdb);
    let remote = ["--roles", "command", "--event-store", &url];
    touch(other.path(), &long.ids, &remote, "without a snapshot, the log over gRPC").await;
    node.stop();
}

/// The same log made with the command role alone: the account's debits, and no credits yet.
async fn filled(plan: &Plan) -> Long {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path(), &["--roles", "command"]).await;
    let ids = accounts::open(&server, ACCOUNTS).await;
    let long = Long { dir, ids };
    let mut offer = load(&server, long.traffic(), FOR_EVER, "long");
    offer.transfers = Some(plan.million);
    run(offer).await;
    server.stop();
    long
}

/// Starts, asks for a transfer between two other accounts to warm everything else up, then for one from the account.
async fn touch(dir: &Path, ids: &[String], arguments: &[&str], what: &str) {
    let server = Server::start(dir, arguments).await;
    let transfer = async |from: &str, to: &str| {
        let key = format!("touch-{}", uuid::Uuid::new_v4());
        let begun = Instant::now();
        let body = json!({
            "idempotency_key": key, "from_account": from, "to_account": to, "amount": "0.01", "currency": "EUR"
        });
        server.post(&format!("/api/v1/transactions/{from}/account"), &body).await;
        begun.elapsed().as_secs_f64() * 1_000.0
    };
    transfer(&ids[1], &ids[2]).await;
    let cold = transfer(&ids[0], &ids[2]).await;
    let warm = transfer(&ids[0], &ids[2]).await;
    println!("  {what:<40} {cold:>9.1} ms   (the next one {warm:.1} ms)");
    server.stop();
}

/// Nobody can read the account's snapshots any more.
async fn without_snapshot(dir: &Path, id: &str) {
    let node = Node::open(NodeOptions::new(dir)).unwrap();
    let stream: Arc<str> = ledger_core::stream::snapshots(&format!("account-{id}")).into();
    node.delete_stream(&stream, ExpectedRevision::Any).await.unwrap();
    node.shutdown().await;
}
