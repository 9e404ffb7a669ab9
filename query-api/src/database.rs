//! The read models' database, and how often it was connected to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgPool};

/// A connection that was at work so lately is used again without asking whether it still stands: that would be one more trip to the server
/// for each statement.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// Connections to the read models. Postgres need not write a projection's commit to disk before it is seen: after a crash of its own it may
/// have forgotten the last ones. That ends every connection, so where no new one was made, nothing was forgotten. (A pooler in between,
/// such as PgBouncer, would hide it.)
#[derive(Clone, Debug)]
pub struct ReadDatabase {
    pool: PgPool,
    /// Counts the connections made.
    connections: Arc<AtomicU64>,
}

/// Between two equal ones Postgres has forgotten nothing that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Era(u64);

impl ReadDatabase {
    /// Connects when somebody asks.
    #[must_use]
    pub fn lazy(options: PgPoolOptions, server: PgConnectOptions) -> Self {
        let connections = Arc::<AtomicU64>::default();
        let made = Arc::clone(&connections);
        let options = options.after_connect(move |_, _| {
            made.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Ok(()) })
        });
        // sqlx asks before each statement whether the server is still there, unless told otherwise.
        let options = options.test_before_acquire(false).before_acquire(|connection, state| {
            Box::pin(async move { Ok(state.idle_for < TRUSTED_FOR || connection.ping().await.is_ok()) })
        });
        Self { pool: options.connect_lazy_with(server), connections }
    }

    /// The connections.
    #[must_use]
    pub const fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(crate) fn era(&self) -> Era {
        Era(self.connections.load(Ordering::SeqCst))
    }

    /// As if a connection had been made.
    #[cfg(test)]
    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::SeqCst);
    }
}
