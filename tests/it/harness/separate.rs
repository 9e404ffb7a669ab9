//! A daybook in separate processes: a node, a projector, some command and some query processes, and a Postgres.

use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use super::Daybook;
use super::client::Client;
use super::daybook::scratch;
use super::program::{Program, token};

/// Ports of nodes, below those that systems give to whoever asks for any: a node that restarts finds its own free.
const PORTS: std::ops::Range<u16> = 21_130..29_130;

/// All of it, ready. In the order in which it is to be stopped.
pub(crate) struct Separate {
    pub(crate) commands: Vec<Program>,
    pub(crate) queries: Vec<Program>,
    pub(crate) projector: Program,
    pub(crate) node: Program,
    /// Its Postgres is the database; it does nothing else.
    database: Daybook,
    dir: TempDir,
}

impl Separate {
    /// Starts everything, with so many command and query processes.
    pub(crate) async fn start(commands: usize, queries: usize) -> Self {
        let database = Daybook::start_with(&["--roles", "query"]).await;
        let dir = scratch();
        let place = dir.path();
        let (node, event_store) = node(&dir);
        let (data_dir, database_url) = (place.to_str().unwrap(), database.database_url());
        let role = |name: &str, number: usize, arguments: &[&str]| {
            let log = place.join(format!("{name}-{number}.log"));
            Program::new(&[&["serve", name, "--http", "127.0.0.1:0"], arguments].concat(), log)
        };
        let keys = ["--event-store", &event_store, "--data-dir", data_dir];
        let tables = ["--event-store", &event_store, "--database-url", &database_url];
        let mut separate = Self {
            commands: (0..commands).map(|number| role("command", number, &keys)).collect(),
            queries: (0..queries)
                .map(|number| role("query", number, &[&tables[..], &["--data-dir", data_dir]].concat()))
                .collect(),
            projector: role("projector", 0, &tables),
            node,
            database,
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
        let token = token(self.dir(), &["--role", "operator", "--subject", name]).await;
        Client::divided(self.commands[command].url(), self.queries[query].url(), Some(token))
    }

    fn dir(&self) -> &Path {
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
    let esdb = format!("127.0.0.1:{}", free_port());
    let data_dir = dir.path().to_str().unwrap();
    let arguments = ["serve", "node", "--http", "127.0.0.1:0", "--esdb", &esdb, "--data-dir", data_dir];
    (Program::new(&arguments, dir.path().join("node.log")), format!("esdb://{esdb}?tls=false"))
}

fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let width = u32::from(PORTS.end - PORTS.start);
    loop {
        // Another number for each test of this process, and most likely for other processes of tests.
        let number = std::process::id().wrapping_mul(37).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + u16::try_from(number % width).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
