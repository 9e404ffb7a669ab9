//! Loading from several databases: each is asked, at the same time, for the keys whose rows it has, with one statement for each kind.

use std::collections::HashMap;
use std::hash::Hash;

use async_graphql::dataloader::Loader;

use super::{ReadError, ReadModels};
use crate::database::ReadDatabases;

/// Where the rows of a key are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// With this account or transfer.
    With(i64),
    /// In the first database: they belong to no account and no transfer.
    First,
    /// In any of them.
    Anywhere,
}

/// What was found for each key.
pub(crate) type Found<K> = HashMap<K, <ReadModels as Loader<K>>::Value>;

/// What a loader can be asked for.
pub(crate) trait Key: Clone + Eq + Hash + Send + Sync + 'static
where
    ReadModels: Loader<Self, Error = ReadError>,
{
    /// Where its rows are.
    fn place(&self) -> Place;

    /// Loads from several databases. Another than this where rows need something of rows that may be elsewhere.
    fn load(
        databases: &ReadDatabases,
        keys: &[Self],
    ) -> impl Future<Output = Result<Found<Self>, ReadError>> + Send {
        databases.found(keys)
    }
}

/// All databases, as something that loads many keys at once.
pub(crate) struct Divided(pub(super) ReadDatabases);

impl<K: Key> Loader<K> for Divided
where
    ReadModels: Loader<K, Error = ReadError>,
{
    type Value = <ReadModels as Loader<K>>::Value;
    type Error = ReadError;

    async fn load(&self, keys: &[K]) -> Result<Found<K>, ReadError> {
        if self.0.are_several() {
            K::load(&self.0, keys).await
        } else {
            self.0.first().await?.load(keys).await
        }
    }
}

impl ReadDatabases {
    /// What each database has of these keys.
    pub(super) async fn found<K: Key>(&self, keys: &[K]) -> Result<Found<K>, ReadError>
    where
        ReadModels: Loader<K, Error = ReadError>,
    {
        if keys.first().is_some_and(|key| key.place() == Place::Anywhere) {
            let found = self.each(|models| async move { models.load(keys).await }).await?;
            return Ok(found.into_iter().flatten().collect());
        }
        let home = |key: &K| match key.place() {
            Place::With(id) => Some(id),
            Place::First | Place::Anywhere => None,
        };
        let (divided, first): (Vec<_>, Vec<_>) =
            keys.iter().map(|key| (home(key), key.clone())).partition(|(id, _)| id.is_some());
        let mut found: Found<K> = HashMap::with_capacity(keys.len());
        if !first.is_empty() {
            let first: Vec<K> = first.into_iter().map(|(_, key)| key).collect();
            found.extend(self.first().await?.load(&first).await?);
        }
        let divided = divided.into_iter().filter_map(|(id, key)| Some((id?, key))).collect();
        let parts = self.divided(divided, |models, keys| async move { models.load(&keys).await }).await?;
        found.extend(parts.into_iter().flatten());
        Ok(found)
    }
}
