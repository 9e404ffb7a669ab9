//! `daybook transfers`: transfers that need somebody's attention.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use super::Failure;
use super::server::OperatorFlags;
use super::token::duration;
use crate::client::{ClientError, Server};
use crate::table::aligned;

/// How long a question is asked again when it is not answered.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the server gives at a time.
const PAGE: usize = 200;

const EXAMPLES: &str = "\
A transfer ends within milliseconds. One that has not is being tried again and again, or is
parked: then `daybook deadletter show ID` says why.

Examples:
  daybook transfers stuck
  daybook transfers stuck --older-than 5m --json";

/// What `daybook transfers` needs to know.
#[derive(Debug, Args)]
pub struct TransfersArgs {
    #[command(subcommand)]
    command: TransfersCommand,
}

#[derive(Debug, Subcommand)]
enum TransfersCommand {
    /// List transfers that have not ended, with their age and what they wait for, oldest first
    Stuck(StuckArgs),
}

/// Which transfers.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct StuckArgs {
    /// Only those asked for this long ago or longer: a number with s, m, h or d
    #[arg(long, value_name = "TIME", env = "DAYBOOK_OLDER_THAN", default_value = "60s", value_parser = duration)]
    older_than: Duration,
    /// How many at most
    #[arg(long, value_name = "N", env = "DAYBOOK_LIMIT", default_value_t = 1_000)]
    limit: usize,
    #[command(flatten)]
    operator: OperatorFlags,
}

/// A stuck transfer as the server gives it.
#[derive(Debug, Deserialize, Serialize)]
struct StuckTransfer {
    transfer_id: String,
    from_account: String,
    to_account: String,
    amount: String,
    currency: String,
    requested_at: String,
    age_seconds: i64,
    step: String,
    parked: bool,
}

#[derive(Deserialize)]
struct Page {
    transfers: Vec<StuckTransfer>,
    next: Option<String>,
}

/// Lists them.
///
/// # Errors
/// When the server does not answer, or refuses.
pub async fn run(args: TransfersArgs) -> Result<ExitCode, Failure> {
    let TransfersCommand::Stuck(args) = args.command;
    let (transfers, more) = stuck(&args.operator.reads()?, &args).await?;
    let mut out = std::io::stdout();
    if args.operator.json {
        serde_json::to_writer_pretty(&out, &transfers)?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    out.write_all(shown(&transfers).as_bytes())?;
    if more {
        writeln!(out, "… and more; --limit N shows more")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// As many as are wanted, and whether there are more.
async fn stuck(server: &Server, args: &StuckArgs) -> Result<(Vec<StuckTransfer>, bool), ClientError> {
    let older_than = args.older_than.as_secs();
    let mut transfers = Vec::new();
    let mut after = String::new();
    loop {
        let first = args.limit.saturating_sub(transfers.len()).min(PAGE);
        let path = format!("/api/v1/transactions/stuck?older_than={older_than}&first={first}{after}");
        let page: Page = server.get(&path, None, PATIENCE).await?;
        transfers.extend(page.transfers);
        match page.next {
            Some(next) if transfers.len() < args.limit => after = format!("&after={next}"),
            next => return Ok((transfers, next.is_some())),
        }
    }
}

fn shown(transfers: &[StuckTransfer]) -> String {
    if transfers.is_empty() {
        return "No transfer is stuck.\n".to_owned();
    }
    let header = ["TRANSFER", "AGE", "WAITS FOR", "PARKED", "FROM", "TO", "AMOUNT"].map(str::to_owned);
    let rows = transfers.iter().map(|transfer| {
        [
            transfer.transfer_id.clone(),
            age(transfer.age_seconds),
            transfer.step.clone(),
            if transfer.parked { "yes" } else { "no" }.to_owned(),
            transfer.from_account.clone(),
            transfer.to_account.clone(),
            format!("{} {}", transfer.amount, transfer.currency),
        ]
    });
    aligned(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

/// Seconds in the greatest unit that leaves more than one.
pub(super) fn age(seconds: i64) -> String {
    match seconds {
        172_800.. => format!("{}d", seconds / 86_400),
        7_200.. => format!("{}h", seconds / 3_600),
        120.. => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::age;

    #[test]
    fn ages_for_people() {
        let ages = [0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(age);
        assert_eq!(ages, ["0s", "119s", "2m", "119m", "2h", "47h", "2d"]);
    }
}
