//! Everything that is ready, in order, and no more than there is room for.

use std::time::Duration;

use chrono::DateTime;
use eventstore_node::{Node, NodeOptions};
use ledger_core::account::AccountKind;
use ledger_core::{Currency, Money};
use ledger_streams::{Context, EventStore, Ledger, LedgerOptions, NewAccount};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use super::Reader;

const ACCOUNTS: usize = 100;
/// Chunks are a sixteenth of it: two events.
const EVENTS_MAX: usize = 20;
const CHUNKS_READY: usize = 9;

#[tokio::test]
async fn a_batch_is_all_that_was_read_meanwhile_within_the_room_that_there_is() {
    let dir = TempDir::new().unwrap();
    let node = Node::open(NodeOptions::new(dir.path().to_owned())).unwrap();
    let store = EventStore::Embedded(node.clone());
    let ledger = Ledger::open(store.clone(), &LedgerOptions::default()).await.unwrap();
    for _ in 0..ACCOUNTS {
        open_account(&ledger).await;
    }
    let mut reader = Reader::start(store, 0, EVENTS_MAX);
    let (mut positions, mut batches) = (Vec::new(), 0);
    while positions.len() < ACCOUNTS {
        let more = ACCOUNTS - positions.len() > EVENTS_MAX;
        timeout(Duration::from_secs(60), async {
            while more && reader.chunks.len() < CHUNKS_READY {
                sleep(Duration::from_millis(1)).await;
            }
        })
        .await
        .expect("as much as there is room for is read ahead");
        // Time for a reader that knows no bounds.
        sleep(Duration::from_millis(20)).await;
        let batch = reader.next().await.unwrap();
        assert!(batch.events.len() <= EVENTS_MAX, "{} events", batch.events.len());
        positions.extend(batch.events.iter().map(|event| event.position));
        assert!(batch.position >= *positions.last().unwrap());
        batches += 1;
    }
    assert_eq!(positions.len(), ACCOUNTS);
    assert!(positions.is_sorted_by(|one, next| one < next), "{positions:?}");
    assert!(batches <= ACCOUNTS / CHUNKS_READY, "{batches} batches");
    drop(reader);
    node.shutdown().await;
}

async fn open_account(ledger: &Ledger) {
    let currency = Currency::from_code("EUR").unwrap();
    let new = NewAccount {
        user_id: None,
        kind: AccountKind::Checking,
        currency,
        reference: None,
        overdraft_limit: Money::new(0, currency),
    };
    let context = Context {
        correlation_id: "test".into(),
        causation_id: None,
        actor: "operator:test".into(),
        booked_at: DateTime::UNIX_EPOCH,
    };
    ledger.open_account(&new, &context).await.unwrap().unwrap();
}
