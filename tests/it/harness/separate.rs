//! A daybook in separate processes: a node, a projector, some command and some query processes, and a Postgres.

use std::path::Path;

use tempfile::TempDir;

use super::Daybook;
use super::client::Client;
use super::daybook::scratch;
use super::ports::free_address;
use super::program::{Program, token};
use super::proxy::{Proxy, Target};
use super::witness::Witness;
use crate::checker::check;

/// All of it, ready. In the order in which it is to be stopped.
pub(crate) struct Separate {
    pub(crate) commands: Vec<Program>,
    pub(crate) queries: Vec<Program>,
    pub(crate) projector: Program,
    pub(crate) node: Program,
    /// Its Postgres is the database; it does nothing else.
    pub(crate) database: Daybook,
    /// Between the command processes and the node.
    pub(crate) to_node: Proxy,
    /// Between the projector and Postgres.
    pub(crate) to_database: Proxy,
    log: String,
    witness: Witness,
    dir: TempDir,
}

impl Separate {
    /// Starts everything, with so many command and query processes.
    pub(crate) async fn start(commands: usize, queries: usize) -> Self {
        let dir = scratch();
        let (node, log) = node(&dir);
        Self::start_on(node, log, dir, commands, queries).await
    }

    /// As [`Separate::start`], with a node that is not started yet.
    pub(crate) async fn start_on(
        node: Program,
        log: String,
        dir: TempDir,
        commands: usize,
        queries: usize,
    ) -> Self {
        let database = Daybook::start_with(&["--roles", "query"]).await;
        let place = dir.path();
        let to_node = Proxy::to(Target::Tcp(address_in(&log).to_owned()));
        let to_database = Proxy::to(Target::Unix(database.cluster().join(".s.PGSQL.5432")));
        let event_store = log.replace(address_in(&log), &to_node.address().to_string());
        let (data_dir, database_url) = (place.to_str().unwrap(), database.database_url());
        let proxied_url = format!("postgres://daybook@{}/daybook?sslmode=disable", to_database.address());
        let role = |name: &str, number: usize, arguments: &[&str]| {
            let output = place.join(format!("{name}-{number}.log"));
            Program::new(&[&["serve", name, "--http", &free_address()], arguments].concat(), output)
        };
        let command = ["--event-store", &event_store, "--data-dir", data_dir];
        let query = ["--event-store", &log, "--database-url", &database_url, "--data-dir", data_dir];
        let projector = ["--event-store", &log, "--database-url", &proxied_url];
        let mut separate = Self {
            commands: (0..commands).map(|number| role("command", number, &command)).collect(),
            queries: (0..queries).map(|number| role("query", number, &query)).collect(),
            projector: role("projector", 0, &projector),
            node,
            database,
            to_node,
            to_database,
            witness: Witness::default(),
            log,
            dir,
        };
        // In no good order: what needs another waits for it.
        for program in &mut separate.commands {
            program.launch().await;
        }
        for program in &mut separate.queries {
            program.launch().await;
        }
        separate.projector.launch().await;
        separate.node.launch().await;
        separate.ready().await;
        separate
    }

    /// Waits until every process is ready.
    pub(crate) async fn ready(&mut self) {
        self.node.ready().await;
        self.projector.ready().await;
        for program in self.commands.iter_mut().chain(&mut self.queries) {
            program.ready().await;
        }
    }

    /// An operator at one of the command processes and one of the query processes.
    pub(crate) async fn operator(&self, name: &str, command: usize, query: usize) -> Client {
        let token = token(&[], self.dir(), &["--role", "operator", "--subject", name]).await;
        let (commands, reads) = (self.commands[command].url(), self.queries[query].url());
        Client::divided(commands, reads, Some(token)).heard_by(&self.witness)
    }

    /// One more projector, not started yet. It is to be stopped before the rest.
    pub(crate) fn another_projector(&self) -> Program {
        let url = self.database.database_url();
        let arguments = ["serve", "projector", "--event-store", &self.log, "--database-url", &url, "--http"];
        Program::new(&[&arguments[..], &[&free_address()]].concat(), self.dir().join("projector-1.log"))
    }

    /// Compares everything that was ever answered here with the log and with the read models.
    pub(crate) async fn check(&self) {
        check(&self.operator("checker", 0, 0).await, &self.log).await;
    }

    /// How EventStoreDB's clients connect to the node.
    pub(crate) fn log(&self) -> &str {
        &self.log
    }

    /// Where the keys are.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Stops all of it in good order.
    pub(crate) async fn stop(&mut self) {
        for program in self.commands.iter_mut().chain(&mut self.queries) {
            program.stop().await;
        }
        self.projector.stop().await;
        self.node.stop().await;
        self.database.stop().await;
    }
}

/// A node on a directory, not started yet, and how others connect to it.
pub(crate) fn node(dir: &TempDir) -> (Program, String) {
    let esdb = free_address();
    let data_dir = dir.path().to_str().unwrap();
    let arguments = ["serve", "node", "--http", "127.0.0.1:0", "--esdb", &esdb, "--data-dir", data_dir];
    (Program::new(&arguments, dir.path().join("node.log")), format!("esdb://{esdb}?tls=false"))
}

/// The address in a connection string that [`node`] made.
fn address_in(log: &str) -> &str {
    log.strip_prefix("esdb://")
        .and_then(|log| log.strip_suffix("?tls=false"))
        .expect("a node's connection string")
}
