//! Where the read models are.

use std::collections::BTreeSet;
use std::path::Path;

use super::{RoleName, UpArgs};
use crate::postgres::{PostgresError, PrivatePostgres};

/// The read models' database.
#[derive(Clone)]
pub(super) enum Database {
    /// No role here needs one.
    Unneeded,
    /// Somebody else runs it.
    Given(String),
    /// We run it.
    Private(PrivatePostgres),
}

impl Database {
    /// Decides; starts nothing.
    pub(super) fn plan(
        args: &UpArgs,
        roles: &BTreeSet<RoleName>,
        data_dir: &Path,
    ) -> Result<Self, PostgresError> {
        if !roles.contains(&RoleName::Projector) && !roles.contains(&RoleName::Query) {
            return Ok(Self::Unneeded);
        }
        Ok(match &args.database_url {
            Some(url) => Self::Given(url.clone()),
            None => Self::Private(PrivatePostgres::plan(data_dir, args.postgres_bin.as_deref())?),
        })
    }

    /// Where to connect to; nobody may answer there yet.
    pub(super) fn url(&self) -> Option<String> {
        match self {
            Self::Unneeded => None,
            Self::Given(url) => Some(url.clone()),
            Self::Private(postgres) => Some(postgres.url()),
        }
    }

    /// For people; a given URL may hold a password.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Unneeded => "none, no role here needs it".to_owned(),
            Self::Given(_) => "as --database-url says".to_owned(),
            Self::Private(postgres) => format!("a private one in {}", postgres.dir().display()),
        }
    }

    /// Waits until the server has answered once, if it is ours: a newcomer should not read of failed connections.
    pub(super) async fn answers(&self) {
        if let Self::Private(postgres) = self {
            postgres.answers().await;
        }
    }
}
