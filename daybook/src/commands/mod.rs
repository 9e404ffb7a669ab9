//! The commands, one file each.

pub mod archive;
pub mod deadletter;
pub mod health;
pub mod import;
pub mod month;
pub mod rebuild;
pub mod serve;
pub mod server;
pub mod status;
pub mod token;
pub mod transfers;
pub mod up;

use std::process::ExitCode;

use crate::cli::Command;

/// Why a command did not do its work, for people to read.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs one command to its end.
///
/// # Errors
/// What to tell the user.
pub async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Up(args) => up::run(*args).await,
        Command::Serve(args) => serve::run(*args).await,
        Command::Health(args) => health::run(args).await,
        Command::Token(args) => token::run(&args),
        Command::Import(args) => import::run(args).await,
        Command::Deadletter(args) => deadletter::run(args).await,
        Command::Month(args) => month::run(*args).await,
        Command::Rebuild(args) => rebuild::run(args).await,
        Command::Archive(args) => Box::pin(archive::run(args)).await,
        Command::Status(args) => status::run(args).await,
        Command::Transfers(args) => transfers::run(args).await,
    }
}

/// Every command finds the data in the same place.
#[derive(Debug, clap::Args)]
pub struct DataDir {
    /// Where everything is kept: the log, keys, the private Postgres
    #[arg(long, value_name = "DIR", env = "DAYBOOK_DATA_DIR", default_value = ".data")]
    pub data_dir: std::path::PathBuf,
}
