//! What a run has done, for people and for programs.

use std::io::Write;

use indicatif::{DecimalBytes, HumanCount};
use ledger_core::Month;
use serde::Serialize;

use crate::commands::Failure;
use crate::table::aligned;

/// What became of a month.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    pub(super) month: Month,
    /// Rows in the archive; of a dry run, those that would be.
    pub(super) rows: u64,
    pub(super) files: usize,
    pub(super) bytes: u64,
    /// Rows that left Postgres.
    pub(super) dropped: u64,
    /// What writing, reading back and comparing took.
    pub(super) seconds: f64,
    #[serde(flatten)]
    pub(super) outcome: Outcome,
}

#[derive(Debug, Serialize)]
#[serde(tag = "outcome", content = "reason", rename_all = "snake_case")]
pub(super) enum Outcome {
    WouldArchive,
    WouldDrop,
    Archived,
    Refused(String),
    Failed(String),
}

#[derive(Debug, Serialize)]
pub(super) struct Summary {
    newest: Month,
    dry_run: bool,
    pub(super) months: Vec<Told>,
    /// Of those months that are archived now, or would be.
    rows: u64,
    seconds: f64,
}

impl Told {
    pub(super) const fn is_well(&self) -> bool {
        !matches!(self.outcome, Outcome::Refused(_) | Outcome::Failed(_))
    }
}

impl Summary {
    pub(super) fn new(newest: Month, dry_run: bool, months: Vec<Told>, seconds: f64) -> Self {
        let rows = months.iter().filter(|told| told.is_well()).map(|told| told.rows).sum();
        Self { newest, dry_run, months, rows, seconds }
    }
}

/// `is_open`: some months wait for their statements.
pub(super) fn tell(summary: &Summary, is_open: bool, json: bool) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    if json {
        serde_json::to_writer_pretty(&out, summary)?;
        return Ok(writeln!(out)?);
    }
    if summary.months.is_empty() {
        return Ok(writeln!(out, "Nothing to archive: no month up to {} is in Postgres.", summary.newest)?);
    }
    let header = ["MONTH", "ROWS", "FILES", "SIZE", "OUTCOME"].map(str::to_owned);
    let rows = summary.months.iter().map(|told| {
        let outcome = match &told.outcome {
            Outcome::WouldArchive => "would be archived".to_owned(),
            Outcome::WouldDrop => "is archived; its rows would be dropped".to_owned(),
            Outcome::Archived => "archived".to_owned(),
            Outcome::Refused(reason) => format!("refused: {reason}"),
            Outcome::Failed(reason) => format!("failed: {reason}"),
        };
        let (files, size) = match told.files {
            0 => ("-".to_owned(), "-".to_owned()),
            files => (files.to_string(), DecimalBytes(told.bytes).to_string()),
        };
        [told.month.to_string(), HumanCount(told.rows).to_string(), files, size, outcome]
    });
    out.write_all(aligned(&std::iter::once(header).chain(rows).collect::<Vec<_>>()).as_bytes())?;
    let well = summary.months.iter().filter(|told| told.is_well()).count();
    let verb = if summary.dry_run { "would be archived" } else { "archived" };
    let (rows, others) = (HumanCount(summary.rows), summary.months.len().saturating_sub(well));
    writeln!(out, "{well} months with {rows} rows {verb}, {others} not; {:.1} s", summary.seconds)?;
    if is_open {
        writeln!(
            out,
            "Months are archived after their close: daybook month close, or --even-if-not-closed."
        )?;
    }
    Ok(())
}
