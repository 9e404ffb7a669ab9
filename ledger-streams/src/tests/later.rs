//! The events of a stream after a position, as subscriptions that resume read them.

use std::sync::Arc;

use ledger_core::stream;

use super::{Bank, Engine, request, wish};

on_each_engine! {
    later_events_are_read_back_to_the_position_and_no_further,
}

async fn later_events_are_read_back_to_the_position_and_no_further(engine: Engine) {
    const TRANSFERS: usize = 40;
    let bank = Bank::new(engine).await;
    let (from, to) = (bank.account(100_000).await, bank.account(0).await);
    for number in 0..TRANSFERS {
        request(&bank.ledger, &wish(&format!("later-{number}"), from, to, 1)).await.unwrap();
    }
    let account: Arc<str> = stream::account(from).into();
    let store = bank.ledger.store();
    let all = store.events_after(&account, 0, 1_000).await.unwrap().unwrap();
    assert!(all.len() > TRANSFERS);
    let revisions: Vec<u64> = all.iter().map(|event| event.revision).collect();
    assert_eq!(revisions, (0..all.len() as u64).collect::<Vec<_>>());
    // From every place but the last: more than one page and less.
    for (index, event) in all.iter().enumerate() {
        let later = store.events_after(&account, event.position, 1_000).await.unwrap().unwrap();
        let later: Vec<u64> = later.iter().map(|event| event.revision).collect();
        assert_eq!(later, revisions[index + 1..]);
    }
    // At a bound, all or nothing.
    assert!(store.events_after(&account, 0, all.len()).await.unwrap().is_some());
    assert!(store.events_after(&account, 0, all.len() - 1).await.unwrap().is_none());
    let nobody: Arc<str> = "account-1".into();
    assert!(store.events_after(&nobody, 0, 10).await.unwrap().unwrap().is_empty());
}
