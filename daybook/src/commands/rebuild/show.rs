//! Rebuilds in words.

use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;

use projector::rebuild::compare::{Difference, Report, TableReport};
use projector::rebuild::request::{Kind, Rebuild, State};
use projector::rebuild::{Phase, Progress};
use serde::Serialize;
use serde_json::Value;

use crate::commands::Failure;
use crate::table::aligned;

/// A phase's name.
pub(super) const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Preparing => "Preparing",
        Phase::Loading => "Loading",
        Phase::Indexing => "Indexing",
        Phase::CatchingUp => "Catching up",
        Phase::Comparing => "Comparing",
        Phase::Switching => "Switching",
    }
}

/// How fast it goes, how far it is, how long it will take.
pub(super) fn figures(progress: &Progress) -> String {
    let mut text = format!("{:.0} events/s, {:.1} %", progress.events_per_second, progress.percent);
    if let Some(left) = progress.seconds_left.filter(|_| progress.phase == Phase::Loading) {
        // Writing to a string cannot fail.
        let _ = write!(text, ", {} left", time(left));
    }
    text
}

fn time(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "for people")]
    let seconds = seconds.max(0.0).ceil() as u64;
    match seconds {
        7_200.. => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        120.. => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{seconds} s"),
    }
}

/// How rebuilds are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    pub(super) json: bool,
    /// The database's number, where there are several.
    pub(super) database: Option<u8>,
}

/// A rebuild as JSON.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<u8>,
    #[serde(flatten)]
    rebuild: &'a Rebuild,
}

impl Shown {
    /// Prints a line of JSON.
    pub(super) fn line(self, rebuild: &Rebuild) -> std::io::Result<()> {
        let mut out = std::io::stdout();
        serde_json::to_writer(&out, &Line { database: self.database, rebuild })?;
        writeln!(out)
    }
}

/// Prints what became of a rebuild; the exit code says whether it is what was asked for.
///
/// # Errors
/// When it failed.
pub(super) fn end(rebuild: &Rebuild, shown: Shown) -> Result<ExitCode, Failure> {
    let mut out = std::io::stdout();
    let good = rebuild.state == State::Done || rebuild.state.is_open();
    let code = if good { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if shown.json {
        shown.line(rebuild)?;
        return Ok(code);
    }
    if let Some(number) = shown.database {
        writeln!(out, "Database {number}:")?;
    }
    if let Some(report) = &rebuild.report {
        out.write_all(compared(report).as_bytes())?;
    }
    let names = rebuild.projections.join(" ");
    let text = match (rebuild.state, rebuild.kind) {
        (State::Requested, _) => "It waits for a projector.".to_owned(),
        (State::Running, _) => {
            let progress = rebuild.progress.unwrap_or_default();
            format!("{}: {}", phase(progress.phase), figures(&progress))
        }
        (State::Done, Kind::Rebuild | Kind::Divide) => {
            let speed = rebuild.progress.unwrap_or_default().events_per_second;
            let tables = if rebuild.no_switch {
                "The live tables stay.".to_owned()
            } else {
                format!(
                    "The new tables are live; the old ones are kept: daybook rebuild --switch-back {names}, or --drop-previous."
                )
            };
            format!("Done; {speed:.0} events/s. {tables}")
        }
        (State::Done, Kind::SwitchBack) => "Switched back. The same command switches again.".to_owned(),
        (State::Done, Kind::DropPrevious) => "What was live before is deleted.".to_owned(),
        (State::Done, Kind::DropUnfinished) => "Tables that were not exchanged are deleted.".to_owned(),
        (State::Differs, _) => {
            "The rows DIFFER; the live tables stay. With --accept-differences the new ones take their place."
                .to_owned()
        }
        (State::Stopped, _) => format!(
            "Stopped. It goes on when asked for again: daybook rebuild {names}. --drop-unfinished deletes what it made."
        ),
        (State::Failed, _) => {
            let reason = rebuild.reason.as_deref().unwrap_or("no reason is known");
            return Err(format!("the rebuild failed: {reason}\nThe live tables are as they were.").into());
        }
    };
    writeln!(out, "{text}")?;
    Ok(code)
}

fn compared(report: &Report) -> String {
    let header = ["TABLE", "LIVE ROWS", "NEW ROWS", "CHECKSUMS", ""].map(str::to_owned);
    let rows = report.tables.iter().map(|table| {
        let same = table.live == table.rebuilt;
        [
            table.table.clone(),
            table.live.rows.to_string(),
            table.rebuilt.rows.to_string(),
            if same { "equal" } else { "DIFFER" }.to_owned(),
            match table.not_compared.as_slice() {
                [] => String::new(),
                columns => format!("not compared: {}", columns.join(", ")),
            },
        ]
    });
    let mut text = aligned(&std::iter::once(header).chain(rows).collect::<Vec<_>>());
    for table in &report.tables {
        text.push_str(&differing(table));
    }
    if report.other_version && report.differs() {
        text.push_str("The live rows are of another version, so differences were expected.\n");
    }
    text
}

fn differing(table: &TableReport) -> String {
    let mut text = String::new();
    for Difference { live, rebuilt } in &table.differences {
        let row =
            |side: &Option<Value>| side.as_ref().map_or_else(|| "no such row".to_owned(), Value::to_string);
        let _ = write!(text, "{}\n  live: {}\n  new:  {}\n", table.table, row(live), row(rebuilt));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_for_people() {
        assert_eq!([0.2, 119.0, 125.0, 7_500.0].map(time), ["1 s", "119 s", "3 min", "2 h 5 min"]);
    }
}
