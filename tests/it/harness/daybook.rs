//! A daybook that is one process. Whatever happens to the test, nothing of it is left running.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;

use super::client::Client;
use super::ports::free_address;
use super::program::{Program, STOP_TIME_MAX, run_within, token};
use super::proxy::Proxy;
use super::wait::{happens, until};
use super::witness::Witness;
use crate::checker::check;

/// A daybook and its data directory. It may be stopped or killed, and started again.
pub(crate) struct Daybook {
    program: Program,
    /// The log's address, for EventStoreDB's clients.
    log: String,
    witness: Witness,
    dir: TempDir,
}

/// A directory for one test. Open to be passed through: as root, Postgres runs as another user.
pub(crate) fn scratch() -> TempDir {
    tempfile::Builder::new()
        .prefix("daybook-")
        .permissions(fs::Permissions::from_mode(0o711))
        .tempdir()
        .unwrap()
}

impl Daybook {
    /// A new one, ready.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A new one with more arguments for `daybook up`, ready.
    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        Self::start_within(Vec::new(), scratch(), arguments).await
    }

    /// As [`Daybook::start_with`], in this directory, run by this command.
    pub(crate) async fn start_within(runner: Vec<String>, dir: TempDir, arguments: &[&str]) -> Self {
        let place = dir.path().to_str().unwrap();
        let (http, esdb) = (free_address(), free_address());
        let mut up = vec!["up", "--http", &http, "--data-dir", place];
        let elsewhere = arguments.iter().position(|argument| *argument == "--event-store");
        let log = match elsewhere {
            Some(flag) => arguments[flag + 1].to_owned(),
            None => {
                up.extend(["--esdb", &esdb]);
                format!("esdb://{esdb}?tls=false")
            }
        };
        let program = Program::new(&[&up, arguments].concat(), dir.path().join("journey.log")).within(runner);
        let mut daybook = Self { program, log, witness: Witness::default(), dir };
        daybook.restart().await;
        daybook
    }

    /// Starts it on its data directory and waits until it is ready.
    pub(crate) async fn restart(&mut self) {
        self.program.start().await;
    }

    /// Its data directory.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// An operator. Idempotency keys are counted per name.
    pub(crate) async fn operator(&self, name: &str) -> Client {
        self.caller(&["--role", "operator", "--subject", name]).await
    }

    /// An operator who is connected by way of a proxy.
    pub(crate) async fn operator_through(&self, proxy: &Proxy, name: &str) -> Client {
        let url = format!("http://{}", proxy.address());
        self.caller_at(url, &["--role", "operator", "--subject", name]).await
    }

    pub(crate) async fn auditor(&self) -> Client {
        self.caller(&["--role", "auditor"]).await
    }

    pub(crate) async fn customer(&self, user_id: &str) -> Client {
        self.caller(&["--role", "customer", "--user", user_id]).await
    }

    async fn caller(&self, who: &[&str]) -> Client {
        self.caller_at(self.url(), who).await
    }

    async fn caller_at(&self, url: String, who: &[&str]) -> Client {
        Client::new(url, Some(token(self.program.runner(), self.dir(), who).await)).heard_by(&self.witness)
    }

    /// Runs another command of the program as this one was run.
    pub(crate) async fn run_beside(&self, arguments: &[&str]) -> Output {
        run_within(self.program.runner(), arguments).await
    }

    /// Compares everything that was ever answered here with the log and with the read models.
    pub(crate) async fn check(&self) {
        check(&self.operator("checker").await, &self.log).await;
    }

    /// How EventStoreDB's clients connect to its log.
    pub(crate) fn log(&self) -> &str {
        &self.log
    }

    /// Who heard all answers.
    pub(crate) fn witness(&self) -> &Witness {
        &self.witness
    }

    /// Waits until it has stopped, which must be in good order and leave nothing behind.
    pub(crate) async fn stopped(&mut self) {
        let postgres = self.postgres();
        self.program.stopped().await;
        if let Some(postgres) = postgres {
            assert!(!postgres.is_running(), "Postgres outlived a clean stop");
        }
    }

    /// Stops it in good order.
    pub(crate) async fn stop(&mut self) {
        self.terminate();
        self.stopped().await;
    }

    /// Where its private Postgres keeps its files.
    pub(crate) fn cluster(&self) -> PathBuf {
        let elsewhere = fs::read_to_string(self.dir().join("postgres.location"));
        elsewhere
            .map_or_else(|_| self.dir().canonicalize().unwrap().join("postgres"), |path| path.trim().into())
    }

    /// Its private Postgres, for others.
    pub(crate) fn database_url(&self) -> String {
        format!("postgres://daybook@localhost/daybook?host={}", self.cluster().display())
    }

    /// `kill -9` of its private Postgres.
    pub(crate) async fn kill_postgres(&self) {
        let postgres = self.postgres().expect("Postgres runs");
        kill_process(postgres.pid, Signal::KILL).unwrap();
        until("Postgres is gone", STOP_TIME_MAX, async || (!postgres.is_running()).then_some(())).await;
    }

    /// Waits until its private Postgres runs again.
    pub(crate) async fn postgres_runs(&self) {
        let runs = || self.postgres().is_some_and(|postgres| postgres.is_running());
        until("Postgres runs again", STOP_TIME_MAX, async || runs().then_some(())).await;
    }

    fn postgres(&self) -> Option<Postgres> {
        let cluster = self.cluster();
        let text = fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
        let pid = Pid::from_raw(text.lines().next()?.trim().parse().ok()?)?;
        Some(Postgres { pid, cluster })
    }
}

impl Deref for Daybook {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl DerefMut for Daybook {
    fn deref_mut(&mut self) -> &mut Program {
        &mut self.program
    }
}

impl Drop for Daybook {
    fn drop(&mut self) {
        let ran = self.program.is_running();
        let status = self.program.end();
        if let Some(postgres) = self.postgres() {
            // After `kill -9` its own watchdog stops it.
            if !happens(STOP_TIME_MAX, || !postgres.is_running()) {
                let _ = kill_process(postgres.pid, Signal::QUIT);
                happens(STOP_TIME_MAX, || !postgres.is_running());
            }
        }
        let cluster = self.cluster();
        if !cluster.starts_with(self.dir().canonicalize().unwrap()) {
            let _ = fs::remove_dir_all(cluster);
        }
        if ran && !std::thread::panicking() {
            assert_eq!(status.and_then(|status| status.code()), Some(0), "{}", self.said());
        }
    }
}

struct Postgres {
    pid: Pid,
    cluster: PathBuf,
}

impl Postgres {
    /// The number may be another program's by now.
    fn is_running(&self) -> bool {
        if test_kill_process(self.pid).is_err() {
            return false;
        }
        let pid = self.pid.as_raw_nonzero().to_string();
        let output = Command::new("ps").args(["-o", "command=", "-p", &pid]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).contains(&*self.cluster.to_string_lossy())
    }
}
