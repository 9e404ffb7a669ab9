//! The server's life: set up, start, wait until it answers, watch, stop.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::process::{Child, Command};
use tokio::sync::SetOnce;
use tokio_util::sync::CancellationToken;

use super::PostgresError;
use super::binaries::Binaries;
use super::memory;
use super::owner::Owner;
use super::place;
use super::settings::SETTINGS;
use super::stale::stop_stale;
use super::watchdog::Watchdog;
use crate::health::{Component, Health, State};

const USER: &str = "daybook";
const DATABASE: &str = "daybook";
const STOP_TIME_MAX: Duration = Duration::from_secs(30);
const QUIT_TIME_MAX: Duration = Duration::from_secs(10);
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;
const LOG_TAIL_LINES: usize = 4;
/// Between two looks at whether the server takes connections, and between two lines about it not doing so.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(15);

/// A Postgres of our own.
#[derive(Clone, Debug)]
pub struct PrivatePostgres {
    binaries: Binaries,
    owner: Option<Owner>,
    cluster: PathBuf,
    sockets: PathBuf,
    log: PathBuf,
    answers: Arc<SetOnce<()>>,
}

impl PrivatePostgres {
    /// Finds what is needed to run one for this data directory (an absolute path, which exists); starts nothing.
    ///
    /// # Errors
    /// When there are no server binaries, or none that fit the data.
    pub fn plan(data_dir: &Path, bin: Option<&Path>) -> Result<Self, PostgresError> {
        let owner = Owner::find()?;
        let cluster = place::cluster_dir(data_dir, owner)?;
        let version = fs::read_to_string(cluster.join("PG_VERSION")).ok();
        let version = version.as_deref().map(str::trim);
        let binaries = Binaries::find(bin, version)?;
        if let Some(found) = version.filter(|found| *found != binaries.major) {
            return Err(PostgresError::Version {
                dir: cluster,
                found: found.to_owned(),
                installed: binaries.major.clone(),
                bin: binaries.dir().to_owned(),
            });
        }
        Ok(Self {
            binaries,
            owner,
            sockets: place::socket_dir(&cluster),
            cluster,
            log: data_dir.join("postgres.log"),
            answers: Arc::default(),
        })
    }

    /// Where the database will be, known before the server runs.
    #[must_use]
    pub fn url(&self) -> String {
        place::url(&self.sockets, USER, DATABASE)
    }

    /// Waits until the server has answered once.
    pub async fn answers(&self) {
        self.answers.wait().await;
    }

    /// The cluster's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.cluster
    }

    /// Runs the server until `stop`, then stops it cleanly. Ends with an error when the server does.
    ///
    /// # Errors
    /// When the server cannot be set up or started, or ends by itself.
    pub async fn run(self, health: Arc<Health>, stop: CancellationToken) -> Result<(), PostgresError> {
        stop_stale(&self.cluster).await?;
        if !self.cluster.join("PG_VERSION").exists() {
            self.initdb().await?;
        }
        let mut server = self.start()?;
        let watchdog = server.id().map(|pid| Watchdog::over(pid, self.owner));
        let ended = tokio::select! {
            ended = server.wait() => ended,
            () = self.serve_until(&health, &stop) => self.stop(&mut server).await,
        };
        if let Some(watchdog) = watchdog {
            watchdog.end().await;
        }
        let status = ended.map_err(|source| self.cannot_run("postgres", source))?;
        if stop.is_cancelled() {
            return Ok(());
        }
        Err(self.ended(status))
    }

    /// Says when the server answers, then waits to be stopped.
    async fn serve_until(&self, health: &Health, stop: &CancellationToken) {
        let ready = async {
            self.wait_for_answer().await;
            health.set(Component::Postgres, State::Ready);
            // An error means that it has answered before.
            let _ = self.answers.set(());
        };
        let _ = stop.run_until_cancelled(ready).await;
        stop.cancelled().await;
    }

    /// Asks until the server answers and the database is there. The server's own end is seen by the caller.
    async fn wait_for_answer(&self) {
        let mut told = Instant::now();
        loop {
            // The server itself notes when it takes connections; asking earlier would fill its log with refusals.
            let refused = match self.says_ready() {
                true => match self.make_database().await {
                    Ok(()) => return,
                    Err(error) => error.to_string(),
                },
                false => "it is still starting".to_owned(),
            };
            if told.elapsed() > PATIENCE {
                told = Instant::now();
                tracing::warn!("still waiting for Postgres: {refused}; its log is {}", self.log.display());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// The eighth line of `postmaster.pid` is the server's state, as `pg_ctl` reads it.
    fn says_ready(&self) -> bool {
        let pid_file = fs::read_to_string(self.cluster.join("postmaster.pid")).unwrap_or_default();
        pid_file.lines().nth(7).is_some_and(|state| state.trim() == "ready")
    }

    async fn make_database(&self) -> Result<(), PostgresError> {
        let options: PgConnectOptions = place::url(&self.sockets, USER, "postgres").parse()?;
        let mut connection = PgConnection::connect_with(&options).await?;
        let exists = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1")
            .bind(DATABASE)
            .fetch_optional(&mut connection)
            .await?;
        if exists.is_none() {
            sqlx::query("CREATE DATABASE daybook").execute(&mut connection).await?;
        }
        Ok(connection.close().await?)
    }

    /// Makes the cluster beside its place and moves it there when it is complete.
    async fn initdb(&self) -> Result<(), PostgresError> {
        let draft = self.cluster.with_extension("new");
        match fs::remove_dir_all(&draft) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(PostgresError::file("remove", &draft)(error));
            }
            _ => {}
        }
        place::private_dir(&draft, self.owner)?;
        let output = self
            .command("initdb")
            .arg("-D")
            .arg(&draft)
            .arg("--username")
            .arg(USER)
            .args(["--auth=trust", "--encoding=UTF8", "--no-locale"])
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(|source| self.cannot_run("initdb", source))?;
        if !output.status.success() {
            let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(PostgresError::Initdb { dir: draft, output });
        }
        fs::rename(&draft, &self.cluster).map_err(PostgresError::file("move", &draft))
    }

    fn start(&self) -> Result<Child, PostgresError> {
        if self.sockets != self.cluster {
            place::private_dir(&self.sockets, self.owner)?;
        }
        if fs::metadata(&self.log).is_ok_and(|log| log.len() > LOG_BYTES_MAX) {
            fs::rename(&self.log, self.log.with_extension("log.1"))
                .map_err(PostgresError::file("move", &self.log))?;
        }
        let log = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.log)
            .map_err(PostgresError::file("open", &self.log))?;
        let errors = log.try_clone().map_err(PostgresError::file("open", &self.log))?;
        let mut command = self.command("postgres");
        command.arg("-D").arg(&self.cluster).arg("-k").arg(&self.sockets);
        for (name, value) in SETTINGS {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        for (name, value) in memory::settings() {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        // After a crash: one sync of the file system instead of one for each of a thousand files.
        if cfg!(target_os = "linux") && self.binaries.major_number() >= 14 {
            command.args(["-c", "recovery_init_sync_method=syncfs"]);
        }
        command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|source| self.cannot_run("postgres", source))
    }

    /// A server's program, run as its user, deaf to the terminal's Ctrl-C and to settings of the environment.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.program(program));
        command.current_dir("/").process_group(0);
        if let Some(owner) = self.owner {
            command.uid(owner.uid).gid(owner.gid);
        }
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        command
    }

    async fn stop(&self, server: &mut Child) -> std::io::Result<ExitStatus> {
        let pid = server.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        for (signal, time) in [(Signal::INT, STOP_TIME_MAX), (Signal::QUIT, QUIT_TIME_MAX)] {
            if let Some(pid) = pid {
                // An error means that it has ended meanwhile.
                let _ = kill_process(pid, signal);
            }
            if let Ok(ended) = tokio::time::timeout(time, server.wait()).await {
                return ended;
            }
            tracing::warn!("Postgres does not stop");
        }
        server.kill().await?;
        server.wait().await
    }

    fn cannot_run(&self, program: &str, source: std::io::Error) -> PostgresError {
        PostgresError::Run { program: self.binaries.program(program), source }
    }

    fn ended(&self, status: ExitStatus) -> PostgresError {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(LOG_TAIL_LINES).collect();
        PostgresError::Ended {
            status,
            log: self.log.clone(),
            tail: lines.into_iter().rev().collect::<Vec<_>>().join("\n"),
        }
    }
}
