//! `daybook archive run`

use std::collections::VecDeque;
use std::process::ExitCode;
use std::time::Instant;

use chrono::Utc;
use clap::Args;
use statements::archiving::{Archiver, Conditions, Due, READERS_KNOW, Refusal, newest_older_than};

use super::told::{Outcome, Summary, Told, tell};
use super::{Places, bar, shows};
use crate::commands::Failure;
use crate::process::flags::TimeZoneFlags;

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

pub(super) async fn run(args: RunArgs) -> Result<ExitCode, Failure> {
    let today = Utc::now().with_timezone(&args.time_zone.time_zone).date_naive();
    let newest =
        newest_older_than(today, args.older_than).ok_or("--older-than: that is before all months")?;
    let mut archiver = args.places.open().await?;
    let started = Instant::now();
    let conditions = Conditions { even_if_not_closed: args.even_if_not_closed };
    let (mut months, mut is_open) = (Vec::new(), false);
    let mut waiting = VecDeque::new();
    for due in archiver.due(newest).await? {
        let mut told = Told {
            month: due.month,
            rows: due.rows,
            files: 0,
            bytes: 0,
            dropped: 0,
            seconds: 0.0,
            outcome: Outcome::Archived,
        };
        if due.is_noted && args.dry_run {
            told.outcome = Outcome::WouldDrop;
        } else if let Some(refusal) = refusal(&mut archiver, due, conditions).await? {
            is_open |= matches!(refusal, Refusal::NotClosed { .. });
            told.outcome = Outcome::Refused(refusal.to_string());
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
    if !waiting.is_empty() {
        eprintln!(
            "Written and proved. The rows leave Postgres in a few seconds, once every query process knows."
        );
    }
    for index in waiting {
        let Some(told) = months.get_mut(index) else { continue };
        tokio::time::sleep(READERS_KNOW.saturating_sub(archiver.noted_for(told.month).await?)).await;
        drop_month(&mut archiver, told).await;
    }
    let seconds = started.elapsed().as_secs_f64();
    let summary = Summary::new(newest, args.dry_run, months, seconds);
    tell(&summary, is_open, args.places.json)?;
    Ok(if summary.months.iter().all(Told::is_well) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Why it must not be archived. What is noted already was not refused then.
async fn refusal(
    archiver: &mut Archiver,
    due: Due,
    conditions: Conditions,
) -> Result<Option<Refusal>, Failure> {
    if due.is_noted {
        return Ok(None);
    }
    Ok(archiver.refusal(due.month, conditions).await?)
}

/// Others go on when one month fails.
async fn write(archiver: &mut Archiver, told: &mut Told) {
    let (bar, started) = (bar("archiving"), Instant::now());
    match archiver.write(told.month, &shows(&bar)).await {
        Ok(Ok(written)) => {
            told.rows = written.manifest.rows;
            told.files = written.manifest.parts.len();
            told.bytes = written.manifest.parts.iter().map(|part| part.bytes).sum();
        }
        Ok(Err(refusal)) => told.outcome = Outcome::Refused(refusal.to_string()),
        Err(error) => told.outcome = Outcome::Failed(error.to_string()),
    }
    told.seconds = started.elapsed().as_secs_f64();
    bar.finish_and_clear();
}

async fn drop_month(archiver: &mut Archiver, told: &mut Told) {
    match archiver.drop_month(told.month).await {
        Ok(dropped) => told.dropped = dropped,
        Err(error) => told.outcome = Outcome::Failed(error.to_string()),
    }
}

fn months(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix(['M', 'm']).and_then(|number| number.parse().ok());
    number.filter(|months| *months <= 1_200).ok_or_else(|| "not a number of months, such as 13M".to_owned())
}
