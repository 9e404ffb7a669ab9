//! `daybook deadletter list` and `show`.

use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;

use clap::ValueEnum;
use serde::Deserialize;

use super::letter::{Letter, PATIENCE};
use super::{ListArgs, ShowArgs, Standing};
use crate::client::{ClientError, Server};
use crate::commands::Failure;
use crate::table::aligned;

/// What the server gives at a time.
const PAGE: usize = 200;

#[derive(Deserialize)]
struct Page {
    dead_letters: Vec<Letter>,
    next: Option<String>,
}

pub(super) async fn list(args: ListArgs) -> Result<ExitCode, Failure> {
    let (letters, more) = letters(&args.operator.reads()?, &args).await?;
    let mut out = std::io::stdout();
    if args.operator.json {
        serde_json::to_writer_pretty(&out, &letters)?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    out.write_all(listed(&letters).as_bytes())?;
    if more {
        writeln!(out, "… and more; --limit N shows more")?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn show(args: ShowArgs) -> Result<ExitCode, Failure> {
    let letter = Letter::of(&args.operator.reads()?, args.transfer, None).await?;
    let mut out = std::io::stdout();
    if args.operator.json {
        serde_json::to_writer_pretty(&out, &letter)?;
        writeln!(out)?;
    } else {
        out.write_all(shown(&letter).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// As many as are wanted, and whether there are more.
async fn letters(server: &Server, args: &ListArgs) -> Result<(Vec<Letter>, bool), ClientError> {
    let standing = match (args.standing, args.standing.to_possible_value()) {
        (Standing::All, _) | (_, None) => String::new(),
        (_, Some(value)) => format!("&standing={}", value.get_name()),
    };
    let mut letters = Vec::new();
    let mut after = String::new();
    loop {
        let first = args.limit.saturating_sub(letters.len()).min(PAGE);
        let path = format!("/api/v1/deadletters?first={first}{standing}{after}");
        let page: Page = server.get(&path, None, PATIENCE).await?;
        letters.extend(page.dead_letters);
        match page.next {
            Some(next) if letters.len() < args.limit => after = format!("&after={next}"),
            next => return Ok((letters, next.is_some())),
        }
    }
}

fn listed(letters: &[Letter]) -> String {
    if letters.is_empty() {
        return "No dead letters.\n".to_owned();
    }
    let header = ["TRANSFER", "STATUS", "STANDING", "WAITS FOR", "REASON", "PARKED", "FROM", "TO", "AMOUNT"]
        .map(str::to_owned);
    let rows = letters.iter().map(|letter| {
        [
            letter.transfer_id.clone(),
            letter.transfer_status.clone(),
            standing(letter),
            // What has ended waits for nothing.
            if letter.transfer_status == "pending" { letter.step.clone() } else { "-".to_owned() },
            letter.reason.clone(),
            letter.parked_at.clone(),
            letter.from_account.clone(),
            letter.to_account.clone(),
            letter.money(),
        ]
    });
    aligned(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

fn standing(letter: &Letter) -> String {
    match &letter.resolution {
        Some(resolution) => format!("{} ({resolution})", letter.standing),
        None => letter.standing.clone(),
    }
}

fn shown(letter: &Letter) -> String {
    let parked = match letter.times_parked {
        1 => letter.parked_at.clone(),
        times => format!("{} times, first {}, last {}", times, letter.first_parked_at, letter.parked_at),
    };
    let mut rows = vec![
        ["Transfer", &letter.transfer_id].map(str::to_owned),
        ["Status", &letter.transfer_status].map(str::to_owned),
        ["Amount", &letter.money()].map(str::to_owned),
        ["From", &letter.from_account].map(str::to_owned),
        ["To", &letter.to_account].map(str::to_owned),
        ["Standing", &standing(letter)].map(str::to_owned),
        ["Parked", &parked].map(str::to_owned),
        ["Because", &format!("{} (attempts: {})", letter.reason, letter.attempts)].map(str::to_owned),
    ];
    if letter.transfer_status == "pending" {
        rows.push(["Waits for", &letter.step].map(str::to_owned));
    }
    let history: Vec<_> = letter
        .history
        .iter()
        .map(|happened| {
            let what =
                [Some(happened.event.as_str()), happened.step.as_deref(), happened.resolution.as_deref()];
            [
                happened.at.clone(),
                what.into_iter().flatten().collect::<Vec<_>>().join(" "),
                happened.actor.clone(),
                happened.reason.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let mut text = aligned(&rows);
    let _ = write!(text, "\n{}", aligned(&history));
    text
}
