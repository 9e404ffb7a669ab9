//! `daybook deadletter retry` and `resolve`: an operator's word, and what comes of it.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ledger_core::TransferId;
use ledger_core::dead_letter::Resolution;
use serde::{Deserialize, Serialize};

use super::letter::{Letter, PATIENCE};
use super::{ResolveArgs, RetryArgs, Waiting};
use crate::client::{ClientError, Server};
use crate::commands::Failure;
use crate::commands::server::OperatorFlags;

/// Time between two looks at a transfer.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[derive(Serialize)]
struct RetryBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct ResolveBody<'a> {
    resolution: Resolution,
    reason: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    position: u64,
}

/// What came of an operator's word, as `--json` prints it.
#[derive(Serialize)]
struct Report {
    outcome: Outcome,
    position: u64,
    /// Why the transfer failed or was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<String>,
    #[serde(flatten)]
    letter: Letter,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// The money arrived.
    Completed,
    /// The money is back.
    Failed,
    /// No money moved.
    Rejected,
    /// It could not go on this time either.
    ParkedAgain,
    /// Not ended in the time given.
    UnderWay,
}

pub(super) async fn retry(args: RetryArgs) -> Result<ExitCode, Failure> {
    let body = RetryBody { reason: args.reason.as_deref() };
    let position = say(&args.operator, args.transfer, "retry", &body).await?;
    finish(&args.operator, args.transfer, position, &args.waiting, None).await
}

pub(super) async fn resolve(args: ResolveArgs) -> Result<ExitCode, Failure> {
    let resolution = args.way.resolution()?;
    let body = ResolveBody { resolution, reason: &args.reason };
    let position = say(&args.operator, args.transfer, "resolve", &body).await?;
    finish(&args.operator, args.transfer, position, &args.waiting, Some(resolution)).await
}

/// Says it; the position from which on it stands.
async fn say(
    operator: &OperatorFlags,
    transfer: TransferId,
    word: &str,
    body: &(impl Serialize + Sync),
) -> Result<u64, Failure> {
    let path = format!("/api/v1/deadletters/{transfer}/{word}");
    let answer: Answer = operator.commands()?.post(&path, None, body, PATIENCE).await?;
    Ok(answer.position)
}

/// Waits for the end and tells of it.
async fn finish(
    operator: &OperatorFlags,
    transfer: TransferId,
    position: u64,
    waiting: &Waiting,
    wanted: Option<Resolution>,
) -> Result<ExitCode, Failure> {
    let mut out = std::io::stdout();
    if waiting.no_wait {
        if operator.json {
            writeln!(out, "{}", serde_json::json!({ "transfer_id": transfer, "position": position }))?;
        } else {
            writeln!(out, "Said. What comes of it: daybook deadletter show {transfer}")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let report = watch(&operator.reads()?, transfer, position, waiting.wait).await?;
    if operator.json {
        serde_json::to_writer_pretty(&out, &report)?;
        writeln!(out)?;
    } else {
        writeln!(out, "{report}")?;
    }
    Ok(if report.outcome.is_wanted(wanted) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Looks until the transfer has ended or was parked again, or the time is over.
async fn watch(
    server: &Server,
    transfer: TransferId,
    position: u64,
    within: Duration,
) -> Result<Report, ClientError> {
    #[derive(Deserialize)]
    struct Status {
        failure_reason: Option<String>,
    }
    let started = Instant::now();
    loop {
        let letter = Letter::of(server, transfer, Some(position)).await?;
        let outcome = match (letter.transfer_status.as_str(), letter.standing.as_str()) {
            ("completed", _) => Some(Outcome::Completed),
            ("failed", _) => Some(Outcome::Failed),
            ("rejected", _) => Some(Outcome::Rejected),
            // As of the word's own position, so it was parked after it.
            (_, "parked") => Some(Outcome::ParkedAgain),
            _ => (started.elapsed() >= within).then_some(Outcome::UnderWay),
        };
        if let Some(outcome) = outcome {
            let path = format!("/api/v1/transactions/{transfer}/status");
            let Status { failure_reason } = server.get(&path, Some(position), PATIENCE).await?;
            return Ok(Report { outcome, position, failure_reason, letter });
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

impl Outcome {
    /// True when it is what was asked for: any end after a retry, the end that was named after a resolution.
    fn is_wanted(self, resolution: Option<Resolution>) -> bool {
        match self {
            Self::Completed => resolution != Some(Resolution::Refund),
            Self::Failed | Self::Rejected => resolution != Some(Resolution::Complete),
            Self::ParkedAgain | Self::UnderWay => false,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Letter { transfer_id, from_account, to_account, reason, step, .. } = &self.letter;
        let money = self.letter.money();
        let why = self.failure_reason.as_deref().unwrap_or("no reason given");
        match self.outcome {
            Outcome::Completed => {
                write!(f, "Transfer {transfer_id} completed: {money} arrived on account {to_account}.")
            }
            Outcome::Failed => {
                write!(
                    f,
                    "Transfer {transfer_id} failed ({why}): {money} are back on account {from_account}."
                )
            }
            Outcome::Rejected => {
                write!(f, "Transfer {transfer_id} was rejected ({why}): nothing left account {from_account}.")
            }
            Outcome::ParkedAgain => {
                write!(f, "Transfer {transfer_id} was parked again ({reason}), waiting for: {step}.")
            }
            Outcome::UnderWay => {
                write!(
                    f,
                    "Transfer {transfer_id} has not ended yet. What comes of it: daybook deadletter show {transfer_id}"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ledger_core::dead_letter::Resolution::{Complete, Refund};

    use super::Outcome::{Completed, Failed, ParkedAgain, Rejected, UnderWay};

    #[test]
    fn an_end_is_good_when_it_is_the_one_that_was_said() {
        assert!([Completed, Failed, Rejected].iter().all(|outcome| outcome.is_wanted(None)));
        assert!(Completed.is_wanted(Some(Complete)) && !Completed.is_wanted(Some(Refund)));
        for refunded in [Failed, Rejected] {
            assert!(refunded.is_wanted(Some(Refund)) && !refunded.is_wanted(Some(Complete)));
        }
        for open in [ParkedAgain, UnderWay] {
            assert!([None, Some(Refund), Some(Complete)].iter().all(|said| !open.is_wanted(*said)));
        }
    }
}
