//! The whole machine under every fault, from a seed: the same seed, the same run, to the letter.
//!
//! `SIMULATION_SEED=n` runs one seed and tells what it came to; `SIMULATION_SEEDS=n` runs more of them than usual.

mod auditor;
mod clients;
mod counts;
mod faults;
mod mutations;
mod plan;
pub(crate) mod postgres;
mod projections;
mod read_models;
mod upgrade;
mod world;

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use counts::Counts;
use postgres::Postgres;
use projections::Database;
use world::{Outcome, run};

/// Seeds of a run without variables.
const SEEDS: u64 = 2_000;
/// Seeds whose logs are projected.
const PROJECTED_SEEDS: u64 = 100;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Runs seeds on every core; the first that fails, if one does.
fn run_all(seeds: std::ops::Range<u64>, counts: &Counts) -> Option<(u64, Vec<String>)> {
    let next = AtomicU64::new(seeds.start);
    let failed: Mutex<Option<(u64, Vec<String>)>> = Mutex::new(None);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while failed.lock().is_none() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let outcome = run(seed);
                    counts.include(&outcome.counts);
                    if !outcome.violations.is_empty() {
                        *failed.lock() = Some((seed, outcome.violations));
                    }
                }
            });
        }
    });
    failed.into_inner()
}

#[test]
fn no_seed_breaks_the_books() {
    let counts = Counts::default();
    let alone = variable("SIMULATION_SEED");
    let seeds = alone.map_or(0..variable("SIMULATION_SEEDS").unwrap_or(SEEDS), |seed| seed..seed + 1);
    if let Some(seed) = alone {
        println!("{}", tell(&run(seed)));
    }
    let (started, number) = (Instant::now(), seeds.end - seeds.start);
    let failed = run_all(seeds, &counts);
    println!("{number} seeds in {:.1?}\n{counts}", started.elapsed());
    if let Some((seed, violations)) = failed {
        panic!("SIMULATION_SEED={seed} replays this:\n{}", violations.join("\n"));
    }
    if alone.is_none() {
        for kind in counts::ALL {
            assert!(counts.of(kind) > 0, "{kind:?} never happened");
        }
    }
}

/// Projects the logs of some seeds; the first that fails, if one does.
fn project_all(seeds: std::ops::Range<u64>, counts: &Counts) -> Option<(u64, Vec<String>)> {
    let postgres = Postgres::shared();
    let next = AtomicU64::new(seeds.start);
    let failed: Mutex<Option<(u64, Vec<String>)>> = Mutex::new(None);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let (postgres, next, failed, seeds) = (&postgres, &next, &failed, &seeds);
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let url = runtime.block_on(postgres.database(&format!("simulation_{worker}")));
                let mut database = runtime.block_on(Database::open(url));
                while failed.lock().is_none() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let outcome = run(seed);
                    let mut faults = runtime.block_on(database.project(&outcome, counts));
                    if seed.is_multiple_of(10) {
                        faults.extend(runtime.block_on(database.run_projectors(&outcome, counts)));
                    }
                    if !faults.is_empty() {
                        *failed.lock() = Some((seed, faults));
                    }
                }
            });
        }
    });
    failed.into_inner()
}

#[test]
fn every_log_becomes_the_read_models_it_should() {
    let counts = Counts::default();
    let alone = variable("SIMULATION_SEED");
    let seeds = alone.map_or(0..PROJECTED_SEEDS, |seed| seed..seed + 1);
    let (started, number) = (Instant::now(), seeds.end - seeds.start);
    let failed = project_all(seeds, &counts);
    println!("{number} seeds projected in {:.1?}\n{counts}", started.elapsed());
    if let Some((seed, faults)) = failed {
        panic!("SIMULATION_SEED={seed} replays this:\n{}", faults.join("\n"));
    }
    if alone.is_none() {
        for kind in counts::OF_PROJECTORS {
            assert!(counts.of(kind) > 0, "{kind:?} never happened");
        }
    }
}

/// A run for people who look for what went wrong.
fn tell(outcome: &Outcome) -> String {
    let mut text = format!("{:#?}\n", outcome.plan);
    for event in outcome.log.read(<[_]>::to_vec) {
        let time = event.created / 10_000 % 86_400_000;
        let line = format!("{time:>9} {:>10} {} {}", event.position, event.stream, event.event_type);
        text += &format!("{line} {} {}\n", text_of(&event.data), text_of(&event.metadata));
    }
    for asked in &outcome.asked {
        text += &format!("{asked:?}\n");
    }
    text
}

fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Everything that a run left behind, as one number.
fn digest(outcome: &Outcome) -> u64 {
    let mut hasher = DefaultHasher::new();
    for event in outcome.log.read(<[_]>::to_vec) {
        (event.id, &event.stream, event.revision, event.position, event.created).hash(&mut hasher);
        (&event.event_type, &event.data, &event.metadata).hash(&mut hasher);
    }
    format!("{:?}", outcome.asked).hash(&mut hasher);
    hasher.finish()
}

#[test]
fn a_seed_is_the_same_run_to_the_letter() {
    for seed in 0..20 {
        let (first, second) = (run(seed), run(seed));
        if digest(&first) != digest(&second) {
            let (first, second) = (tell(&first), tell(&second));
            let differing = first.lines().zip(second.lines()).find(|(first, second)| first != second);
            panic!("seed {seed} differs from itself: {differing:?}");
        }
    }
}
