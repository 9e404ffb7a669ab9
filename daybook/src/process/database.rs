//! Where the read models are.

pub(crate) mod urls;

use std::path::Path;

use ledger_core::partition::Placement;

use crate::commands::Failure;
use crate::postgres::{PostgresError, PrivatePostgres};

/// The read models' database, or several.
#[derive(Clone)]
pub(crate) enum Database {
    /// No role here needs one.
    Unneeded,
    /// Somebody else runs it. Several have each a part of the rows, in this order.
    Given(Vec<String>),
    /// We run it.
    Private(PrivatePostgres),
}

impl Database {
    /// Somebody else's; nobody is asked yet.
    ///
    /// # Errors
    /// When these are no URLs of Postgres databases, or too many.
    pub(crate) fn given(urls: &[String]) -> Result<Self, Failure> {
        Ok(Self::Given(urls::read(urls)?))
    }

    /// Our own in this data directory; starts nothing.
    ///
    /// # Errors
    /// When there are no server programs, or none that fit the data.
    pub(crate) fn private(data_dir: &Path, bin: Option<&Path>) -> Result<Self, PostgresError> {
        Ok(Self::Private(PrivatePostgres::plan(data_dir, bin)?))
    }

    /// Where to connect to, each with its place; nobody may answer there yet.
    pub(crate) fn urls(&self) -> Vec<(Placement, String)> {
        match self {
            Self::Unneeded => Vec::new(),
            Self::Given(urls) => Placement::among(urls.len()).zip(urls.iter().cloned()).collect(),
            Self::Private(postgres) => vec![(Placement::ALONE, postgres.url())],
        }
    }

    /// The one that has what belongs to no account and no transfer.
    pub(crate) fn first_url(&self) -> Option<String> {
        self.urls().into_iter().next().map(|(_, url)| url)
    }

    /// For people; a given URL may hold a password.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Unneeded => "none, no role here needs it".to_owned(),
            Self::Given(urls) if urls.len() > 1 => format!("{}, as --database-url says", urls.len()),
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
