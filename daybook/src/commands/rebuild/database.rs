//! The read models' databases, for a command.

use std::path::PathBuf;

use clap::Args;
use ledger_core::partition::Placement;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

use crate::commands::{DataDir, Failure};
use crate::data_dir;
use crate::postgres::PrivatePostgres;
use crate::process::database_urls as urls;

/// Where it is.
#[derive(Debug, Args)]
pub(in crate::commands) struct DatabasePlace {
    /// The Postgres database of the read models [default: the private one of the daybook that runs in the data directory]. Given
    /// several times, or with commas between, each is asked for what it has
    #[arg(long, value_name = "URL", env = "DAYBOOK_DATABASE_URL", hide_env_values = true)]
    database_url: Vec<String>,
    /// The folder of the installed Postgres server's programs [default: found]
    #[arg(long, value_name = "DIR", env = "DAYBOOK_POSTGRES_BIN", conflicts_with = "database_url")]
    postgres_bin: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::commands) data_dir: DataDir,
}

impl DatabasePlace {
    /// Where the keys and the private Postgres are.
    ///
    /// # Errors
    /// When it is not there.
    pub(in crate::commands) fn data_dir(&self) -> Result<PathBuf, Failure> {
        Ok(data_dir::existing(&self.data_dir.data_dir)?)
    }

    /// Where to connect to; nobody is asked yet.
    ///
    /// # Errors
    /// When these are no URLs of Postgres databases, or there is no private one.
    pub(in crate::commands) fn urls(&self) -> Result<Vec<String>, Failure> {
        if !self.database_url.is_empty() {
            return urls::read(&self.database_url);
        }
        Ok(vec![PrivatePostgres::plan(&self.data_dir()?, self.postgres_bin.as_deref())?.url()])
    }

    /// Connects to each; the read models must be there.
    ///
    /// # Errors
    /// When nobody answers, or when one has no read models.
    pub(in crate::commands) async fn connect(&self) -> Result<Vec<Place>, Failure> {
        let urls = self.urls()?;
        let mut places = Vec::with_capacity(urls.len());
        for url in urls {
            places.push(Place::connect(&url).await?);
        }
        places.sort_by_key(|place| place.placement.number());
        Ok(places)
    }
}

/// One of them.
pub(in crate::commands) struct Place {
    /// What it says of itself.
    pub(in crate::commands) placement: Placement,
    pub(in crate::commands) db: PgConnection,
}

impl Place {
    /// Names it at the beginning of a message, where there are several.
    pub(super) fn prefix(&self) -> String {
        if self.placement.is_alone() {
            return String::new();
        }
        format!("database {}: ", self.placement.number())
    }

    async fn connect(url: &str) -> Result<Self, Failure> {
        let options = url
            .parse::<PgConnectOptions>()
            .map_err(|error| format!("--database-url: {error}"))?
            .application_name("daybook-command")
            .disable_statement_logging();
        let mut db = PgConnection::connect_with(&options).await.map_err(|error| {
            format!("cannot connect to the read models' Postgres: {error}\nIs daybook running? Give its --data-dir or --database-url.")
        })?;
        let there: bool =
            sqlx::query_scalar("select to_regclass('rebuilds') is not null").fetch_one(&mut db).await?;
        if !there {
            return Err("it has no read models yet: a projector makes them".into());
        }
        let placed: bool =
            sqlx::query_scalar("select to_regclass('placement') is not null").fetch_one(&mut db).await?;
        let place: Option<(i16, i16)> = if placed {
            sqlx::query_as("select number, of from placement").fetch_optional(&mut db).await?
        } else {
            None
        };
        let placement = place.and_then(|(number, of)| {
            let index = usize::try_from(number).ok()?.checked_sub(1)?;
            Placement::among(usize::try_from(of).ok()?).nth(index)
        });
        Ok(Self { placement: placement.unwrap_or(Placement::ALONE), db })
    }
}
