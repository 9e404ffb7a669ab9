//! The read models' database, for a command.

use std::path::PathBuf;

use clap::Args;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

use crate::commands::{DataDir, Failure};
use crate::data_dir;
use crate::postgres::PrivatePostgres;

/// Where it is.
#[derive(Debug, Args)]
pub(super) struct DatabasePlace {
    /// The Postgres database of the read models [default: the private one of the daybook that runs in the data directory]
    #[arg(long, value_name = "URL", env = "DAYBOOK_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// The folder of the installed Postgres server's programs [default: found]
    #[arg(long, value_name = "DIR", env = "DAYBOOK_POSTGRES_BIN", conflicts_with = "database_url")]
    postgres_bin: Option<PathBuf>,
    #[command(flatten)]
    data_dir: DataDir,
}

impl DatabasePlace {
    /// Connects; the read models must be there.
    ///
    /// # Errors
    /// When nobody answers, or when it has no read models.
    pub(super) async fn connect(&self) -> Result<PgConnection, Failure> {
        let url = match &self.database_url {
            Some(url) => url.clone(),
            None => {
                let data_dir = data_dir::existing(&self.data_dir.data_dir)?;
                PrivatePostgres::plan(&data_dir, self.postgres_bin.as_deref())?.url()
            }
        };
        let options = url
            .parse::<PgConnectOptions>()
            .map_err(|error| format!("--database-url: {error}"))?
            .application_name("daybook-rebuild-command")
            .disable_statement_logging();
        let mut db = PgConnection::connect_with(&options).await.map_err(|error| {
            format!("cannot connect to the read models' Postgres: {error}\nIs daybook running? Give its --data-dir or --database-url.")
        })?;
        let there: bool =
            sqlx::query_scalar("select to_regclass('rebuilds') is not null").fetch_one(&mut db).await?;
        if there { Ok(db) } else { Err("it has no read models yet: a projector makes them".into()) }
    }
}
