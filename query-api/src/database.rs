//! The read models' databases: which rows are in which, and whether one may have forgotten something.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use archive::Archive;
use chrono::{DateTime, Utc};
use futures::future::try_join_all;
use ledger_core::partition::{Placement, partition_of};
use ledger_streams::EventStore;
use parking_lot::Mutex;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};

use crate::archived::ArchivedMonths;
use crate::newest::{Newest, RedisServer};
use crate::read_models::{ReadError, ReadModels};

/// A connection that was at work so lately is used again without asking whether it still stands: that would be one more trip to the server
/// for each statement. Who finds one that does not has all asked that were idle then.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// The read models' databases, one as a rule. Rows are in one of them for ever, by their account or transfer; what has neither is in the
/// first. Clones are cheap.
#[derive(Clone, Debug)]
pub struct ReadDatabases(Arc<[ReadDatabase]>);

/// Connections to one of them. Postgres need not write a projection's commit to disk before it is seen: after a crash of its own it may
/// have forgotten the last ones. That ends every session. So one of ours is remembered, the witness, and each new connection asks the
/// server whether that one still lives: if it does, nothing was forgotten since. If not, an era begins, with the new one as its witness. A
/// witness that only went to sleep begins one, too, which costs no more than a read that is made again. (A pooler in between, such as
/// PgBouncer, would hide a crash.)
#[derive(Clone, Debug)]
struct ReadDatabase {
    models: ReadModels,
    placement: Placement,
    /// True once it is known to have the rows of its place.
    is_checked: Arc<AtomicBool>,
    known: Arc<Mutex<Known>>,
}

/// Between two equal ones Postgres has forgotten nothing that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Era(u64);

/// The era, the session that began it, and how far connections are trusted.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    era: Era,
    witness: Option<Session>,
    /// When a connection was last found to have ended: others may have ended with it.
    lost_at: Option<Instant>,
}

/// A session of Postgres. Its process's number may be another one's later, and then that has begun later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Session {
    pid: i32,
    began: DateTime<Utc>,
}

impl Era {
    /// The era of several databases: an equal one means that each had an equal one, since eras are only ever counted up.
    pub(crate) fn of_all(eras: impl IntoIterator<Item = Self>) -> Self {
        Self(eras.into_iter().fold(0, |sum, era| sum.wrapping_add(era.0)))
    }
}

impl ReadDatabases {
    /// Connects when somebody asks. One at least, no more than there are partitions, in the order in which they were filled.
    #[must_use]
    pub fn lazy(servers: Vec<(PgPoolOptions, PgConnectOptions)>) -> Self {
        let placements = Placement::among(servers.len());
        Self(servers.into_iter().zip(placements).map(ReadDatabase::lazy).collect())
    }

    /// The same, with newest entries kept where they are to be kept.
    pub(crate) fn keeping_newest(self, server: Option<&RedisServer>, store: &EventStore) -> Self {
        let keeping = |database: &ReadDatabase| {
            let mut database = database.clone();
            database.models.newest = Newest::new(server, store, &database.models.pool);
            database
        };
        Self(self.0.iter().map(keeping).collect())
    }

    /// The same, with archived months read from there.
    pub(crate) fn with_archive(self, archive: Option<&Archive>) -> Self {
        let with = |database: &ReadDatabase| {
            let mut database = database.clone();
            database.models.archived = ArchivedMonths::new(archive.cloned());
            database
        };
        Self(self.0.iter().map(with).collect())
    }

    /// True when each process keeps newest entries for itself.
    pub(crate) fn keep_newest_here(&self) -> bool {
        self.0.iter().all(|database| matches!(database.models.newest, Newest::Here))
    }

    /// Ends all connections.
    pub async fn close(&self) {
        for database in self.0.iter() {
            database.models.pool.close().await;
        }
    }

    /// True when some rows are elsewhere than others.
    pub(crate) fn are_several(&self) -> bool {
        self.0.len() > 1
    }

    /// The index of the database that has an account's or a transfer's rows.
    pub(crate) fn home_of(&self, id: i64) -> usize {
        if self.are_several() {
            usize::from(partition_of(id)).checked_rem(self.0.len()).unwrap_or(0)
        } else {
            0
        }
    }

    /// The one that has an account's or a transfer's rows.
    pub(crate) async fn of(&self, id: i64) -> Result<&ReadModels, ReadError> {
        self.at(self.home_of(id)).await
    }

    /// The one that has what belongs to no account and no transfer.
    pub(crate) async fn first(&self) -> Result<&ReadModels, ReadError> {
        self.at(0).await
    }

    /// The one at a place, which must have the rows of that place.
    pub(crate) async fn at(&self, index: usize) -> Result<&ReadModels, ReadError> {
        let database = self.0.get(index).ok_or_else(|| ReadError::misplaced("there is no such database"))?;
        database.check().await?;
        Ok(&database.models)
    }

    /// Asks all of them at the same time.
    pub(crate) async fn each<T, F>(&self, read: impl Fn(ReadModels) -> F) -> Result<Vec<T>, ReadError>
    where
        F: Future<Output = Result<T, ReadError>>,
    {
        let mut answers = Vec::with_capacity(self.0.len());
        for index in 0..self.0.len() {
            answers.push(self.ask(index, &read));
        }
        try_join_all(answers).await
    }

    /// Asks at the same time each of those that have something of this, about what it has.
    pub(crate) async fn divided<K, T, F>(
        &self,
        keys: Vec<(i64, K)>,
        read: impl Fn(ReadModels, Vec<K>) -> F,
    ) -> Result<Vec<T>, ReadError>
    where
        F: Future<Output = Result<T, ReadError>>,
    {
        let mut shares: BTreeMap<usize, Vec<K>> = BTreeMap::new();
        for (id, key) in keys {
            shares.entry(self.home_of(id)).or_default().push(key);
        }
        let mut answers = Vec::with_capacity(shares.len());
        for (index, share) in shares {
            answers.push(self.ask(index, |models| read(models, share)));
        }
        try_join_all(answers).await
    }

    async fn ask<T, F>(&self, index: usize, read: impl FnOnce(ReadModels) -> F) -> Result<T, ReadError>
    where
        F: Future<Output = Result<T, ReadError>>,
    {
        read(self.at(index).await?.clone()).await
    }

    /// Reads; once more if it met with a connection that had ended, and then on none that ended with it.
    pub(crate) async fn once_more_if<T, F>(&self, is_lost: impl Fn(&T) -> bool, read: impl Fn() -> F) -> T
    where
        F: Future<Output = T>,
    {
        let answer = read().await;
        if !is_lost(&answer) {
            return answer;
        }
        for database in self.0.iter() {
            database.known.lock().lost_at = Some(Instant::now());
        }
        read().await
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The era of one of them.
    pub(crate) fn era_of(&self, index: usize) -> Era {
        self.0.get(index).map_or_else(Era::default, |database| database.known.lock().era)
    }

    /// As if Postgres had crashed and been connected to again.
    #[cfg(test)]
    pub(crate) fn crashed(&self) {
        for database in self.0.iter() {
            database.known.lock().begin(None);
        }
    }
}

impl ReadDatabase {
    fn lazy(((options, server), placement): ((PgPoolOptions, PgConnectOptions), Placement)) -> Self {
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
        let options = options.test_before_acquire(false).before_acquire(move |connection, state| {
            let known = Arc::clone(&shared);
            Box::pin(async move {
                if known.lock().trusts(state.idle_for) {
                    return Ok(true);
                }
                let stands = connection.ping().await.is_ok();
                if !stands {
                    known.lock().lost_at = Some(Instant::now());
                }
                Ok(stands)
            })
        });
        let pool = options.connect_lazy_with(server);
        let models = ReadModels { pool, newest: Newest::Here, archived: ArchivedMonths::default() };
        Self { models, placement, is_checked: Arc::default(), known }
    }

    /// Makes sure, once, that these are the rows which are asked for. Where there is nothing yet, nothing can be read that is wrong, as
    /// long as it is the only database.
    async fn check(&self) -> Result<(), ReadError> {
        if self.is_checked.load(Ordering::Acquire) {
            return Ok(());
        }
        match is_filled(&self.models.pool, self.placement).await? {
            true => self.is_checked.store(true, Ordering::Release),
            false if self.placement.is_alone() => {}
            false => return Err(ReadError::misplaced("it has no read models yet: a projector makes them")),
        }
        Ok(())
    }
}

/// True when a database has read models, and those of this place; false when it has none yet.
///
/// # Errors
/// The database's, and when it has another place.
pub async fn is_filled(pool: &PgPool, given: Placement) -> Result<bool, sqlx::Error> {
    let (there, filled): (bool, bool) =
        sqlx::query_as("select to_regclass('placement') is not null, to_regclass('checkpoints') is not null")
            .fetch_one(pool)
            .await?;
    let found: Option<(i16, i16)> = if there {
        sqlx::query_as("select number, of from placement").fetch_optional(pool).await?
    } else {
        // A program from before has filled it: with everything.
        filled.then_some((1, 1))
    };
    match found {
        None => Ok(false),
        Some(found) if found == (i16::from(given.number()), i16::from(given.of())) => Ok(true),
        Some((number, of)) => Err(sqlx::Error::Configuration(
            format!(
                "this is database {number} of {of} by what it holds, and was given as database {given}: \
                 give the databases in the order and number in which they were filled"
            )
            .into(),
        )),
    }
}

impl Known {
    /// True for a connection that has been idle for so long.
    fn trusts(&self, idle_for: Duration) -> bool {
        idle_for < TRUSTED_FOR && self.lost_at.is_none_or(|lost_at| idle_for < lost_at.elapsed())
    }

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
