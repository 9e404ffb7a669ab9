//! Projections made anew beside the live ones.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::load::{Traffic, run as offer};
use crate::parts::{load, wait_for_projections};
use crate::server::{Server, binary};
use crate::{Plan, accounts, machine};

const ACCOUNTS: usize = 10_000;
const SLICE: Duration = Duration::from_secs(3_600);
/// Transfers offered each second while a rebuild runs.
const LOAD_RATE: u64 = 2_000;

/// Fills a log, rebuilds from it while nothing else happens, and again under load.
pub async fn run(plan: &Plan) {
    println!("\n## Rebuilding projections beside the live ones");
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path(), &[]).await;
    let ids = accounts::open(&server, ACCOUNTS).await;
    let traffic = Traffic { from: ids.as_slice().into(), to: ids.as_slice().into() };
    let mut fill = load(&server, traffic.clone(), SLICE, "rebuild");
    fill.transfers = Some(plan.rebuild_events / 4);
    let filling = Instant::now();
    let filled = offer(fill).await.accepted;
    wait_for_projections(&server).await;
    println!(
        "  {filled} transfers ({} events) written in {:.0} s",
        filled * 4,
        filling.elapsed().as_secs_f64()
    );
    let which = std::env::var("BENCH_REBUILD").unwrap_or_else(|_| "accounts,--all".to_owned());
    for names in which.split(',') {
        let (before, own) = (machine::total_cpu(server.pid()), Instant::now());
        let last = rebuild(dir.path(), names).await;
        let after = machine::total_cpu(server.pid());
        print(names, &last, own.elapsed());
        println!("    CPU: daybook {:.1} s, Postgres {:.1} s", after.0 - before.0, after.1 - before.1);
    }
    under_load(&server, dir.path(), traffic).await;
    server.stop();
}

/// The same while clients are at work, and how far the live projections are behind meanwhile.
async fn under_load(server: &Server, dir: &Path, traffic: Traffic) {
    let mut clients = load(server, traffic, SLICE, "beside");
    clients.rate = Some(LOAD_RATE);
    let enough = Arc::new(AtomicBool::new(false));
    let lags = tokio::spawn(lags(server.client.clone(), server.address.to_string(), Arc::clone(&enough)));
    let clients = tokio::spawn(offer(clients));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let started = Instant::now();
    let last = rebuild(dir, "--all").await;
    print(&format!("--all, at {LOAD_RATE} transfers/s"), &last, started.elapsed());
    enough.store(true, Ordering::Relaxed);
    let mut lags = lags.await.unwrap();
    clients.abort();
    lags.sort_by(f64::total_cmp);
    let quantile = |share: f64| lags[((lags.len() - 1) as f64 * share) as usize];
    println!(
        "    lag of the live projections: p50 {:.2} s, p99 {:.2} s, max {:.2} s",
        quantile(0.5),
        quantile(0.99),
        quantile(1.0)
    );
}

/// What the rebuild's last line of JSON says.
async fn rebuild(dir: &Path, names: &str) -> Value {
    let output = Command::new(binary())
        .args(["rebuild", names, "--json", "--data-dir", dir.to_str().unwrap()])
        .output()
        .await
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(said.lines().last().unwrap()).unwrap()
}

fn print(what: &str, last: &Value, whole: Duration) {
    let progress = &last["progress"];
    let rows: i64 = last["report"]["tables"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|table| table["live"]["rows"].as_i64())
        .sum();
    println!(
        "  {what}: {:>8.0} events/s of reading into tables; with indexes, comparison of {rows} rows and exchange {:.1} s",
        progress["events_per_second"].as_f64().unwrap(),
        whole.as_secs_f64()
    );
}

/// The greatest lag of any projection, looked at again and again.
pub async fn lags(client: reqwest::Client, address: String, enough: Arc<AtomicBool>) -> Vec<f64> {
    let mut lags = Vec::new();
    while !enough.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let metrics =
            client.get(format!("http://{address}/metrics")).send().await.unwrap().text().await.unwrap();
        let lag = metrics.lines().filter(|line| line.starts_with("daybook_projection_lag_seconds"));
        let lag = lag.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        lags.push(lag.fold(0.0, f64::max));
    }
    lags
}
