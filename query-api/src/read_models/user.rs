//! Users. Their details are encrypted in the table as in the log, and opened only for whom they concern.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use chrono::{DateTime, Utc};
use ledger_core::UserId;
use ledger_core::user::Sealed;
use ledger_streams::{KeyStore, UserDetails};
use sqlx::FromRow;

use super::{Key, Place, ReadError, ReadModels};
use crate::database::ReadDatabases;

/// One user.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct UserRow {
    pub(crate) user_id: i64,
    details: Option<String>,
    pub(crate) registered_at: DateTime<Utc>,
    pub(crate) erased_at: Option<DateTime<Utc>>,
}

/// A user as far as it may be known: `details` is gone once the user was erased.
#[derive(Clone, Debug)]
pub(crate) struct OpenedUser {
    pub(crate) row: UserRow,
    pub(crate) details: Option<UserDetails>,
}

/// A user's details could not be opened although the user is not erased.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the user's details could not be opened")]
pub(crate) struct OpenError;

impl UserRow {
    /// Decrypts the details. The key may be destroyed before the projection has heard of it: then they are gone already.
    pub(crate) async fn open(self, keys: &KeyStore) -> Result<OpenedUser, OpenError> {
        let user_id = self.user_id;
        let sealed = self.details.clone().filter(|_| self.erased_at.is_none());
        let details = match (UserId::from_i64(user_id), sealed) {
            (Some(user_id), Some(sealed)) => {
                // Keys are files, and reading a file may block.
                let keys = keys.clone();
                let opened = tokio::task::spawn_blocking(move || {
                    keys.open_details(user_id, &Sealed(sealed)).map_err(|error| error.to_string())
                });
                opened.await.map_err(|error| error.to_string()).flatten().map_err(|error| {
                    tracing::error!(%error, user.id = %user_id, "a user's details could not be opened");
                    OpenError
                })?
            }
            (_, None) | (None, _) => None,
        };
        Ok(OpenedUser { row: self, details })
    }
}

impl OpenedUser {
    pub(crate) const fn is_erased(&self) -> bool {
        self.row.erased_at.is_some() || self.details.is_none()
    }
}

const BY_ID: &str = "select user_id, details, registered_at, erased_at from users where user_id = any($1)";

pub(super) const STATEMENTS: super::Statements = &[("users by id", BY_ID)];

/// A user by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct UserById(pub(crate) i64);

impl Key for UserById {
    fn place(&self) -> Place {
        Place::First
    }
}

impl Loader<UserById> for ReadModels {
    type Value = UserRow;
    type Error = ReadError;

    async fn load(&self, keys: &[UserById]) -> Result<HashMap<UserById, UserRow>, ReadError> {
        let ids: Vec<i64> = keys.iter().map(|key| key.0).collect();
        let rows: Vec<UserRow> = sqlx::query_as(BY_ID).bind(ids).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|row| (UserById(row.user_id), row)).collect())
    }
}

/// One user.
pub(crate) async fn by_id(databases: &ReadDatabases, user_id: i64) -> Result<Option<UserRow>, ReadError> {
    let home = databases.first().await?;
    let row = sqlx::query_as(BY_ID).bind([user_id]).fetch_optional(&home.pool).await?;
    Ok(row)
}
