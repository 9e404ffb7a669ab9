//! Sessions of one database, and whether it may have forgotten something.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use futures::{FutureExt, TryFutureExt};
use parking_lot::Mutex;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{
    PgArguments, PgConnectOptions, PgPoolOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo,
};
use sqlx::query::QueryAs;
use sqlx::{
    Connection, Describe, Either, Error, Execute, Executor, FromRow, PgConnection, PgPool, Postgres, SqlStr,
};

use crate::limits::{SESSION_KEPT_FOR, SESSION_TRUSTED_FOR};
use crate::turns::{Turn, Turns};

/// Sessions of one database; clones share them.
///
/// sqlx's pool asks the server whether a session is well when it comes back, as it must of one that was given up in the middle of an answer:
/// one more trip to the server for each statement. A session that has given its whole answer is lent again from here instead, for a
/// while. Who meets one that has ended has all asked that were idle then.
///
/// Postgres need not write a projection's commit to disk before it is seen: after a crash of its own it may have forgotten the last
/// ones. That ends every session. So one of ours is remembered, the witness, and each new session asks the server whether that one still lives:
/// if it does, nothing was forgotten since. If not, an era begins, with the new one as its witness. A witness that only went to sleep
/// begins one, too, which costs no more than a read that is made again. (A pooler in between, such as PgBouncer, would hide a crash.)
#[derive(Clone, Debug)]
pub(crate) struct ReadPool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: PgPool,
    turns: Turns,
    /// Those that gave their whole answer, the last one last.
    idle: Mutex<Vec<Idle>>,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug)]
struct Idle {
    session: PoolConnection<Postgres>,
    /// When sqlx gave it to us.
    taken: Instant,
    since: Instant,
}

/// A session at work. One that is dropped goes back to sqlx.
struct Lent<'a> {
    session: PoolConnection<Postgres>,
    taken: Instant,
    _turn: Turn<'a>,
}

/// Between two equal ones Postgres has forgotten nothing that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Era(u64);

/// The era, the session that began it, and how far sessions are trusted.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    era: Era,
    witness: Option<Witness>,
    /// When a session was last found to have ended: others may have ended with it.
    ended_at: Option<Instant>,
}

/// A session of Postgres. Its process's number may be another one's later, and then that has begun later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Witness {
    pid: i32,
    began: DateTime<Utc>,
}

impl Era {
    /// The era of several databases: an equal one means that each had an equal one, since eras are only ever counted up.
    pub(crate) fn of_all(eras: impl IntoIterator<Item = Self>) -> Self {
        Self(eras.into_iter().fold(0, |sum, era| sum.wrapping_add(era.0)))
    }
}

impl ReadPool {
    /// Connects when somebody asks.
    pub(crate) fn lazy(options: PgPoolOptions, server: PgConnectOptions) -> Self {
        // Every statement is prepared and made for any values: its plan leaves out the months that it does not need when it is executed. Planning
        // all months again for each question would take longer than the answer.
        let server = server.options([("plan_cache_mode", "force_generic_plan")]);
        let known = Arc::<Mutex<Known>>::default();
        let shared = Arc::clone(&known);
        let options = options.after_connect(move |db, _| {
            let known = Arc::clone(&shared);
            Box::pin(async move { meet(db, &known).await })
        });
        // sqlx asks before each statement whether the server is still there, unless told otherwise.
        let shared = Arc::clone(&known);
        let options = options.test_before_acquire(false).before_acquire(move |session, state| {
            let known = Arc::clone(&shared);
            Box::pin(async move {
                if known.lock().trusts(state.idle_for) {
                    return Ok(true);
                }
                let stands = session.ping().await.is_ok();
                if !stands {
                    known.lock().ended_at = Some(Instant::now());
                }
                Ok(stands)
            })
        });
        let turns = Turns::new(usize::try_from(options.get_max_connections()).unwrap_or(1));
        let pool = options.connect_lazy_with(server);
        Self(Arc::new(Inner { pool, turns, idle: Mutex::default(), known }))
    }

    /// Ends all sessions.
    pub(crate) async fn close(&self) {
        self.0.turns.close();
        self.0.idle.lock().clear();
        self.0.pool.close().await;
    }

    /// A whole answer, each row made what it is as it comes. `fetch_all` of the query itself would keep the rows until all are there.
    pub(crate) async fn all<T>(&self, query: QueryAs<'_, Postgres, T, PgArguments>) -> Result<Vec<T>, Error>
    where
        T: for<'r> FromRow<'r, PgRow> + Send,
    {
        let mut lent = self.0.lend().await?;
        let mut rows = Vec::new();
        let mut steps = lent.session.fetch_many(query);
        while let Some(step) = steps.try_next().await? {
            if let Either::Right(row) = step {
                rows.push(T::from_row(&row)?);
            }
        }
        drop(steps);
        self.0.rest(lent);
        Ok(rows)
    }

    /// The era in which we are.
    pub(crate) fn era(&self) -> Era {
        self.0.known.lock().era
    }

    /// Takes note that a session had ended: those that are idle now are asked before they are used.
    pub(crate) fn one_ended(&self) {
        self.0.known.lock().ended_at = Some(Instant::now());
    }

    /// As if Postgres had crashed and been connected to again.
    #[cfg(test)]
    pub(crate) fn crashed(&self) {
        self.0.known.lock().begin(None);
    }
}

impl Inner {
    async fn lend(&self) -> Result<Lent<'_>, Error> {
        let within = self.pool.options().get_acquire_timeout();
        let turn = self.turns.take(within).await?;
        let (session, taken) = match self.rested() {
            Some(Idle { session, taken, .. }) => (session, taken),
            None => (self.pool.acquire().await?, Instant::now()),
        };
        Ok(Lent { session, taken, _turn: turn })
    }

    /// The one that was at work last, if it is trusted.
    fn rested(&self) -> Option<Idle> {
        let known = *self.known.lock();
        let mut all = self.idle.lock();
        let last = all.pop()?;
        if known.trusts(last.since.elapsed()) {
            return Some(last);
        }
        // The others have been idle for longer. sqlx asks them all.
        all.clear();
        None
    }

    fn rest(&self, Lent { session, taken, _turn }: Lent<'_>) {
        let mut all = self.idle.lock();
        // Nobody takes what lies on a shelf that was closed.
        if self.turns.is_closed() {
            return;
        }
        // sqlx ends sessions that are old, or that nobody needs.
        let unused = all.partition_point(|idle| idle.since.elapsed() >= SESSION_TRUSTED_FOR);
        let returned: Vec<Idle> = all.drain(..unused).collect();
        if taken.elapsed() < SESSION_KEPT_FOR {
            all.push(Idle { session, taken, since: Instant::now() });
        }
        drop(all);
        drop(returned);
    }
}

/// Statements run as on sqlx's own pool; whoever reads row by row gets them when all are there.
impl<'p> Executor<'p> for &'_ ReadPool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let ReadPool(inner) = self.clone();
        let answer = async move {
            let mut lent = inner.lend().await?;
            let steps: Vec<_> = lent.session.fetch_many(query).try_collect().await?;
            inner.rest(lent);
            Ok(stream::iter(steps.into_iter().map(Ok)))
        };
        answer.try_flatten_stream().boxed()
    }

    fn fetch_all<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Vec<PgRow>, Error>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let ReadPool(inner) = self.clone();
        let answer = async move {
            let mut lent = inner.lend().await?;
            let rows = lent.session.fetch_all(query).await?;
            inner.rest(lent);
            Ok(rows)
        };
        answer.boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let ReadPool(inner) = self.clone();
        let answer = async move {
            let mut lent = inner.lend().await?;
            let row = lent.session.fetch_optional(query).await?;
            inner.rest(lent);
            Ok(row)
        };
        answer.boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'p: 'e,
    {
        let ReadPool(inner) = self.clone();
        async move { inner.lend().await?.session.prepare_with(sql, parameters).await }.boxed()
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'p: 'e,
    {
        let ReadPool(inner) = self.clone();
        async move { inner.lend().await?.session.describe(sql).await }.boxed()
    }
}

impl Known {
    /// True for a session that has been idle for so long.
    fn trusts(&self, idle_for: Duration) -> bool {
        idle_for < SESSION_TRUSTED_FOR && self.ended_at.is_none_or(|ended_at| idle_for < ended_at.elapsed())
    }

    const fn begin(&mut self, witness: Option<Witness>) {
        self.era = Era(self.era.0.wrapping_add(1));
        self.witness = witness;
    }
}

/// Asks in a new session, before anything is read there, whether the witness lives.
async fn meet(db: &mut PgConnection, known: &Mutex<Known>) -> Result<(), Error> {
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
        // Another session may have begun an era meanwhile: then its witness is to be asked for.
        if known.witness == witness {
            known.begin(Some(Witness { pid, began }));
            return Ok(());
        }
    }
}
