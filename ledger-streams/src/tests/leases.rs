//! Leases: one holder at a time, another when that one is gone.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{Bank, Engine};
use crate::codec::system_append;
use crate::{LEASE_HELD_FOR, Lease, LeaseTimes, Ledger, LedgerOptions};

on_each_engine! {
    a_lease_has_one_holder_and_is_taken_over_when_that_one_is_gone,
    a_lease_that_was_given_back_is_free_at_once,
    a_lease_that_ran_out_is_taken_up_again_at_once_by_its_last_holder,
    that_a_lease_was_elsewhere_is_seen_also_when_it_is_free_again,
    of_many_that_want_a_lease_at_once_one_gets_it,
    who_lost_a_lease_saves_no_places,
    a_place_that_is_written_late_does_not_count,
}

/// Far more than any of this takes.
const PATIENCE: Duration = Duration::from_secs(30);

async fn another_process(bank: &Bank) -> Ledger {
    Ledger::open(bank.ledger.store().clone(), &LedgerOptions::default()).await.unwrap()
}

async fn taken(lease: &mut Lease) {
    let taken = async {
        while !lease.attend().await.unwrap() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, taken).await.expect("it becomes free");
}

async fn lapsed(lease: &Lease) {
    let lapsed = async {
        while lease.is_held() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, lapsed).await.expect("nobody renews it");
}

async fn a_lease_has_one_holder_and_is_taken_over_when_that_one_is_gone(engine: Engine) {
    let bank = Bank::new(engine).await;
    let other = another_process(&bank).await;
    let (mut first, mut second) = (bank.ledger.lease("work"), other.lease("work"));
    assert!(first.attend().await.unwrap());
    assert!(first.is_held());
    assert!(!second.attend().await.unwrap(), "the first has it");
    assert!(first.attend().await.unwrap(), "and renews it");
    let renewed = Instant::now();
    taken(&mut second).await;
    assert!(renewed.elapsed() >= LEASE_HELD_FOR, "not before it ran out");
    assert!(!first.is_held(), "the first knows that it has run out");
    assert!(!first.attend().await.unwrap(), "the first sees who has it now");
    assert!(second.is_held());
}

async fn a_lease_that_was_given_back_is_free_at_once(engine: Engine) {
    let bank = Bank::new(engine).await;
    let other = another_process(&bank).await;
    let (mut first, mut second) = (bank.ledger.lease("work"), other.lease("work"));
    assert!(first.attend().await.unwrap());
    assert!(!second.attend().await.unwrap());
    first.release().await.unwrap();
    assert!(!first.is_held());
    assert!(second.attend().await.unwrap());
}

async fn a_lease_that_ran_out_is_taken_up_again_at_once_by_its_last_holder(engine: Engine) {
    let bank = Bank::new(engine).await;
    let mut lease = bank.ledger.lease("work");
    assert!(lease.attend().await.unwrap());
    assert!(!lease.is_due());
    lapsed(&lease).await;
    assert!(lease.is_due());
    assert!(lease.attend().await.unwrap());
}

async fn of_many_that_want_a_lease_at_once_one_gets_it(engine: Engine) {
    let bank = Bank::new(engine).await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let ledger = another_process(&bank).await;
        asking.spawn(async move {
            let mut lease = ledger.lease("work");
            lease.attend().await.unwrap()
        });
    }
    let held = asking.join_all().await;
    assert_eq!(held.iter().filter(|held| **held).count(), 1, "{held:?}");
}

/// Also when it believes to hold it still: its renewal is refused, and what stands behind it is not written.
async fn who_lost_a_lease_saves_no_places(engine: Engine) {
    let bank = Bank::new(engine).await;
    let sure = LeaseTimes {
        held_for: Duration::from_secs(3_600),
        renew_before: Duration::ZERO,
        free_after: Duration::from_secs(3_600),
    };
    let eager = LeaseTimes { free_after: Duration::ZERO, ..sure };
    let lease = |times| Lease::new(bank.ledger.store().clone(), "places", times, uuid::Uuid::new_v4());
    let (mut first, mut second) = (lease(sure), lease(eager));
    let places = |position: u64| [("one".to_owned(), position), ("other".to_owned(), position)];
    assert!(first.attend().await.unwrap());
    assert!(bank.ledger.save_places(&mut first, &places(1)).await.unwrap());
    taken(&mut second).await;
    assert!(bank.ledger.save_places(&mut second, &places(3)).await.unwrap());
    assert!(first.is_held(), "as far as it knows");
    assert!(!bank.ledger.save_places(&mut first, &places(2)).await.unwrap());
    assert!(!first.is_held());
    for (subscriber, place) in places(3) {
        assert_eq!(bank.ledger.load_place::<u64>(&subscriber).await.unwrap(), Some(place), "{subscriber}");
    }
}

/// EventStoreDB writes the parts of a batch one after the other: a process that is stopped in between writes the rest when it wakes up.
async fn a_place_that_is_written_late_does_not_count(engine: Engine) {
    let bank = Bank::new(engine).await;
    let mut lease = bank.ledger.lease("places");
    let place = |position: u64| [("one".to_owned(), position)];
    assert!(lease.attend().await.unwrap());
    assert!(bank.ledger.save_places(&mut lease, &place(1)).await.unwrap());
    let stream: std::sync::Arc<str> = "$checkpoint-one".into();
    let late = bank.ledger.store().read_last(&stream).await.unwrap().unwrap();
    assert!(bank.ledger.save_places(&mut lease, &place(2)).await.unwrap());
    let again = system_append(uuid::Uuid::new_v4(), &stream, "$checkpoint", late.data.to_vec());
    bank.ledger.store().append(vec![again]).await.unwrap();
    assert_eq!(bank.ledger.load_place::<u64>("one").await.unwrap(), Some(2));

    bank.ledger.save_checkpoint("one", 3).await.unwrap();
    assert_eq!(bank.ledger.load_checkpoint("one").await.unwrap(), 3, "whoever needs no lease says so last");
}

async fn that_a_lease_was_elsewhere_is_seen_also_when_it_is_free_again(engine: Engine) {
    let bank = Bank::new(engine).await;
    let other = another_process(&bank).await;
    let (mut first, mut second) = (bank.ledger.lease("work"), other.lease("work"));
    assert!(first.attend().await.unwrap());
    lapsed(&first).await;
    assert!(first.attend().await.unwrap());
    assert_eq!(first.passes(), 0, "nobody had it meanwhile");
    taken(&mut second).await;
    second.release().await.unwrap();
    assert!(first.attend().await.unwrap(), "it is free again");
    assert_eq!(first.passes(), 1);
}
