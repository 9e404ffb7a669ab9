//! A look in words.

use std::fmt::Write as _;

use super::answers::{DeadLetter, Projection, Rebuilding};
use super::look::{LATE, Look, Pending, Process, State, Stuck, Throughput};
use crate::commands::transfers::age;
use crate::table::aligned;

/// Transfers and dead letters shown; the commands that list them show more.
const TRANSFERS_SHOWN: usize = 5;
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// All of it.
pub(super) fn whole(look: &Look, is_terminal: bool) -> String {
    let colours = is_terminal && std::env::var_os("NO_COLOR").is_none();
    let paint = |colour: &str, text: &str| {
        if colours { format!("{colour}{text}{PLAIN}") } else { text.to_owned() }
    };
    let mut text = format!("Daybook at {} UTC: ", look.at.format("%Y-%m-%d %H:%M:%S"));
    if look.problems.is_empty() {
        text.push_str(&paint(GREEN, "all is well"));
        text.push('\n');
    } else {
        text.push_str(&paint(RED, "needs attention"));
        text.push('\n');
        for problem in &look.problems {
            text.push_str(&paint(RED, &format!("  ! {problem}")));
            text.push('\n');
        }
    }
    let mut section = |table: String| {
        let (header, rows) = table.split_once('\n').unwrap_or((&table, ""));
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{}\n{rows}", paint(BOLD, header));
    };
    section(processes(&look.processes));
    if let Some(projections) = &look.projections {
        section(projections_table(projections));
    }
    if let Some(Pending { stuck, dead_letters, .. }) = &look.transfers {
        if !stuck.is_empty() {
            section(stuck_table(stuck));
        }
        if !dead_letters.is_empty() {
            section(dead_letters_table(dead_letters));
        }
    }
    let _ = writeln!(text, "\n{}", going_on(look));
    text
}

/// One line, and one for each problem.
pub(super) fn in_short(look: &Look) -> String {
    let well = if look.problems.is_empty() { "all is well" } else { "needs attention" };
    let mut text = format!("{} {well}. {}\n", look.at.format("%H:%M:%S"), going_on(look));
    for problem in &look.problems {
        let _ = writeln!(text, "  ! {problem}");
    }
    text
}

/// Throughput, and what lies open.
fn going_on(look: &Look) -> String {
    let Throughput { events_per_second, transfers_per_second, transfers_under_way } = look.throughput;
    let mut parts = Vec::new();
    // Who was asked last knows more of a log that grows.
    let by_process = look.processes.iter().filter_map(|process| process.position);
    let by_projection = look
        .projections
        .iter()
        .flatten()
        .map(|projection| projection.position.saturating_add(projection.lag));
    if let Some(position) = by_process.chain(by_projection).max() {
        parts.push(format!("Log at {position}"));
    }
    parts.push(format!("{} events/s", figure(events_per_second)));
    parts.push(format!("{} transfers/s", figure(transfers_per_second)));
    parts.push(format!("{} transfers under way", figure(transfers_under_way)));
    let behind = look.projections.iter().flatten().map(|projection| projection.lag_seconds).reduce(f64::max);
    if let Some(behind) = behind {
        parts.push(format!("at most {behind:.1} s behind"));
    }
    if let Some(Pending { stuck, dead_letters, more }) = &look.transfers {
        let more = if *more { "+" } else { "" };
        parts.push(format!("{}{more} stuck", stuck.len()));
        parts.push(format!("{}{more} dead letters", dead_letters.len()));
    }
    parts.join(", ")
}

fn processes(processes: &[Process]) -> String {
    let header = ["PROCESS", "STATE", "ROLES"].map(str::to_owned);
    let rows = processes.iter().map(|process| {
        let state = match process.state {
            State::Ready => "ready",
            State::NotReady => "NOT READY",
            State::Unreachable => "UNREACHABLE",
        };
        [process.url.clone(), state.to_owned(), process.roles.join(", ").replace('_', " ")]
    });
    aligned(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

fn projections_table(projections: &[Projection]) -> String {
    let header =
        ["PROJECTION", "VERSION", "POSITION", "BEHIND", "SECONDS", "EVENTS/S", "STATE"].map(str::to_owned);
    let rows = projections.iter().map(|projection| {
        [
            projection.name.clone(),
            projection.version.to_string(),
            projection.position.to_string(),
            projection.lag.to_string(),
            format!("{:.1}", projection.lag_seconds),
            figure(projection.events_per_second),
            standing(projection),
        ]
    });
    aligned(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

/// What a projection does.
fn standing(projection: &Projection) -> String {
    let stopped = projection.stopped.as_ref().map(|stopped| {
        let since = stopped.at.split_once('.').map_or(stopped.at.as_str(), |(seconds, _)| seconds);
        format!("STOPPED at {} since {since}", stopped.position)
    });
    match (stopped, &projection.rebuilding) {
        (Some(stopped), None) => stopped,
        (Some(stopped), Some(rebuilding)) => format!("{stopped}; {}", rebuilt(rebuilding)),
        (None, Some(rebuilding)) => rebuilt(rebuilding),
        (None, None) if projection.lag_seconds > LATE => "LATE".to_owned(),
        (None, None) if projection.lag_seconds >= 1.0 => "catching up".to_owned(),
        (None, None) => "up to date".to_owned(),
    }
}

fn rebuilt(rebuilding: &Rebuilding) -> String {
    let Some(phase) = &rebuilding.phase else { return "rebuild: waits for a projector".to_owned() };
    let mut text = format!("rebuild: {}", phase.to_lowercase().replace('_', " "));
    if let Some(percent) = rebuilding.percent {
        let _ = write!(text, ", {percent:.1} %");
    }
    if phase == "LOADING" {
        if let Some(speed) = rebuilding.events_per_second {
            let _ = write!(text, ", {speed:.0} events/s");
        }
        if let Some(left) = rebuilding.seconds_left {
            let _ = write!(text, ", {left:.0} s left");
        }
    }
    text
}

fn stuck_table(stuck: &[Stuck]) -> String {
    let header = ["STUCK TRANSFER", "AGE", "WAITS FOR", "AMOUNT"].map(str::to_owned);
    let rows = stuck.iter().take(TRANSFERS_SHOWN).map(|stuck| {
        let amount = format!("{} {}", stuck.amount, stuck.currency);
        [stuck.transfer_id.clone(), age(stuck.age_seconds), stuck.step.clone(), amount]
    });
    aligned(&std::iter::once(header).chain(rows).collect::<Vec<_>>()) + &and_more(stuck.len())
}

fn dead_letters_table(letters: &[DeadLetter]) -> String {
    let header = ["DEAD LETTER", "PARKED", "WAITS FOR", "AMOUNT", "REASON"].map(str::to_owned);
    let rows = letters.iter().take(TRANSFERS_SHOWN).map(|letter| {
        let amount = format!("{} {}", letter.amount, letter.currency);
        let DeadLetter { transfer_id, parked_at, step, reason, .. } = letter;
        [transfer_id.clone(), parked_at.clone(), step.clone(), amount, reason.clone()]
    });
    aligned(&std::iter::once(header).chain(rows).collect::<Vec<_>>()) + &and_more(letters.len())
}

fn and_more(count: usize) -> String {
    match count.saturating_sub(TRANSFERS_SHOWN) {
        0 => String::new(),
        more => format!("… and {more} more\n"),
    }
}

/// A number for people; what is not known is a dash.
fn figure(number: Option<f64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| format!("{number:.0}"))
}

#[cfg(test)]
#[path = "show_tests.rs"]
mod tests;
