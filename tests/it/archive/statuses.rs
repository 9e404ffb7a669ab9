//! What became of archived debits, beside what the log tells.

use std::collections::HashMap;

use archive::{Archive, EntryKind, Status};
use file_store::{FileStore, UrlSecret};
use ledger_core::Event;
use ledger_core::transfer::TransferEvent;
use ledger_streams::EventStore;

use super::bank::MONTHS;
use crate::harness::{Daybook, last_event};

const EVENTS: usize = 1_000;

/// How the log says that each transfer ended.
async fn ends(log: &str) -> HashMap<String, Status> {
    let (store, last) = (EventStore::connect(log).unwrap(), last_event(log).await);
    let (mut subscription, mut ends) = (store.subscribe(None), HashMap::new());
    loop {
        let batch = subscription.next(EVENTS).await.unwrap();
        for recorded in &batch.events {
            let end = match &recorded.event {
                Event::Transfer(TransferEvent::Completed(end)) => (end.transfer_id, Status::Completed),
                Event::Transfer(TransferEvent::Failed(end)) => (end.transfer_id, Status::Reversed),
                _ => continue,
            };
            ends.insert(end.0.to_string(), end.1);
        }
        if batch.position >= last {
            drop(subscription);
            store.close().await;
            return ends;
        }
    }
}

/// Every row of the archived months is as final as its transfer.
pub(super) async fn are_those_of_the_log(daybook: &Daybook) {
    let ends = ends(daybook.log()).await;
    let location = daybook.dir().join("files").to_str().unwrap().parse().unwrap();
    let archive = Archive::new(FileStore::open_with(&location, UrlSecret::new([0; 32]), []).unwrap());
    let (mut completed, mut reversed) = (0, 0);
    for month in MONTHS {
        let manifest = archive.manifest(month.parse().unwrap()).await.unwrap().unwrap();
        let mut rows = archive.rows(&manifest);
        while let Some(rows) = rows.next().await.unwrap() {
            for row in rows {
                let ended = ends[&row.transfer_id.to_string()];
                let expected = if row.kind == EntryKind::Debit { ended } else { Status::Completed };
                assert_eq!(row.status, expected, "{row:?}");
                assert!(row.kind != EntryKind::Reversal || ended == Status::Reversed, "{row:?}");
                completed += usize::from(row.status == Status::Completed);
                reversed += usize::from(row.status == Status::Reversed);
            }
        }
    }
    assert_eq!(reversed, 1, "of {completed}");
}
