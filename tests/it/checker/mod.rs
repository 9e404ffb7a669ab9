//! The external checker: holds everything that anybody was ever answered to the log, and the read models to the log.
//!
//! It believes nothing that Daybook's own code says about the log: it reads raw names and JSON through EventStoreDB's official client and
//! folds them by a model of its own ([`books`]). What clients were answered it has from the [`Witness`](crate::harness::Witness) that hears
//! every exchange. It looks when all is up again, waits for all transfers to end, and lists everything that is wrong.
//!
//! A request is found in the log by its `reference`, if that is its idempotency key, also when nobody was answered.

mod account;
mod answers;
mod books;
mod log;
mod read_models;
mod reads;
mod tests;
mod transfer;
mod watch;

use std::time::Duration;

use crate::harness::{Client, until};
use books::Books;
use log::Log;
pub(crate) use watch::Watch;

/// How long what was under way may take to end after a fault.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(90);
/// Faults that are shown: what is wrong first makes much else wrong.
const FAULTS_SHOWN: usize = 20;

/// Compares everything that this client's witness heard with the log at `log`, and what this client can read with it, too.
pub(crate) async fn check(bank: &Client, log: &str) {
    let books = settled(&mut Log::at(log)).await;
    let mut faults = books.faults().to_vec();
    faults.extend(answers::faults(&books, &bank.witness().exchanges()));
    bank.reads_at(books.last);
    faults.extend(read_models::faults(&books, bank).await);
    let shown = faults.iter().take(FAULTS_SHOWN).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(faults.is_empty(), "{} faults, the first of them:\n{shown}", faults.len());
}

/// The books when every transfer has ended, which they must.
async fn settled(log: &mut Log) -> Books {
    let mut books = Books::default();
    until("every transfer ends", SETTLE_TIME_MAX, async || {
        for event in log.more().await {
            books.learn(&event);
        }
        (books.under_way().count() == 0 || !books.faults().is_empty()).then_some(())
    })
    .await;
    books
}
