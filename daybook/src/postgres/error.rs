//! Why there is no private Postgres.

use std::io;
use std::path::{Path, PathBuf};

/// Why there is no private Postgres.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No server binaries on this machine.
    #[error(
        "no PostgreSQL server found on this machine ({looked}).\n\
         Install one:  Debian, Ubuntu: apt-get install postgresql    macOS: brew install postgresql@16\n\
         or name its folder of programs with --postgres-bin, or use a running server with --database-url."
    )]
    NotInstalled {
        /// Where we looked.
        looked: String,
    },
    /// The data was made by another major version.
    #[error(
        "{dir} was made by PostgreSQL {found}, but the server found here is {installed} ({bin}).\n\
         Install version {found} beside it, or remove {dir}: it holds read models only, which are built again from the log."
    )]
    Version {
        /// The cluster's directory.
        dir: PathBuf,
        /// Its major version.
        found: String,
        /// The installed major version.
        installed: String,
        /// Where that is installed.
        bin: PathBuf,
    },
    /// Postgres refuses to run as root, and there is nobody to run it as.
    #[error(
        "PostgreSQL does not run as root, and this machine has neither a user `postgres` nor `nobody` to run it as"
    )]
    NoUser,
    /// A file operation failed.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The socket directory is somebody else's.
    #[error("{path} belongs to somebody else or is open to others: remove it")]
    SocketDir {
        /// The directory.
        path: PathBuf,
    },
    /// A program could not be started.
    #[error("cannot run {program}: {source}")]
    Run {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `initdb` ended with an error.
    #[error("initdb failed for {dir}: {output}")]
    Initdb {
        /// The new cluster's directory.
        dir: PathBuf,
        /// What it said.
        output: String,
    },
    /// The server ended.
    #[error("PostgreSQL ended ({status}); the end of {log}:\n{tail}")]
    Ended {
        /// Its exit status.
        status: std::process::ExitStatus,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// Another server keeps running on the directory.
    #[error(
        "the PostgreSQL server {pid} of an earlier run does not stop; end it (kill -QUIT {pid}) and try again"
    )]
    StaleStays {
        /// Its process.
        pid: i32,
    },
    /// The database could not be made.
    #[error("cannot make the database: {0}")]
    Sql(#[from] sqlx::Error),
}

impl PostgresError {
    /// For `map_err`: an I/O error with what was tried, on what.
    pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }
}
