//! Every rule of the exactness, broken on purpose, one at a time: the auditor must see it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use ledger_core::mutation::{Rule, break_rule};
use parking_lot::Mutex;

use super::counts::Counts;
use super::postgres::Postgres;
use super::projections::Database;
use super::world::run;

/// Seeds tried before a broken rule counts as missed.
const SEEDS: u64 = 600;

/// The rules that the log and its clients show the breach of. `Rule::RequestIsReadAgain` is not among them: its breach shows once in hundreds
/// of seeds or more; `a_refused_request_is_not_debited_after_all` tests it.
const RULES: &[Rule] = &[
    Rule::DebitIsCovered,
    Rule::FrozenTakesNothing,
    Rule::ClosedIsEmpty,
    Rule::CreditIsExact,
    Rule::DebitIsRemembered,
    Rule::CreditIsRemembered,
    Rule::ReversalIsRemembered,
    Rule::RefusalIsRemembered,
    Rule::MemoryIsWidened,
    Rule::SnapshotKnowsNoLegs,
    Rule::RepetitionIsTheSame,
    Rule::CompletionFollowsCredit,
    Rule::FailureFollowsReversal,
    Rule::ForceFollowsWaiver,
    Rule::ResolutionStands,
    Rule::AccountRevisionIsExpected,
    Rule::AccountEventIsFollowed,
    Rule::TransferBeginsOnce,
    Rule::RefusalIsConfirmed,
    Rule::NewsAreForAll,
    Rule::FailedStateIsGivenUp,
    Rule::RepetitionIsOnDisk,
    Rule::IdsGoOnAfterTheLog,
    Rule::CheckpointWaitsForPending,
];

/// The rules that only the read models show the breach of.
const RULES_OF_PROJECTIONS: &[Rule] =
    &[Rule::CheckpointIsGuarded, Rule::CheckpointGoesWithRows, Rule::BatchIsInOrder];

/// Seeds that are projected before such a rule counts as missed.
const PROJECTED_SEEDS: u64 = 60;

#[test]
fn every_broken_rule_of_projections_is_noticed() {
    let postgres = Postgres::shared();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = runtime.block_on(postgres.database("simulation_broken"));
    let mut database = runtime.block_on(Database::open(url));
    for rule in RULES_OF_PROJECTIONS {
        let noticed = (0..PROJECTED_SEEDS).find_map(|seed| {
            let outcome = run(seed);
            break_rule(Some(*rule));
            let faults = match rule {
                Rule::BatchIsInOrder => runtime.block_on(database.differences_after_repetition(&outcome)),
                _ => runtime.block_on(database.project(&outcome, &Counts::default())),
            };
            break_rule(None);
            Some((seed, faults.into_iter().next()?))
        });
        let (seed, fault) = noticed.unwrap_or_else(|| panic!("nobody noticed that {rule:?} was broken"));
        println!("{:<26} seed {seed:>4}: {}", format!("{rule:?}"), beginning(&fault));
    }
}

fn beginning(text: &str) -> &str {
    text.char_indices().nth(90).map_or(text, |(end, _)| &text[..end])
}

#[test]
fn every_broken_rule_is_noticed() {
    let next = AtomicUsize::new(0);
    let noticed: Mutex<BTreeMap<String, (u64, String)>> = Mutex::default();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(rule) = RULES.get(next.fetch_add(1, Ordering::Relaxed)) {
                    break_rule(Some(*rule));
                    let found =
                        (0..SEEDS).find_map(|seed| Some((seed, run(seed).violations.into_iter().next()?)));
                    break_rule(None);
                    if let Some(found) = found {
                        noticed.lock().insert(format!("{rule:?}"), found);
                    }
                }
            });
        }
    });
    let noticed = noticed.into_inner();
    for (rule, (seed, violation)) in &noticed {
        println!("{rule:<26} seed {seed:>4}: {}", beginning(violation));
    }
    let missed: Vec<_> = RULES.iter().filter(|rule| !noticed.contains_key(&format!("{rule:?}"))).collect();
    assert!(missed.is_empty(), "nobody noticed that these were broken: {missed:?}");
}
