//! The read models' databases: which rows are in which, and how often each was connected to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures::future::try_join_all;
use ledger_core::partition::{Placement, partition_of};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::read_models::{ReadError, ReadModels};

/// The read models' databases, one as a rule. Rows are in one of them for ever, by their account or transfer; what has neither is in the
/// first. Clones are cheap.
#[derive(Clone, Debug)]
pub struct ReadDatabases(Arc<[ReadDatabase]>);

/// Connections to one of them. Postgres need not write a projection's commit to disk before it is seen: after a crash of its own it may
/// have forgotten the last ones. That ends every connection, so where no new one was made, nothing was forgotten. (A pooler in between,
/// such as PgBouncer, would hide it.)
#[derive(Debug)]
struct ReadDatabase {
    models: ReadModels,
    placement: Placement,
    /// True once it is known to have the rows of its place.
    is_checked: AtomicBool,
    /// Counts the connections made.
    connections: Arc<AtomicU64>,
}

/// Between two equal ones Postgres has forgotten nothing that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Era(u64);

impl Era {
    /// The era of several databases: an equal one means that each had an equal one, since connections are only ever added.
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

    /// Asks at the same time each of those that have something of this, about what it has. The first is at index 0.
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

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The era of one of them.
    pub(crate) fn era_of(&self, index: usize) -> Era {
        Era(self.0.get(index).map_or(0, |database| database.connections.load(Ordering::SeqCst)))
    }

    /// As if a connection had been made.
    #[cfg(test)]
    pub(crate) fn connected(&self) {
        for database in self.0.iter() {
            database.connections.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl ReadDatabase {
    fn lazy(((options, server), placement): ((PgPoolOptions, PgConnectOptions), Placement)) -> Self {
        let connections = Arc::<AtomicU64>::default();
        let made = Arc::clone(&connections);
        let options = options.after_connect(move |_, _| {
            made.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Ok(()) })
        });
        let models = ReadModels { pool: options.connect_lazy_with(server) };
        Self { models, placement, is_checked: AtomicBool::new(false), connections }
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
