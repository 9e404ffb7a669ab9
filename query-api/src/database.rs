//! The read models' databases: which rows are in which, and whether one may have forgotten something.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use archive::Archive;
use futures::future::try_join_all;
use ledger_core::partition::{Placement, partition_of};
use ledger_streams::EventStore;
use sqlx::PgExecutor;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::archived::ArchivedMonths;
use crate::newest::{Newest, RedisServer};
use crate::read_models::{ReadError, ReadModels};
pub(crate) use crate::read_pool::Era;
use crate::read_pool::ReadPool;

/// The read models' databases, one as a rule. Rows are in one of them for ever, by their account or transfer; what has neither is in the
/// first. Clones are cheap.
#[derive(Clone, Debug)]
pub struct ReadDatabases(Arc<[ReadDatabase]>);

/// One of them.
#[derive(Clone, Debug)]
struct ReadDatabase {
    models: ReadModels,
    placement: Placement,
    /// True once it is known to have the rows of its place.
    is_checked: Arc<AtomicBool>,
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
            database.models.pool.one_ended();
        }
        read().await
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The era of one of them.
    pub(crate) fn era_of(&self, index: usize) -> Era {
        self.0.get(index).map_or_else(Era::default, |database| database.models.pool.era())
    }

    /// As if Postgres had crashed and been connected to again.
    #[cfg(test)]
    pub(crate) fn crashed(&self) {
        for database in self.0.iter() {
            database.models.pool.crashed();
        }
    }
}

impl ReadDatabase {
    fn lazy(((options, server), placement): ((PgPoolOptions, PgConnectOptions), Placement)) -> Self {
        let pool = ReadPool::lazy(options, server);
        let models = ReadModels { pool, newest: Newest::Here, archived: ArchivedMonths::default() };
        Self { models, placement, is_checked: Arc::default() }
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
pub async fn is_filled<'a>(db: impl PgExecutor<'a> + Copy, given: Placement) -> Result<bool, sqlx::Error> {
    let (there, filled): (bool, bool) =
        sqlx::query_as("select to_regclass('placement') is not null, to_regclass('checkpoints') is not null")
            .fetch_one(db)
            .await?;
    let found: Option<(i16, i16)> = if there {
        sqlx::query_as("select number, of from placement").fetch_optional(db).await?
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
