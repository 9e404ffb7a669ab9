//! `make bench`: what Daybook does on this machine, load generator included.
//!
//! Each part starts a real `daybook up` on a scratch data directory and drives it over HTTP. Nothing is asserted: figures belong to a
//! benchmark, not to a test, and these machines are shared.
//!
//! `BENCH_SECONDS` (60), `BENCH_RATE` (13000 transfers/s offered to the whole system), `BENCH_START_EVENTS` (10000000; 0 skips the part),
//! `BENCH_MILLION` (1000000 transfers on one account), `BENCH_REBUILD_EVENTS` (4000000), `BENCH_PROJECTION_RATE` (5000 transfers/s),
//! `BENCH_PAGES_ROWS` (10000000 transactions), `BENCH_ARCHIVE_ROWS` (1000000 in a month) and `BENCH_PARTS` (all of
//! log,accept,sustain,source,destination,sql,import,archive,notify,live,statements,rebuild,projection,pages,takeover,million,cold,start) may be set.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark prints, and stops when it cannot go on"
)]

mod accounts;
mod archive_months;
mod import;
mod live;
mod load;
mod log;
mod long;
mod machine;
mod notify;
mod pages;
mod parts;
mod projection;
mod reader;
mod rebuild;
mod server;
mod statements;
mod takeover;
mod yardstick;

use std::time::Duration;

/// As the program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How the benchmark runs.
pub struct Plan {
    pub seconds: u64,
    pub rate: u64,
    pub start_events: u64,
    pub million: u64,
    pub rebuild_events: u64,
    pub pages_rows: u64,
    pub projection_rate: u64,
    pub archive_rows: u64,
    parts: Option<Vec<String>>,
}

impl Plan {
    fn from_env() -> Self {
        let number = |name: &str, default| {
            std::env::var(name).map_or(default, |text| text.parse().expect("a whole number"))
        };
        Self {
            seconds: number("BENCH_SECONDS", 60),
            rate: number("BENCH_RATE", 13_000),
            start_events: number("BENCH_START_EVENTS", 10_000_000),
            million: number("BENCH_MILLION", 1_000_000),
            rebuild_events: number("BENCH_REBUILD_EVENTS", 4_000_000),
            pages_rows: number("BENCH_PAGES_ROWS", 10_000_000),
            projection_rate: number("BENCH_PROJECTION_RATE", 5_000),
            archive_rows: number("BENCH_ARCHIVE_ROWS", 1_000_000),
            parts: std::env::var("BENCH_PARTS")
                .ok()
                .map(|parts| parts.split(',').map(str::to_owned).collect()),
        }
    }

    fn includes(&self, part: &str) -> bool {
        self.parts.as_ref().is_none_or(|parts| parts.iter().any(|wanted| wanted == part))
    }

    fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

fn main() {
    let plan = Plan::from_env();
    println!("# Daybook benchmark\n\n{}\n", machine::describe());
    if plan.includes("log") {
        log::run(&plan);
    }
    if plan.includes("statements") {
        statements::run();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        if plan.includes("statements") {
            statements::close().await;
        }
        if plan.includes("accept") {
            parts::accept(&plan).await;
        }
        if plan.includes("sustain") || plan.includes("sql") {
            parts::sustain(&plan).await;
        }
        if plan.includes("source") {
            parts::hot(&plan, parts::Hot::Source).await;
        }
        if plan.includes("destination") {
            parts::hot(&plan, parts::Hot::Destination).await;
        }
        if plan.includes("import") {
            import::run().await;
        }
        if plan.includes("archive") {
            archive_months::run(&plan).await;
        }
        if plan.includes("notify") {
            notify::run(&plan).await;
        }
        if plan.includes("live") {
            live::run(&plan).await;
        }
        if plan.includes("rebuild") {
            rebuild::run(&plan).await;
        }
        if plan.includes("projection") {
            projection::run(&plan).await;
        }
        if plan.includes("pages") {
            pages::run(&plan).await;
        }
        if plan.includes("takeover") {
            takeover::run().await;
        }
        let long = if plan.includes("million") { Some(long::million(&plan).await) } else { None };
        if plan.includes("cold") {
            long::cold(&plan, long).await;
        }
        if plan.includes("start") && plan.start_events > 0 {
            parts::start(&plan).await;
        }
    });
}
