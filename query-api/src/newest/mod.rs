//! Accounts' newest entries, without reading the same ones again and again.
//!
//! In this process the log throws lists away: [`crate::live`]. In Redis, which several processes share, nothing has to be thrown away: a
//! list says as of which event of its account it is right, the account's row says which event is the last, and a list is good for that
//! row and no other. Whatever Redis has lost, kept too long or never got, a list that does not fit is one that is not there.

mod bank;
mod redis;
mod server;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use ledger_streams::EventStore;

use self::redis::RedisLists;
pub use self::server::{RedisServer, RedisUrlError};
use crate::database::ReadDatabases;
use crate::read_models::account::AccountRow;
use crate::read_models::range::Range;
use crate::read_models::transaction::{EntriesOf, TransactionRow};
use crate::read_models::{Found, Key, Place, ReadError, ReadModels};
use crate::read_pool::ReadPool;

/// Where newest entries are kept.
#[derive(Clone, Debug)]
pub(crate) enum Newest {
    /// In this process, for itself.
    Here,
    /// In Redis, for all query processes of the bank.
    Redis(Arc<RedisLists>),
}

impl Newest {
    /// Asks nobody yet.
    pub(crate) fn new(server: Option<&RedisServer>, store: &EventStore, pool: &ReadPool) -> Self {
        server.map_or(Self::Here, |server| {
            Self::Redis(Arc::new(RedisLists::new(server.clone(), store.clone(), pool.clone())))
        })
    }
}

/// The newest entries of an account as one row shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NewestOf {
    account_id: i64,
    revision: i64,
    balance: i64,
}

impl NewestOf {
    pub(crate) const fn new(account: &AccountRow) -> Self {
        let balance = account.balance().minor;
        Self { account_id: account.account_id, revision: account.revision, balance }
    }

    /// True when these entries, newest last, are the newest as of this row, now and for ever. Entries come to the read models in the
    /// order of the account's events and none is passed over: if the account's last event is among them, no other is missing. Once all
    /// are final nothing of them changes.
    fn is_told_by(&self, rows: &[TransactionRow]) -> bool {
        let last = rows.iter().max_by_key(|row| row.revision);
        last.is_some_and(|last| last.revision == self.revision && last.has_balance_after(self.balance))
            && rows.iter().all(|row| row.account_id == self.account_id && row.is_final())
    }
}

impl Key for NewestOf {
    fn place(&self) -> Place {
        Place::With(self.account_id)
    }

    async fn load(databases: &ReadDatabases, keys: &[Self]) -> Result<Found<Self>, ReadError> {
        let at_home = |keys: &[Self]| keys.iter().map(|key| (key.account_id, *key)).collect();
        let kept = |models: ReadModels, keys: Vec<Self>| async move { Ok(models.kept(&keys).await) };
        let mut lists: Found<Self> =
            databases.divided(at_home(keys), kept).await?.into_iter().flatten().collect();
        let missing = missing(keys, &lists);
        if missing.is_empty() {
            return Ok(lists);
        }
        let read = told(&missing, EntriesOf::load(databases, &pages(&missing)).await?);
        let keep = |models: ReadModels, keys: Vec<Self>| {
            let read = &read;
            async move {
                let of_one: Vec<_> =
                    keys.iter().filter_map(|key| Some((*key, read.get(key)?.clone()))).collect();
                models.keep(&of_one).await;
                Ok(())
            }
        };
        databases.divided(at_home(&missing), keep).await?;
        lists.extend(read);
        Ok(lists)
    }
}

impl Loader<NewestOf> for ReadModels {
    type Value = Vec<TransactionRow>;
    type Error = ReadError;

    /// From Redis at once, and those that it does not have from Postgres at once.
    async fn load(&self, keys: &[NewestOf]) -> Result<Found<NewestOf>, ReadError> {
        let mut lists = self.kept(keys).await;
        let missing = missing(keys, &lists);
        if missing.is_empty() {
            return Ok(lists);
        }
        let read = told(&missing, Loader::<EntriesOf>::load(self, &pages(&missing)).await?);
        self.keep(&read.clone().into_iter().collect::<Vec<_>>()).await;
        lists.extend(read);
        Ok(lists)
    }
}

impl ReadModels {
    /// Those that Redis has, as of just these rows.
    async fn kept(&self, keys: &[NewestOf]) -> Found<NewestOf> {
        match &self.newest {
            Newest::Here => HashMap::new(),
            Newest::Redis(redis) => redis.get(keys).await,
        }
    }

    /// Has Redis keep them, those that are right for ever.
    async fn keep(&self, read: &[(NewestOf, Vec<TransactionRow>)]) {
        match &self.newest {
            Newest::Here => {}
            Newest::Redis(redis) => redis.keep(read).await,
        }
    }
}

/// The keys that have no list yet.
fn missing(keys: &[NewestOf], lists: &Found<NewestOf>) -> Vec<NewestOf> {
    let missing: Vec<NewestOf> = keys.iter().filter(|key| !lists.contains_key(key)).copied().collect();
    count("hit", lists.len());
    count("miss", missing.len());
    missing
}

/// What to ask Postgres for: an account once, as of however many rows it is wanted.
fn pages(missing: &[NewestOf]) -> Vec<EntriesOf> {
    let accounts: BTreeSet<i64> = missing.iter().map(|key| key.account_id).collect();
    accounts.into_iter().map(|account_id| EntriesOf { account_id, range: Range::latest() }).collect()
}

/// The list for each key.
fn told(missing: &[NewestOf], pages: Found<EntriesOf>) -> Found<NewestOf> {
    let rows_by_account: HashMap<i64, Vec<TransactionRow>> =
        pages.into_iter().map(|(key, page)| (key.account_id, page.items)).collect();
    let rows = |key: &NewestOf| rows_by_account.get(&key.account_id).cloned().unwrap_or_default();
    missing.iter().map(|key| (*key, rows(key))).collect()
}

/// Counts lists that were known without asking Postgres, and those that were not.
pub(crate) fn count(result: &'static str, lists: usize) {
    let lists = u64::try_from(lists).unwrap_or(u64::MAX);
    metrics::counter!("daybook_query_latest_total", "result" => result).increment(lists);
}

#[cfg(test)]
mod tests;
