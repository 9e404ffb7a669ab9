//! `daybook archive run`

use std::collections::VecDeque;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use chrono::Utc;
use clap::Args;
use ledger_core::Month;
use serde::Serialize;
use statements::archiving::{Archiver, Conditions, Due, READERS_KNOW, newest_older_than};

use super::{Places, bar, shows};
use crate::commands::Failure;
use crate::process::flags::TimeZoneFlags;
use crate::table::aligned;

/// Which months.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Months that ended so many months ago or longer, such as 13M
    #[arg(long, value_name = "MONTHS", env = "DAYBOOK_ARCHIVE_OLDER_THAN", value_parser = months)]
    older_than: u32,
    /// Say what would be done, and do nothing
    #[arg(long, env = "DAYBOOK_ARCHIVE_DRY_RUN")]
    dry_run: bool,
    /// Also months in which an account has entries and no statement
    #[arg(long, env = "DAYBOOK_ARCHIVE_EVEN_IF_NOT_CLOSED")]
    even_if_not_closed: bool,
    #[command(flatten)]
    time_zone: TimeZoneFlags,
    #[command(flatten)]
    places: Places,
}

/// What became of a month.
#[derive(Debug, Serialize)]
struct Told {
    month: Month,
    /// Rows in the archive; of a dry run, those that would be.
    rows: u64,
    files: usize,
    bytes: u64,
    /// Rows that left Postgres.
    dropped: u64,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Debug, Serialize)]
#[serde(tag = "outcome", content = "reason", rename_all = "snake_case")]
enum Outcome {
    WouldArchive,
    WouldDrop,
    Archived,
    Refused(String),
    Failed(String),
}

#[derive(Debug, Serialize)]
struct Summary {
    newest: Month,
    dry_run: bool,
    months: Vec<Told>,
    rows: u64,
    seconds: f64,
}

pub(super) async fn run(args: RunArgs) -> Result<ExitCode, Failure> {
    let today = Utc::now().with_timezone(&args.time_zone.time_zone).date_naive();
    let newest =
        newest_older_than(today, args.older_than).ok_or("--older-than: that is before all months")?;
    let mut archiver = args.places.open().await?;
    let started = Instant::now();
    let conditions = Conditions { even_if_not_closed: args.even_if_not_closed };
    let mut months = Vec::new();
    let mut waiting = VecDeque::new();
    for due in archiver.due(newest).await? {
        let mut told = Told {
            month: due.month,
            rows: due.rows,
            files: 0,
            bytes: 0,
            dropped: 0,
            outcome: Outcome::Archived,
        };
        if due.is_noted && args.dry_run {
            told.outcome = Outcome::WouldDrop;
        } else if let Some(refusal) = refusal(&mut archiver, due, conditions).await? {
            told.outcome = Outcome::Refused(refusal);
        } else if args.dry_run {
            told.outcome = Outcome::WouldArchive;
        } else {
            write(&mut archiver, &mut told).await;
        }
        if matches!(told.outcome, Outcome::Archived) {
            waiting.push_back(months.len());
        }
        months.push(told);
        // Those that all readers know by now make room while others are written.
        while let Some(told) = waiting.front().and_then(|index| months.get_mut(*index)) {
            if archiver.noted_for(told.month).await? < READERS_KNOW {
                break;
            }
            drop_month(&mut archiver, told).await;
            waiting.pop_front();
        }
    }
    for index in waiting {
        let Some(told) = months.get_mut(index) else { continue };
        tokio::time::sleep(READERS_KNOW.saturating_sub(archiver.noted_for(told.month).await?)).await;
        drop_month(&mut archiver, told).await;
    }
    let rows = months.iter().map(|told| told.rows).sum();
    let seconds = started.elapsed().as_secs_f64();
    let summary = Summary { newest, dry_run: args.dry_run, months, rows, seconds };
    tell(&summary, args.places.json)?;
    let is_well = |told: &Told| !matches!(told.outcome, Outcome::Refused(_) | Outcome::Failed(_));
    Ok(if summary.months.iter().all(is_well) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Why it must not be archived. What is noted already was not refused then.
async fn refusal(
    archiver: &mut Archiver,
    due: Due,
    conditions: Conditions,
) -> Result<Option<String>, Failure> {
    if due.is_noted {
        return Ok(None);
    }
    Ok(archiver.refusal(due.month, conditions).await?.map(|refusal| refusal.to_string()))
}

/// Others go on when one month fails.
async fn write(archiver: &mut Archiver, told: &mut Told) {
    let bar = bar("archiving");
    match archiver.write(told.month, &shows(&bar)).await {
        Ok(Ok(written)) => {
            told.rows = written.manifest.rows;
            told.files = written.manifest.parts.len();
            told.bytes = written.manifest.parts.iter().map(|part| part.bytes).sum();
        }
        Ok(Err(refusal)) => told.outcome = Outcome::Refused(refusal.to_string()),
        Err(error) => told.outcome = Outcome::Failed(error.to_string()),
    }
    bar.finish_and_clear();
}

async fn drop_month(archiver: &mut Archiver, told: &mut Told) {
    match archiver.drop_month(told.month).await {
        Ok(dropped) => told.dropped = dropped,
        Err(error) => told.outcome = Outcome::Failed(error.to_string()),
    }
}

fn tell(summary: &Summary, json: bool) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    if json {
        serde_json::to_writer_pretty(&out, summary)?;
        return Ok(writeln!(out)?);
    }
    if summary.months.is_empty() {
        return Ok(writeln!(out, "Nothing to archive: no month up to {} is in Postgres.", summary.newest)?);
    }
    let header = ["MONTH", "ROWS", "FILES", "BYTES", "OUTCOME"].map(str::to_owned);
    let rows = summary.months.iter().map(|told| {
        let outcome = match &told.outcome {
            Outcome::WouldArchive => "would be archived".to_owned(),
            Outcome::WouldDrop => "is archived; its rows would be dropped".to_owned(),
            Outcome::Archived => "archived".to_owned(),
            Outcome::Refused(reason) => format!("refused: {reason}"),
            Outcome::Failed(reason) => format!("failed: {reason}"),
        };
        [
            told.month.to_string(),
            told.rows.to_string(),
            told.files.to_string(),
            told.bytes.to_string(),
            outcome,
        ]
    });
    out.write_all(aligned(&std::iter::once(header).chain(rows).collect::<Vec<_>>()).as_bytes())?;
    Ok(writeln!(out, "{} rows in {:.1} s", summary.rows, summary.seconds)?)
}

fn months(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix(['M', 'm']).and_then(|number| number.parse().ok());
    number.filter(|months| *months <= 1_200).ok_or_else(|| "not a number of months, such as 13M".to_owned())
}
