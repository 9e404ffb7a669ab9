//! An account is the same from a snapshot, from a bad one and from none.

use std::sync::Arc;
use std::time::Duration;

use eventstore_node::ExpectedRevision;
use ledger_core::account::{AccountCommand, AccountSnapshot, AccountState};
use ledger_core::transfer::TransferStatus;
use ledger_core::{AccountId, Event, Rejection, stream};
use tokio::task::JoinSet;

use super::gaps::leg;
use super::{Bank, Engine, context, drive, eur, request, wish};
use crate::codec::{decode_all, system_append};
use crate::{LEGS_READ_BACK_MAX, Ledger, LedgerOptions, Recorded, TransferReceipt};

on_each_engine! {
    a_snapshot_is_written_every_so_many_events,
    a_load_begins_at_the_newest_snapshot,
    a_snapshot_that_cannot_be_trusted_is_passed_over,
    snapshots_that_are_gone_change_nothing,
    a_snapshot_that_cannot_be_written_troubles_nobody,
    an_account_that_is_long_already_is_written_down_when_it_is_loaded,
    no_leg_from_before_a_snapshot_is_booked_twice_after_a_restart,
    an_old_transfer_is_known_however_many_came_after_it,
    every_snapshot_is_what_the_stream_says_however_many_write,
}

/// Another process, with snapshots as often as the test wants them.
async fn snapshotting(bank: &Bank, worker: u16, snapshot_every_events: u64) -> Ledger {
    let options = LedgerOptions { worker: Some(worker), snapshot_every_events };
    Bank::ledger_with(bank.engine, &bank.server, options).await
}

fn snapshots_of(id: AccountId) -> Arc<str> {
    stream::snapshots(&stream::account(id)).into()
}

/// Raises the account's limit so many times: an event each.
async fn change(ledger: &Ledger, id: AccountId, limits: std::ops::Range<i64>) {
    for limit in limits {
        let command = AccountCommand::ChangeOverdraftLimit(eur(limit));
        ledger.account(id, &command, &context(&stream::account(id))).await.unwrap().unwrap();
    }
}

/// Waits until so many snapshots of the account are in the log.
async fn wait_for_snapshots(ledger: &Ledger, id: AccountId, count: usize) -> Vec<AccountSnapshot> {
    let read = async || ledger.store().read_stream(&snapshots_of(id), 0).await.unwrap();
    let all = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let found = read().await;
            if found.len() >= count {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let all = all.await.unwrap();
    all.iter().map(|event| AccountSnapshot::decode(&event.data).unwrap()).collect()
}

async fn history(ledger: &Ledger, id: AccountId) -> Vec<Recorded> {
    decode_all(ledger.store().read_stream(&stream::account(id).into(), 0).await.unwrap()).unwrap()
}

/// The state after so many events, from the stream alone.
fn fold(history: &[Recorded], events: u64) -> AccountState {
    let mut state = AccountState::default();
    for recorded in history.iter().take(usize::try_from(events).unwrap()) {
        let Event::Account(event) = &recorded.event else { panic!("{recorded:?}") };
        state.evolve(event);
    }
    state
}

async fn write(ledger: &Ledger, id: AccountId, data: Vec<u8>) {
    let append = system_append(&snapshots_of(id), "$snapshot", data);
    assert!(ledger.store().append(vec![append]).await.is_ok());
}

async fn limit(ledger: &Ledger, id: AccountId) -> i64 {
    ledger.view(id).await.unwrap().unwrap().overdraft_limit.minor
}

async fn a_snapshot_is_written_every_so_many_events(engine: Engine) {
    let bank = Bank::new(engine).await;
    let ledger = snapshotting(&bank, 2, 8).await;
    let id = bank.account(0).await;
    change(&ledger, id, 1..23).await;
    let history = history(&ledger, id).await;
    assert_eq!(history.len(), 23);
    let written = wait_for_snapshots(&ledger, id, 2).await;
    for (snapshot, revision) in written.iter().zip([7, 15]) {
        assert_eq!(snapshot.revision(), revision);
        let named = &history[usize::try_from(revision).unwrap()];
        assert_eq!(snapshot.event_id(), named.id.to_string());
        assert_eq!(
            Some(snapshot),
            AccountSnapshot::of(&fold(&history, revision + 1), named.id.to_string()).as_ref()
        );
    }
    assert_eq!(written.len(), 2);
}

async fn a_load_begins_at_the_newest_snapshot(engine: Engine) {
    let bank = Bank::new(engine).await;
    let id = bank.account(0).await;
    change(&bank.ledger, id, 1..10).await;
    let history = history(&bank.ledger, id).await;
    // What it says is not so: that is how one sees that it was used.
    let mut doctored = fold(&history, 6);
    doctored.account.as_mut().unwrap().balance = eur(77);
    for events in [4, 6] {
        doctored.events = events;
        let named = history[usize::try_from(events).unwrap() - 1].id.to_string();
        write(&bank.ledger, id, AccountSnapshot::of(&doctored, named).unwrap().encode().unwrap()).await;
    }
    let bank = bank.restart().await;
    assert_eq!((bank.balance(id).await, limit(&bank.ledger, id).await), (77, 9));
    // It goes on from there: the next event has the right revision.
    change(&bank.ledger, id, 10..11).await;
    assert_eq!(limit(&bank.second().await, id).await, 10);
}

async fn a_snapshot_that_cannot_be_trusted_is_passed_over(engine: Engine) {
    let bank = Bank::new(engine).await;
    let id = bank.account(0).await;
    change(&bank.ledger, id, 1..10).await;
    let history = history(&bank.ledger, id).await;
    let wrong = |events: u64, named: usize| {
        let mut state = fold(&history, events.min(10));
        state.account.as_mut().unwrap().balance = eur(77);
        state.events = events;
        AccountSnapshot::of(&state, history[named].id.to_string()).unwrap().encode().unwrap()
    };
    let text = String::from_utf8(wrong(6, 5)).unwrap();
    let bad = [
        // Another event than the one at its revision; a revision that is not there (yet).
        wrong(6, 4),
        wrong(11, 9),
        wrong(u64::MAX, 9),
        text.replace("\"version\":1", "\"version\":2").into_bytes(),
        text.replace("\"balance\"", "\"balanced\"").into_bytes(),
        b"nonsense".to_vec(),
        vec![],
    ];
    for (worker, data) in (10..).zip(bad) {
        write(&bank.ledger, id, data).await;
        let cold = bank.another(worker).await;
        assert_eq!(cold.view(id).await.unwrap().unwrap().balance, eur(0));
        assert_eq!(limit(&cold, id).await, 9);
    }
    // But one with which nothing else is wrong than what it says is used.
    write(&bank.ledger, id, wrong(6, 5)).await;
    let cold = bank.another(30).await;
    assert_eq!(cold.view(id).await.unwrap().unwrap().balance, eur(77));
}

async fn snapshots_that_are_gone_change_nothing(engine: Engine) {
    let bank = Bank::new(engine).await;
    let ledger = snapshotting(&bank, 2, 4).await;
    let (from, to) = (bank.account(1_000).await, bank.account(0).await);
    for number in 0..12 {
        let receipt = request(&ledger, &wish(&format!("k{number}"), from, to, 10)).await.unwrap();
        assert_eq!(drive(&ledger, &receipt).await, TransferStatus::Completed);
    }
    wait_for_snapshots(&ledger, from, 3).await;
    let bank = bank.restart().await;
    let with = (bank.ledger.view(from).await.unwrap(), bank.ledger.view(to).await.unwrap());
    for id in [from, to] {
        bank.server.node().delete_stream(&snapshots_of(id), ExpectedRevision::Any).await.unwrap();
        assert!(bank.ledger.store().read_stream(&snapshots_of(id), 0).await.unwrap().is_empty());
    }
    let bank = bank.restart().await;
    let without = (bank.ledger.view(from).await.unwrap(), bank.ledger.view(to).await.unwrap());
    assert_eq!(with, without);
    assert_eq!((bank.balance(from).await, bank.balance(to).await), (-120, 120));
}

async fn a_snapshot_that_cannot_be_written_troubles_nobody(engine: Engine) {
    let bank = Bank::new(engine).await;
    let ledger = snapshotting(&bank, 2, 4).await;
    let id = bank.account(0).await;
    // Deleted for good: nothing can be appended to it or read from it any more.
    bank.server.node().tombstone_stream(&snapshots_of(id), ExpectedRevision::Any).await.unwrap();
    change(&ledger, id, 1..20).await;
    let bank = bank.restart().await;
    assert_eq!(limit(&bank.ledger, id).await, 19);
    change(&bank.ledger, id, 20..21).await;
}

async fn an_account_that_is_long_already_is_written_down_when_it_is_loaded(engine: Engine) {
    let bank = Bank::new(engine).await;
    let never = snapshotting(&bank, 2, 0).await;
    let id = bank.account(0).await;
    change(&never, id, 1..20).await;
    assert!(never.store().read_stream(&snapshots_of(id), 0).await.unwrap().is_empty());
    let ledger = snapshotting(&bank, 3, 8).await;
    assert_eq!(limit(&ledger, id).await, 19);
    let written = wait_for_snapshots(&ledger, id, 1).await;
    assert_eq!(written.first().map(AccountSnapshot::revision), Some(19));
}

/// Two transfers, of which one was credited and one refused; the drivers of both were gone before they could say so.
async fn answered_without_an_end(
    bank: &Bank,
    ledger: &Ledger,
    from: AccountId,
    to: AccountId,
) -> (TransferReceipt, TransferReceipt) {
    let credit = async |receipt: &TransferReceipt| {
        let command = AccountCommand::Credit(leg(receipt, from));
        ledger.account(to, &command, &receipt.run.context).await.unwrap().unwrap();
    };
    let credited = request(ledger, &wish("credited", from, to, 300)).await.unwrap();
    credit(&credited).await;
    bank.command(to, AccountCommand::Freeze(None)).await;
    let refused = request(ledger, &wish("refused", from, to, 50)).await.unwrap();
    credit(&refused).await;
    bank.command(to, AccountCommand::Unfreeze).await;
    (credited, refused)
}

async fn no_leg_from_before_a_snapshot_is_booked_twice_after_a_restart(engine: Engine) {
    let bank = Bank::new(engine).await;
    let ledger = snapshotting(&bank, 2, 4).await;
    let (from, to) = (bank.account(1_000).await, bank.account(0).await);
    let (credited, refused) = answered_without_an_end(&bank, &ledger, from, to).await;
    for id in [from, to] {
        change(&ledger, id, 1_001..1_020).await;
        let written = wait_for_snapshots(&ledger, id, 4).await;
        assert!(written.iter().any(|snapshot| snapshot.revision() > 12));
    }
    let bank = bank.restart().await;
    // The newest first, so that the older one has to widen what is remembered again.
    assert_eq!(drive(&bank.ledger, &refused).await, TransferStatus::Failed(Rejection::AccountFrozen));
    assert_eq!(drive(&bank.ledger, &credited).await, TransferStatus::Completed);
    let mut from_the_start = credited.clone();
    from_the_start.run.process.stage = ledger_core::transfer::process::Stage::Requested;
    assert_eq!(drive(&bank.ledger, &from_the_start).await, TransferStatus::Completed);
    assert_eq!((bank.balance(from).await, bank.balance(to).await), (-300, 300));
}

async fn an_old_transfer_is_known_however_many_came_after_it(engine: Engine) {
    const AFTER: i64 = 3 * LEGS_READ_BACK_MAX as i64;
    let bank = Bank::new(engine).await;
    let ledger = snapshotting(&bank, 2, 16).await;
    let (from, to) = (bank.account(1_000).await, bank.account(0).await);
    let (credited, refused) = answered_without_an_end(&bank, &ledger, from, to).await;
    let pay = async |ledger: &Ledger, name: &str, count: i64| {
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let (ledger, wish) = (ledger.clone(), wish(&format!("{name}{number}"), from, to, 1));
            tasks.spawn(async move {
                let receipt = request(&ledger, &wish).await.unwrap();
                assert_eq!(drive(&ledger, &receipt).await, TransferStatus::Completed);
            });
        }
        tasks.join_all().await;
    };
    pay(&ledger, "before", AFTER).await;
    let bank = bank.restart().await;
    // Two drivers of each, while others pay into the account.
    let second = bank.second().await;
    let failed = TransferStatus::Failed(Rejection::AccountFrozen);
    let (ends, ()) = tokio::join!(
        async {
            tokio::join!(
                drive(&bank.ledger, &credited),
                drive(&second, &credited),
                drive(&bank.ledger, &refused),
                drive(&second, &refused),
            )
        },
        pay(&bank.ledger, "meanwhile", 20),
    );
    assert_eq!(ends, (TransferStatus::Completed, TransferStatus::Completed, failed, failed));
    let bank = bank.restart().await;
    let paid = 300 + AFTER + 20;
    assert_eq!((bank.balance(from).await, bank.balance(to).await), (-paid, paid));
}

async fn every_snapshot_is_what_the_stream_says_however_many_write(engine: Engine) {
    let bank = Bank::new(engine).await;
    let (from, to) = (bank.account(100_000).await, bank.account(0).await);
    let ledgers = [snapshotting(&bank, 2, 3).await, snapshotting(&bank, 3, 3).await];
    let mut tasks = JoinSet::new();
    for number in 0..120 {
        let ledger = ledgers[number % ledgers.len()].clone();
        // Some of them under one key: their appends fail with what was decided on them.
        let wish = wish(&format!("k{}", number / 4), from, to, 1);
        tasks.spawn(async move {
            if let Ok(Ok(receipt)) = ledger.request_transfer(&wish, &context(&wish.stream())).await {
                let mut run = receipt.run;
                let _ = ledger.drive(&mut run).await;
            }
        });
    }
    tasks.join_all().await;
    for id in [from, to] {
        let history = history(&bank.ledger, id).await;
        for snapshot in wait_for_snapshots(&bank.ledger, id, 3).await {
            let revision = usize::try_from(snapshot.revision()).unwrap();
            let named = history[revision].id.to_string();
            assert_eq!(
                Some(&snapshot),
                AccountSnapshot::of(&fold(&history, snapshot.revision() + 1), named).as_ref()
            );
        }
    }
    let bank = bank.restart().await;
    assert_eq!((bank.balance(from).await, bank.balance(to).await), (-30, 30));
}
