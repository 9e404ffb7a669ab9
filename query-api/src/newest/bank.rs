//! Which bank it is: several may share one Redis, and an account's number need not be another bank's no account's number.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use ledger_streams::{EventStore, StoreError};
use sha2::{Digest, Sha256};

use crate::limits::LIVE_BATCH;
use crate::read_pool::ReadPool;

/// Bytes of the digest that are used.
const DIGEST_BYTES: usize = 10;

/// A name for a log and the read models that were made of it. No other log begins with the same event at the same time; and a log that
/// was restored from an older copy, and went on in another way, has read models that were made anew.
pub(super) async fn name(store: &EventStore, pool: &ReadPool) -> Result<String, NameError> {
    let made: DateTime<Utc> =
        sqlx::query_scalar("select min(installed_on) from _sqlx_migrations").fetch_one(pool).await?;
    let mut log = store.subscribe(None);
    let first = loop {
        if let Some(first) = log.next_undecoded(LIVE_BATCH).await?.events.into_iter().next() {
            break first;
        }
    };
    let mut digest = Sha256::new();
    digest.update(first.stream().as_bytes());
    for number in [first.recorded_at().timestamp_micros(), made.timestamp_micros()] {
        digest.update(number.to_be_bytes());
    }
    digest.update(first.position().to_be_bytes());
    Ok(digest.finalize().iter().take(DIGEST_BYTES).fold(String::new(), |mut name, byte| {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
        name
    }))
}

#[derive(Debug, thiserror::Error)]
pub(super) enum NameError {
    #[error("the read models do not say when they were made: {0}")]
    ReadModels(#[from] sqlx::Error),
    #[error("the log does not say when it began: {0}")]
    Log(#[from] StoreError),
}
