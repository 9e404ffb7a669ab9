//! Where the read models are.

use std::path::Path;

use sqlx::postgres::PgConnectOptions;

use crate::commands::Failure;
use crate::postgres::{PostgresError, PrivatePostgres};

/// The read models' database.
#[derive(Clone)]
pub(crate) enum Database {
    /// No role here needs one.
    Unneeded,
    /// Somebody else runs it.
    Given(String),
    /// We run it.
    Private(PrivatePostgres),
}

impl Database {
    /// Somebody else's; nobody is asked yet.
    ///
    /// # Errors
    /// When that is no URL of a Postgres database.
    pub(crate) fn given(url: &str) -> Result<Self, Failure> {
        // The URL may hold a password, so it is not repeated.
        url.parse::<PgConnectOptions>().map_err(|error| format!("--database-url: {error}"))?;
        Ok(Self::Given(url.to_owned()))
    }

    /// Our own in this data directory; starts nothing.
    ///
    /// # Errors
    /// When there are no server programs, or none that fit the data.
    pub(crate) fn private(data_dir: &Path, bin: Option<&Path>) -> Result<Self, PostgresError> {
        Ok(Self::Private(PrivatePostgres::plan(data_dir, bin)?))
    }

    /// Where to connect to; nobody may answer there yet.
    pub(crate) fn url(&self) -> Option<String> {
        match self {
            Self::Unneeded => None,
            Self::Given(url) => Some(url.clone()),
            Self::Private(postgres) => Some(postgres.url()),
        }
    }

    /// For people; a given URL may hold a password.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Unneeded => "none, no role here needs it".to_owned(),
            Self::Given(_) => "as --database-url says".to_owned(),
            Self::Private(postgres) => format!("a private one in {}", postgres.dir().display()),
        }
    }

    /// Waits until the server has answered once, if it is ours: a newcomer should not read of failed connections.
    pub(crate) async fn answers(&self) {
        if let Self::Private(postgres) = self {
            postgres.answers().await;
        }
    }
}
