//! `daybook import`: a bank's transactions from a CSV file, and the check that they arrived.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::Failure;
use super::server::ServerFlags;
use crate::client::Server;
use crate::import::file::{self, ReadOptions};
use crate::import::progress;
use crate::import::row::Row;
use crate::import::send::{Difference, Sent, Stopped, send};
use crate::import::verify::{Verified, verify};
use crate::shutdown::INTERRUPTED;

const HELP: &str = "\
The file has a header and one row for each transaction, in the order of booking. Columns go by name:
  transaction_id, account_id                 their numbers, up to 64 characters
  booked_on                                  the day, 1993-01-31
  direction                                  credit or debit
  amount, currency                           above zero, with the currency's digits; ISO 4217 code
  operation                                  cash_deposit, cash_withdrawal, card_withdrawal, transfer_in,
                                             transfer_out or interest
  purpose                                    empty, or interest_credited, penalty_interest, statement_fee, pension,
                                             household, insurance or loan_payment
  counterparty_bank, counterparty_account    may be empty
  balance_after                              the account's balance with this row in it

The whole file is checked before anything is sent. Importing it again changes nothing; after an interruption it goes on.

Examples:
  daybook import transactions.csv --verify
  daybook import transactions.csv --url http://ledger:8080 --token \"$TOKEN\" --json";

/// How long the import's own token is good.
const TOKEN_TTL: Duration = Duration::from_secs(12 * 3_600);
/// Differences shown to people; `--json` has all.
const DIFFERENCES_SHOWN: usize = 20;

/// What `daybook import` needs to know.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct ImportArgs {
    /// The CSV file
    file: PathBuf,
    #[command(flatten)]
    server: ServerFlags,
    /// Afterwards read everything back through GraphQL and compare: every balance, monthly sums, the trial balance
    #[arg(long, env = "DAYBOOK_VERIFY")]
    verify: bool,
    /// Only read back and compare what was imported earlier
    #[arg(long, env = "DAYBOOK_VERIFY_ONLY", conflicts_with = "verify")]
    verify_only: bool,
    /// Accounts may begin with a balance, from an earlier file
    #[arg(long, env = "DAYBOOK_CONTINUES")]
    continues: bool,
    /// Print the result as JSON
    #[arg(long, env = "DAYBOOK_JSON")]
    json: bool,
}

/// What an import did, as `--json` prints it.
#[derive(Default, Serialize)]
struct Report {
    file: String,
    rows: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    import: Option<Imported>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verify: Option<Verified>,
    /// Why it did not come to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct Imported {
    accounts_opened: u64,
    booked: u64,
    already_booked: u64,
    position: u64,
    seconds: f64,
    rows_per_second: f64,
    differences: Vec<Difference>,
}

/// Imports, and compares if asked to.
///
/// # Errors
/// When the file is refused, or the server is.
pub async fn run(args: ImportArgs) -> Result<ExitCode, Failure> {
    let mut report = Report { file: args.file.display().to_string(), ..Report::default() };
    let result = import(&args, &mut report).await;
    if args.json {
        report.error = result.as_ref().err().map(ToString::to_string);
        serde_json::to_writer_pretty(std::io::stdout(), &report)?;
        writeln!(std::io::stdout())?;
        return Ok(result.unwrap_or(ExitCode::FAILURE));
    }
    result
}

async fn import(args: &ImportArgs, report: &mut Report) -> Result<ExitCode, Failure> {
    let path = args.file.clone();
    let options = ReadOptions { continues: args.continues };
    let read = tokio::task::spawn_blocking(move || file::read(&path, options)).await?;
    let rows = read.map_err(|error| format!("{}: {error}\nNothing was sent.", args.file.display()))?;
    report.rows = rows.len();
    let server = args.server.connect("import", TOKEN_TTL)?;

    let mut position = None;
    if !args.verify_only {
        let (imported, stopped) = book(&server, &rows).await;
        position = Some(imported.position);
        if stopped.is_none() || imported.position > 0 {
            say(args, &imported.to_string())?;
        }
        say(args, &shown(&imported.differences))?;
        let differs = !imported.differences.is_empty();
        let stopped = stopped.map(|stopped| interruption(&stopped, rows.len(), &imported));
        report.import = Some(imported);
        match stopped {
            Some((code, reason)) if code == INTERRUPTED => {
                report.error = Some(reason.clone());
                eprintln!("daybook: {reason}");
                return Ok(ExitCode::from(INTERRUPTED));
            }
            Some((_, reason)) => return Err(reason.into()),
            None if differs => return Ok(ExitCode::FAILURE),
            None => {}
        }
    }
    if !args.verify && !args.verify_only {
        return Ok(ExitCode::SUCCESS);
    }
    let position = match position {
        Some(position) => position,
        None => server.position().await?,
    };
    let bar = progress::bar("Compare", rows.len());
    let verified = verify(&server, &rows, position, &bar).await;
    bar.finish_and_clear();
    let verified = verified?;
    say(args, &verified.to_string())?;
    say(args, &shown(&verified.differences))?;
    let same = verified.differences.is_empty();
    report.verify = Some(verified);
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn book(server: &Server, rows: &[Row]) -> (Imported, Option<Stopped>) {
    let stop = CancellationToken::new();
    let bar = progress::bar("Import", rows.len());
    let started = Instant::now();
    let sending = send(server, rows, &bar, &stop);
    let mut sending = std::pin::pin!(sending);
    let sent = tokio::select! {
        sent = sending.as_mut() => sent,
        _ = tokio::signal::ctrl_c() => {
            // What is under way is answered, so that the count is right.
            stop.cancel();
            sending.await
        }
    };
    bar.finish_and_clear();
    Imported::of(sent, started.elapsed())
}

impl Imported {
    fn of(sent: Sent, elapsed: Duration) -> (Self, Option<Stopped>) {
        let seconds = elapsed.as_secs_f64();
        let rows = sent.booked.saturating_add(sent.already_booked);
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rows_per_second = rows as f64 / seconds.max(0.001);
        let imported = Self {
            accounts_opened: sent.accounts_opened,
            booked: sent.booked,
            already_booked: sent.already_booked,
            position: sent.position,
            seconds,
            rows_per_second,
            differences: sent.differences,
        };
        (imported, sent.stopped)
    }
}

/// The exit code and words for an import that ended early.
fn interruption(stopped: &Stopped, rows: usize, imported: &Imported) -> (u8, String) {
    let done = imported.booked.saturating_add(imported.already_booked);
    let again = "Run the same command again: it goes on from there.";
    let rows = grouped(rows as u64);
    match stopped {
        Stopped::Interrupted => {
            (INTERRUPTED, format!("interrupted; {} of {rows} rows are booked. {again}", grouped(done)))
        }
        // The answers that did not come may have been about booked rows.
        Stopped::Failed(error) => {
            let done = if done == 0 { "no row".to_owned() } else { grouped(done) };
            (1, format!("{error}\nThe server confirmed {done} of {rows} rows. {again}"))
        }
    }
}

fn say(args: &ImportArgs, text: &str) -> std::io::Result<()> {
    if args.json || text.is_empty() {
        return Ok(());
    }
    writeln!(std::io::stdout(), "{text}")
}

impl std::fmt::Display for Imported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} booked", grouped(self.booked))?;
        if self.already_booked > 0 {
            write!(f, ", {} were already there", grouped(self.already_booked))?;
        }
        if self.accounts_opened > 0 {
            write!(f, ", {} accounts opened", grouped(self.accounts_opened))?;
        }
        write!(f, "; {:.1} s, {:.0} rows/s", self.seconds, self.rows_per_second)
    }
}

impl std::fmt::Display for Verified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let compared = format!(
            "{} transactions, {} months and final balances of {} accounts ({} overdrawn), and the trial balance",
            grouped(self.transactions as u64),
            grouped(self.months as u64),
            grouped(self.accounts as u64),
            grouped(self.overdrawn as u64)
        );
        match self.differences.len() {
            0 => write!(f, "Compared {compared}: all as in the file."),
            count => write!(f, "Compared {compared}: {} DIFFERENCES.", grouped(count as u64)),
        }
    }
}

fn shown(differences: &[Difference]) -> String {
    let mut lines: Vec<String> = differences.iter().take(DIFFERENCES_SHOWN).map(line).collect();
    if differences.len() > DIFFERENCES_SHOWN {
        let more = differences.len().saturating_sub(DIFFERENCES_SHOWN);
        lines.push(format!("… and {} more; --json has them all", grouped(more as u64)));
    }
    lines.join("\n")
}

fn line(difference: &Difference) -> String {
    let place = difference.line.map(|line| format!("line {line}: ")).unwrap_or_default();
    format!(
        "{place}{}\n  in the file: {}\n  in Daybook:  {}",
        difference.what, difference.file, difference.server
    )
}

/// 8139 as "8,139".
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && digits.len().saturating_sub(place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn numbers_for_people() {
        let numbers = [0, 12, 999, 1_000, 8_139, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "12", "999", "1,000", "8,139", "1,234,567"]);
    }
}
