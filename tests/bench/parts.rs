//! The parts of the benchmark.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tempfile::TempDir;

use crate::load::{Load, Outcome, Sampled, Traffic, run};
use crate::server::Server;
use crate::{Plan, accounts, machine, yardstick};

const ACCOUNTS: usize = 10_000;
const CONNECTIONS: usize = 64;

pub fn load(server: &Server, traffic: Traffic, duration: Duration, name: &str) -> Load {
    Load {
        address: server.address,
        token: server.token.clone(),
        traffic,
        connections: CONNECTIONS,
        duration,
        transfers: None,
        rate: None,
        sample: None,
        accepted: None,
        name: name.into(),
    }
}

fn uniform(ids: &[String]) -> Traffic {
    Traffic { from: ids.into(), to: ids.into() }
}

pub fn print_accepted(outcome: &Outcome) {
    println!(
        "  accepted {:>8.0}/s   202 p50 {:.2} ms, p99 {:.2} ms, max {:.1} ms   ({} refused)",
        outcome.rate(),
        outcome.ms(0.5),
        outcome.ms(0.99),
        outcome.ms(1.0),
        outcome.refused
    );
}

/// Acceptance alone: both events durable before the 202, nothing behind it running.
pub async fn accept(plan: &Plan) {
    println!(
        "## Accepting transfers (command role alone, {CONNECTIONS} connections, {ACCOUNTS} accounts, fdatasync)"
    );
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path(), &["--roles", "command"]).await;
    let ids = accounts::open(&server, ACCOUNTS).await;
    run(load(&server, uniform(&ids), Duration::from_secs(3), "warm-up")).await;
    let before = machine::cpu(server.pid());
    let own = machine::own_cpu();
    let outcome =
        run(load(&server, uniform(&ids), plan.duration().min(Duration::from_secs(30)), "accept")).await;
    print_accepted(&outcome);
    print_cost(&server, &before, own, outcome.seconds);
    server.stop();
}

pub fn print_cost(server: &Server, before: &machine::Cpu, own: f64, seconds: f64) {
    let (now, peak) = machine::memory(server.pid());
    println!(
        "  cores used: {}, load generator {:.2}",
        machine::cpu(server.pid()).since(before, seconds),
        (machine::own_cpu() - own) / seconds
    );
    println!("  resident memory of daybook: {now} MiB, peak {peak} MiB");
}

/// The whole system under a steady offer, and the same transfer in SQL beside it.
pub async fn sustain(plan: &Plan) {
    println!("\n## Everything running, {} transfers/s offered for {} s", plan.rate, plan.seconds);
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path(), &[]).await;
    println!("  first start to ready: {:.2} s (Postgres initialised)", server.ready_after.as_secs_f64());
    let ids = accounts::open(&server, ACCOUNTS).await;
    let offer = Load { rate: Some(plan.rate), ..load(&server, uniform(&ids), plan.duration(), "sustain") };
    let finished = whole(&server, offer).await;
    println!("  completed and visible {:>8.0}/s", finished);
    if plan.includes("sql") {
        // Side by side on the same server, once the load is gone.
        for protocol in ["simple", "prepared"] {
            match yardstick::run(dir.path(), plan.seconds.min(15), protocol) {
                Some(rate) => println!(
                    "  the same transfer in SQL, six statements, pgbench -c 32 -M {protocol}: {rate:.0}/s; Daybook does {:.1} times that",
                    finished / rate
                ),
                None => println!("  the same transfer in SQL: pgbench is not installed"),
            }
        }
    }
    server.stop();
}

/// Which side of every transfer is one account.
#[derive(Clone, Copy)]
pub enum Hot {
    Source,
    Destination,
}

/// One hot account, the whole system running, under a steady offer.
pub async fn hot(plan: &Plan, hot: Hot) {
    let (name, key) = match hot {
        Hot::Source => ("source", "source"),
        Hot::Destination => ("destination", "destination"),
    };
    println!("\n## One hot {name} account, everything running, {} transfers/s offered", plan.rate);
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path(), &[]).await;
    let ids = accounts::open(&server, ACCOUNTS).await;
    let one: Arc<[String]> = ids[..1].into();
    let rest: Arc<[String]> = ids[1..].into();
    let traffic = match hot {
        Hot::Source => Traffic { from: one, to: rest },
        Hot::Destination => Traffic { from: rest, to: one },
    };
    let duration = plan.duration().min(Duration::from_secs(20));
    let offer = Load { rate: Some(plan.rate), ..load(&server, traffic, duration, key) };
    let finished = whole(&server, offer).await;
    println!("  completed and visible {finished:>8.0}/s");
    server.stop();
}

/// Offers a load to a whole system and reports on it. Returns how many transfers a second were completed and visible.
async fn whole(server: &Server, mut offer: Load) -> f64 {
    let (sample, samples) = tokio::sync::mpsc::channel(64);
    offer.sample = Some(sample);
    let probe = tokio::spawn(visibility(
        server.client.clone(),
        server.address.to_string(),
        server.token.clone(),
        samples,
    ));
    let before = machine::cpu(server.pid());
    let own = machine::own_cpu();
    let (memory_at_start, _) = machine::memory(server.pid());
    let start = Instant::now();
    let outcome = run(offer).await;
    let (memory_at_end, _) = machine::memory(server.pid());
    // The clock runs until everything that was accepted has ended and is in Postgres.
    while !is_settled(server).await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let seconds = start.elapsed().as_secs_f64();
    let last = probe.await.unwrap();
    print_accepted(&outcome);
    println!(
        "  accepted to completed   p50 {:.1} ms, p99 {:.1} ms",
        last.completed.value_at_quantile(0.5) as f64 / 1e3,
        last.completed.value_at_quantile(0.99) as f64 / 1e3
    );
    println!(
        "  completed to visible in Postgres   p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms   (by the API, {} samples)",
        last.visible.value_at_quantile(0.5) as f64 / 1e3,
        last.visible.value_at_quantile(0.99) as f64 / 1e3,
        last.visible.max() as f64 / 1e3,
        last.visible.len()
    );
    print_cost(server, &before, own, seconds);
    println!(
        "  resident memory after the first accounts {memory_at_start} MiB, after the load {memory_at_end} MiB"
    );
    let balance = server.graphql("{ trialBalance { currency total inTransit } }").await;
    println!("  the books afterwards: {}", balance["trialBalance"]);
    if last.unfinished > 0 {
        println!("  {} samples were not visible within 30 s", last.unfinished);
    }
    outcome.accepted as f64 / seconds
}

struct Visibility {
    /// Microseconds from the debit's to the end's recorded time.
    completed: Histogram<u64>,
    /// Microseconds from the end's recorded time until the API shows it.
    visible: Histogram<u64>,
    /// Samples given up on.
    unfinished: u64,
}

/// True when no projection is behind and no money is in transit.
async fn is_settled(server: &Server) -> bool {
    let answer = server.graphql("{ projections { lag } trialBalance { inTransit } }").await;
    let all = |field: &str, name: &str, wanted: &[&str]| {
        let rows = answer[field].as_array().unwrap();
        rows.iter().all(|row| wanted.contains(&row[name].as_str().unwrap()))
    };
    all("projections", "lag", &["0"]) && all("trialBalance", "inTransit", &["0.00"])
}

/// Follows sampled transfers through the status route until each is shown as completed.
async fn visibility(
    client: reqwest::Client,
    address: String,
    token: String,
    mut samples: tokio::sync::mpsc::Receiver<Sampled>,
) -> Visibility {
    let mut seen = Visibility {
        completed: Histogram::new(3).unwrap(),
        visible: Histogram::new(3).unwrap(),
        unfinished: 0,
    };
    while let Some(Sampled { id, .. }) = samples.recv().await {
        let url = format!("http://{address}/api/v1/transactions/{id}/status");
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if Instant::now() >= deadline {
                seen.unfinished += 1;
                break;
            }
            let answer = client.get(&url).bearer_auth(&token).send().await.unwrap();
            let now = chrono::Utc::now();
            let status: serde_json::Value =
                serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
            if status["status"] == "completed" {
                let time = |name: &str| {
                    chrono::DateTime::parse_from_rfc3339(status[name].as_str().unwrap()).unwrap().to_utc()
                };
                let micros = |span: chrono::TimeDelta| {
                    u64::try_from(span.num_microseconds().unwrap_or(0)).unwrap_or(0)
                };
                let (requested, completed) = (time("requested_at"), time("completed_at"));
                seen.completed.record(micros(completed - requested)).unwrap();
                seen.visible.record(micros(now - completed)).unwrap();
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    seen
}

/// How soon daybook is ready on a log of many events, after a clean stop and after a kill.
pub async fn start(plan: &Plan) {
    println!("\n## Starting on a long log");
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path(), &[]).await;
    let ids = accounts::open(&server, ACCOUNTS).await;
    let transfers = plan.start_events / 4;
    let filling = Instant::now();
    let mut done = 0;
    while done < transfers {
        let name = format!("fill-{done}");
        done += run(load(&server, uniform(&ids), Duration::from_secs(30), &name)).await.accepted;
    }
    println!("  {done} transfers ({} events) written in {:.0} s", done * 4, filling.elapsed().as_secs_f64());
    let caught_up = wait_for_projections(&server).await;
    println!("  read models caught up after another {:.0} s", caught_up.as_secs_f64());
    server.stop();
    let server = Server::start(dir.path(), &[]).await;
    println!("  ready after a clean stop: {:.2} s", server.ready_after.as_secs_f64());
    server.kill();
    let server = Server::start(dir.path(), &[]).await;
    println!(
        "  ready after kill -9:      {:.2} s (Postgres recovers, too)",
        server.ready_after.as_secs_f64()
    );
    server.stop();
    let server = Server::start(dir.path(), &["--roles", "command,process-manager"]).await;
    println!("  ready, without Postgres:  {:.2} s", server.ready_after.as_secs_f64());
    server.stop();
}

/// Waits until everything that was accepted has ended and is in Postgres.
pub async fn wait_for_projections(server: &Server) -> Duration {
    let start = Instant::now();
    while !is_settled(server).await {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    start.elapsed()
}

/// Makes accounts and moves money between them for a while; how many of each.
pub async fn fill(server: &Server, duration: Duration) -> (u64, u64) {
    let ids = accounts::open(server, ACCOUNTS).await;
    let outcome = run(load(server, uniform(&ids), duration, "fill")).await;
    print_accepted(&outcome);
    (ids.len() as u64, outcome.accepted)
}
