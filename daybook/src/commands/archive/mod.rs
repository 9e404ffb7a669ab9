//! `daybook archive`: old months out of Postgres, and back.

mod list;
mod restore;
mod run;
mod told;

use std::process::ExitCode;

use archive::Archive;
use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use statements::archiving::{Archiver, Database};

use super::Failure;
use super::rebuild::database::{DatabasePlace, Place};
use crate::import::progress;
use crate::process::FilesArgs;

const HELP: &str = "\
An archived month's entries are Parquet files; docs/archive.md says how other programs read them. The API answers as before.
Every command can be cut off anywhere, and asked for again.

Examples:
  daybook archive run --older-than 13M --dry-run
  daybook archive run --older-than 13M --time-zone Europe/Prague
  daybook archive run --older-than 13M --files-url s3://bank/daybook
  daybook archive list
  daybook archive restore 2025-03";

/// What `daybook archive` needs to know.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct ArchiveArgs {
    #[command(subcommand)]
    command: ArchiveCommand,
}

#[derive(Debug, Subcommand)]
enum ArchiveCommand {
    /// Write months that are old enough to files, read them back, compare, and take them out of Postgres
    Run(run::RunArgs),
    /// Show archived months
    List(list::ListArgs),
    /// Bring an archived month back into Postgres, and remove its files
    Restore(restore::RestoreArgs),
}

/// What all of them need.
#[derive(Debug, Args)]
struct Places {
    #[command(flatten)]
    database: DatabasePlace,
    #[command(flatten)]
    files: FilesArgs,
    /// Print the result as JSON
    #[arg(long, env = "DAYBOOK_JSON")]
    json: bool,
}

impl Places {
    async fn open(&self) -> Result<Archiver, Failure> {
        let files = self.files.open(&crate::data_dir::existing(&self.database.data_dir.data_dir)?)?;
        let places = self.database.connect().await?.into_iter();
        let databases = places.map(|Place { placement, db }| Database { placement, db }).collect();
        Ok(Archiver::open(databases, Archive::new(files)).await?)
    }
}

/// Runs one of them.
///
/// # Errors
/// When the databases or the files are not there, or something is not as it should be.
pub async fn run(args: ArchiveArgs) -> Result<ExitCode, Failure> {
    match args.command {
        ArchiveCommand::Run(args) => Box::pin(run::run(args)).await,
        ArchiveCommand::List(args) => list::run(args).await,
        ArchiveCommand::Restore(args) => Box::pin(restore::run(args)).await,
    }
}

/// A bar for a month's rows.
fn bar(what: &'static str) -> ProgressBar {
    progress::bar(what, 0)
}

/// Shows how far it is.
fn shows(bar: &ProgressBar) -> impl Fn(u64, u64) + Send + Sync {
    let bar = bar.clone();
    move |done, of| {
        bar.set_length(of);
        bar.set_position(done);
    }
}
