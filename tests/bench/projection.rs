//! How far the live projections are behind the write bench.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;
use tokio::time::{sleep, timeout};

use crate::load::{Load, Sampled, Traffic, run as offer};
use crate::parts::{load, print_accepted, print_cost};
use crate::rebuild::lags;
use crate::server::Server;
use crate::yardstick::socket;
use crate::{Plan, accounts, machine};

const ACCOUNTS: usize = 10_000;
/// Between two looks at the checkpoints.
const LOOK: Duration = Duration::from_millis(2);

/// A steady offer to everything, as the product tells its lag and as somebody sees it who was answered and waits.
pub async fn run(plan: &Plan) {
    let (rate, seconds) = (plan.projection_rate, plan.seconds);
    println!("\n## Projections under the write bench, {rate} transfers/s offered for {seconds} s");
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path(), &[]).await;
    let ids = accounts::open(&server, ACCOUNTS).await;
    let traffic = Traffic { from: ids.as_slice().into(), to: ids.as_slice().into() };
    let (sample, samples) = tokio::sync::mpsc::channel(1_024);
    let clients = Load {
        rate: Some(rate),
        sample: Some(sample),
        ..load(&server, traffic, plan.duration(), "projection")
    };
    let (host, _) = socket(dir.path()).expect("the private Postgres");
    let arrivals = tokio::spawn(arrivals(host, samples));
    let enough = Arc::new(AtomicBool::new(false));
    let told = tokio::spawn(lags(server.client.clone(), server.address.to_string(), Arc::clone(&enough)));
    let (before, own) = (machine::cpu(server.pid()), machine::own_cpu());
    let outcome = offer(clients).await;
    print_accepted(&outcome);
    print_cost(&server, &before, own, outcome.seconds);
    enough.store(true, Ordering::Relaxed);
    let mut told = told.await.unwrap();
    told.sort_by(f64::total_cmp);
    let quantile = |share: f64| told[((told.len() - 1) as f64 * share) as usize];
    println!(
        "  lag as the metric tells it, any projection   p50 {:.3} s, p99 {:.3} s, max {:.3} s",
        quantile(0.5),
        quantile(0.99),
        quantile(1.0)
    );
    let arrived = arrivals.await.unwrap();
    let ms = |quantile| arrived.value_at_quantile(quantile) as f64 / 1e3;
    println!(
        "  accepted until every checkpoint has passed it   p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms   ({} samples)",
        ms(0.5),
        ms(0.99),
        ms(1.0),
        arrived.len()
    );
    server.stop();
}

/// Microseconds from each answer until every checkpoint had passed it.
async fn arrivals(host: String, mut samples: Receiver<Sampled>) -> Histogram<u64> {
    let url = format!("postgres://daybook@localhost/daybook?host={host}");
    let mut db = PgConnection::connect(&url).await.unwrap();
    let mut arrived = Histogram::new(3).unwrap();
    let mut waiting: Vec<Sampled> = Vec::new();
    loop {
        if waiting.is_empty() {
            let Some(accepted) = samples.recv().await else { return arrived };
            waiting.push(accepted);
        }
        while let Ok(accepted) = samples.try_recv() {
            waiting.push(accepted);
        }
        let look = sqlx::query_scalar("select min(position) from checkpoints").fetch_one(&mut db);
        let position: i64 = timeout(Duration::from_secs(30), look).await.expect("an answer").unwrap();
        let now = Instant::now();
        waiting.retain(|accepted| {
            let passed = accepted.position <= position.unsigned_abs();
            if passed {
                arrived.record(u64::try_from((now - accepted.at).as_micros()).unwrap()).unwrap();
            }
            !passed
        });
        sleep(LOOK).await;
    }
}
