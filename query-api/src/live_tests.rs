use std::cell::Cell;

use super::*;
use crate::freshness::tests::reached;

/// The end of somebody who came when changes up to `start` had been told.
fn changes(start: Position) -> Changes {
    let (sender, receiver) = broadcast::channel(1);
    let task = tokio::spawn(std::future::pending::<()>()).abort_handle();
    let feed = Arc::new(Feed { changes: sender.downgrade(), told: Arc::new(AtomicU64::new(start)), task });
    Changes { receiver, start, freshness: reached(start), _feed: feed }
}

#[tokio::test]
async fn a_subscriber_reads_again_what_postgres_may_have_forgotten() {
    let changes = changes(7);
    let reads = Cell::new(0);
    let read = || async {
        reads.set(reads.get() + 1);
        if reads.get() % 2 == 1 {
            changes.freshness.forget_and_reach_again();
        }
        Ok::<_, Problem>(reads.get())
    };
    assert_eq!(changes.read_first(read).await, Ok(2));
    assert_eq!(changes.read_at(7, read).await, Ok(4));
}
