//! `daybook archive restore`

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use ledger_core::Month;
use serde::Serialize;
use statements::archiving::FilesThen;

use super::{Places, bar, shows};
use crate::commands::Failure;

/// Which month.
#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// The month
    #[arg(value_name = "YYYY-MM")]
    month: Month,
    /// Leave the files where they are; the next run of the archive proves them, and uses them again if nothing came since
    #[arg(long, env = "DAYBOOK_ARCHIVE_KEEP_FILES")]
    keep_files: bool,
    /// Remove files that an earlier restore has left, as when it was killed, once all their rows are found in Postgres. Not where other read
    /// models use the same files: they may have no rows but these
    #[arg(long, conflicts_with = "keep_files")]
    left_files: bool,
    #[command(flatten)]
    places: Places,
}

#[derive(Serialize)]
struct Summary {
    month: Month,
    /// In the archive.
    rows: u64,
    /// Written to Postgres.
    written: u64,
    digest: String,
    files_kept: bool,
}

pub(super) async fn run(args: RestoreArgs) -> Result<ExitCode, Failure> {
    let mut archiver = args.places.open().await?;
    let bar = bar("restoring");
    let then = match (args.keep_files, args.left_files) {
        (true, _) => FilesThen::Stay,
        (false, true) => FilesThen::GoIfLeft,
        (false, false) => FilesThen::Go,
    };
    let restored = archiver.restore(args.month, then, &shows(&bar)).await;
    bar.finish_and_clear();
    let restored = restored?.map_err(|refusal| format!("{}: {refusal}", args.month))?;
    let summary = Summary {
        month: args.month,
        rows: restored.rows,
        written: restored.written,
        digest: restored.digest.to_string(),
        files_kept: args.keep_files,
    };
    let mut out = std::io::stdout();
    if args.places.json {
        serde_json::to_writer_pretty(&out, &summary)?;
        writeln!(out)?;
    } else {
        writeln!(
            out,
            "{} is in Postgres again: {} rows, as they were archived.",
            summary.month, summary.rows
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
