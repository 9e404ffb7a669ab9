//! What must hold when daybooks end, in good order or not, or meet. Each of these has daybooks of its own.
//!
//! Faults come under load, as real ones do; how often each comes can be raised: `OUTAGE_ROUNDS=50 cargo test -p ledger-tests outages`.

mod crash;
mod full_disk;
mod links;
mod load;
mod locks;
mod node_away;
mod postgres;
mod projectors;
mod rebuild;
mod roles;
mod silent;
mod stop;
mod stopped;
mod tail;
mod takeover;
mod torn;
mod watched;

/// How often each fault comes.
const ROUNDS_VARIABLE: &str = "OUTAGE_ROUNDS";

/// How often a fault is to come: so many times unless more are asked for.
fn rounds(usual: usize) -> usize {
    std::env::var(ROUNDS_VARIABLE).map_or(usual, |rounds| rounds.parse().expect("a whole number"))
}
