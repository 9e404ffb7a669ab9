//! Where the read models are.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::roles::Running;
use super::{RoleName, UpArgs};
use crate::health::{Component, Health};
use crate::postgres::{PostgresError, PrivatePostgres};
use crate::supervisor::supervise;

/// The read models' database.
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

    /// Starts it, if it is ours to start.
    pub(super) fn start(&self, health: &Arc<Health>) -> Option<Running> {
        let Self::Private(postgres) = self else {
            return None;
        };
        let (health, stop) = (Arc::clone(health), CancellationToken::new());
        let role = {
            let (postgres, health, stop) = (postgres.clone(), Arc::clone(&health), stop.clone());
            move || postgres.clone().run(Arc::clone(&health), stop.clone())
        };
        let task = tokio::spawn(supervise(Component::Postgres, health, stop.clone(), role));
        Some(Running { task, stop })
    }
}
