//! The read models' database, and whether it may have forgotten something.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool};

/// Connections to the read models. Postgres need not write a projection's commit to disk before it is seen: after a crash of its own it may
/// have forgotten the last ones. That ends every session. So one of ours is remembered, the witness, and each new connection asks the
/// server whether that one still lives: if it does, nothing was forgotten since. If not, an era begins, with the new one as its witness. A
/// witness that only went to sleep begins one, too, which costs no more than a read that is made again. (A pooler in between, such as
/// PgBouncer, would hide a crash.)
#[derive(Clone, Debug)]
pub struct ReadDatabase {
    pool: PgPool,
    known: Arc<Mutex<Known>>,
}

/// Between two equal ones Postgres has forgotten nothing that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Era(u64);

/// The era, and the session that began it.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    era: Era,
    witness: Option<Session>,
}

/// A session of Postgres. Its process's number may be another one's later, and then that has begun later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Session {
    pid: i32,
    began: DateTime<Utc>,
}

impl ReadDatabase {
    /// Connects when somebody asks.
    #[must_use]
    pub fn lazy(options: PgPoolOptions, server: PgConnectOptions) -> Self {
        // Every statement is prepared and made for any values: its plan leaves out the months that it does not need when it is executed. Planning
        // all months again for each question would take longer than the answer.
        let server = server.options([("plan_cache_mode", "force_generic_plan")]);
        let known = Arc::<Mutex<Known>>::default();
        let shared = Arc::clone(&known);
        let options = options.after_connect(move |db, _| {
            let known = Arc::clone(&shared);
            Box::pin(async move { meet(db, &known).await })
        });
        Self { pool: options.connect_lazy_with(server), known }
    }

    /// The connections.
    #[must_use]
    pub const fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(crate) fn era(&self) -> Era {
        self.known.lock().era
    }

    /// As if Postgres had crashed and been connected to again.
    #[cfg(test)]
    pub(crate) fn crashed(&self) {
        self.known.lock().begin(None);
    }
}

impl Known {
    const fn begin(&mut self, witness: Option<Session>) {
        self.era = Era(self.era.0.wrapping_add(1));
        self.witness = witness;
    }
}

/// Asks on a new connection, before anything is read there, whether the witness lives.
async fn meet(db: &mut PgConnection, known: &Mutex<Known>) -> Result<(), sqlx::Error> {
    loop {
        let witness = known.lock().witness;
        let (pid, began, lives): (i32, DateTime<Utc>, bool) = sqlx::query_as(
            "select pid, backend_start, exists (select from pg_stat_activity where pid = $1 and backend_start = $2)
             from pg_stat_activity where pid = pg_backend_pid()",
        )
        .bind(witness.map(|witness| witness.pid))
        .bind(witness.map(|witness| witness.began))
        .persistent(false)
        .fetch_one(&mut *db)
        .await?;
        if lives {
            return Ok(());
        }
        let mut known = known.lock();
        // Another connection may have begun an era meanwhile: then its witness is to be asked for.
        if known.witness == witness {
            known.begin(Some(Session { pid, began }));
            return Ok(());
        }
    }
}
