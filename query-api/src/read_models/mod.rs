//! The read models: for each one its rows, its SQL and what follows from a row alone.
//!
//! Whatever a list of things may be asked for is a [`Loader`](async_graphql::dataloader::Loader): many keys, one statement. All
//! statements are ranges of an index; none counts rows or scans a table that grows with the log, except where an operator asks for
//! the whole bank.

pub(crate) mod account;
mod column;
pub(crate) mod monthly_totals;
pub(crate) mod projection;
pub(crate) mod transaction;
pub(crate) mod transfer;
pub(crate) mod trial_balance;
pub(crate) mod user;

use std::sync::Arc;

use async_graphql::dataloader::DataLoader;
pub(crate) use column::CurrencyColumn;
use sqlx::PgPool;

use crate::limits::{BATCH_DELAY, BATCH_KEYS_MAX};

/// The tables, as something that loads many keys at once.
#[derive(Clone, Debug)]
pub(crate) struct ReadModels {
    pub(crate) pool: PgPool,
}

/// Collects the keys that sibling fields ask for. One per request: no request waits for another one's rows.
pub(crate) type Loaders = DataLoader<ReadModels>;

impl ReadModels {
    /// A loader for one request.
    pub(crate) fn loaders(&self) -> Loaders {
        DataLoader::new(self.clone(), tokio::spawn).delay(BATCH_DELAY).max_batch_size(BATCH_KEYS_MAX)
    }
}

/// A read model could not be read: Postgres failed, or holds what no projection writes. Never the caller's fault.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ReadError(Arc<sqlx::Error>);

impl From<sqlx::Error> for ReadError {
    fn from(error: sqlx::Error) -> Self {
        Self(Arc::new(error))
    }
}
