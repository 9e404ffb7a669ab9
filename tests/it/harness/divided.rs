//! A second read side on a daybook's log: a projector and a query process, with read models in several databases.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::Daybook;
use super::client::Client;
use super::ports::free_address;
use super::program::{Program, token};

/// Both, not started yet. They are to be stopped before the daybook.
pub(crate) struct Divided {
    pub(crate) projector: Program,
    pub(crate) query: Program,
}

impl Divided {
    /// On the log and with the keys of this daybook, in these databases.
    pub(crate) fn of(daybook: &Daybook, name: &str, urls: &[String]) -> Self {
        let databases: Vec<&str> = urls.iter().flat_map(|url| ["--database-url", url]).collect();
        let place = daybook.dir().to_str().unwrap();
        let role = |role: &str, more: &[&str]| {
            let (http, log) = (free_address(), daybook.log());
            let arguments = [&["serve", role, "--http", &http, "--event-store", log], &databases[..], more];
            Program::new(&arguments.concat(), daybook.dir().join(format!("{name}-{role}.log")))
        };
        Self { projector: role("projector", &[]), query: role("query", &["--data-dir", place]) }
    }

    /// The same, with files there; the command gives what that needs of the environment.
    pub(crate) fn with_files(self, url: &str, command: &[String]) -> Self {
        let Self { projector, mut query } = self;
        query.with("--files-url", url);
        Self { projector, query: query.within(command.to_vec()) }
    }

    /// Starts both, and waits until they are ready.
    pub(crate) async fn start(&mut self) {
        self.projector.launch().await;
        self.query.start().await;
        self.projector.ready().await;
    }

    /// An operator who asks here what it commands there.
    pub(crate) async fn operator(&self, daybook: &Daybook) -> Client {
        let token = token(&[], daybook.dir(), &["--role", "operator"]).await;
        Client::divided(daybook.url(), self.query.url(), Some(token))
    }

    /// Stops both in good order.
    pub(crate) async fn stop(&mut self) {
        self.query.stop().await;
        self.projector.stop().await;
    }
}

impl Daybook {
    /// One more database in its private Postgres; the URL.
    pub(crate) async fn another_database(&self, name: &str) -> String {
        let mut admin = PgConnection::connect(&self.database_url()).await.unwrap();
        admin.execute(AssertSqlSafe(format!("create database {name}"))).await.unwrap();
        self.database_url().replacen("/daybook?", &format!("/{name}?"), 1)
    }
}
