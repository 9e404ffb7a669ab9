//! `daybook deadletter`: transfers that were parked, and an operator's word on them.

mod letter;
mod read;
mod say;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use ledger_core::TransferId;
use ledger_core::dead_letter::Resolution;

use super::Failure;
use super::server::OperatorFlags;
use super::token::duration;

const LIST_EXAMPLES: &str = "\
Examples:
  daybook deadletter list
  daybook deadletter list --standing all --json";
const SHOW_EXAMPLES: &str = "\
Examples:
  daybook deadletter show 258730172895232001";
const RETRY_EXAMPLES: &str = "\
For a transfer whose obstacle was removed. The exit code is 0 when the transfer has ended,
1 when it was parked again, has not ended in time, or the server refused.

Examples:
  daybook deadletter retry 258730172895232001
  daybook deadletter retry 258730172895232001 --reason \"there is room again\" --subject desk-7";
const RESOLVE_EXAMPLES: &str = "\
--refund: the money goes back to the account it came from, or never leaves it.
--complete: the money arrives, even on an account that had refused it, frozen or closed.
Said once: the other way is closed from then on.
The exit code is 0 when the transfer has ended as told, else 1.

Examples:
  daybook deadletter resolve 258730172895232001 --refund --reason \"ticket 4711\"
  daybook deadletter resolve 258730172895232001 --complete --reason \"ticket 4712\" --subject desk-7";

/// What `daybook deadletter` needs to know.
#[derive(Debug, Args)]
pub struct DeadletterArgs {
    #[command(subcommand)]
    command: DeadletterCommand,
}

#[derive(Debug, Subcommand)]
enum DeadletterCommand {
    /// List parked transfers
    List(ListArgs),
    /// Show one with its history: what was tried, who said what and why
    Show(ShowArgs),
    /// Have a parked transfer tried again
    Retry(RetryArgs),
    /// Say how a parked transfer is to end
    Resolve(ResolveArgs),
}

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Standing {
    /// Those that wait for an operator
    Parked,
    /// Those that were to be tried again
    Retried,
    /// Those that were to end as an operator said
    Resolved,
    /// Those that have ended without an operator's word
    Ended,
    /// Every transfer that was ever parked
    All,
}

#[derive(Debug, Args)]
#[command(after_help = LIST_EXAMPLES)]
struct ListArgs {
    /// Which: by what was said of them last
    #[arg(long, env = "DAYBOOK_STANDING", default_value = "parked")]
    standing: Standing,
    /// How many at most
    #[arg(long, value_name = "N", env = "DAYBOOK_LIMIT", default_value_t = 1_000)]
    limit: usize,
    #[command(flatten)]
    operator: OperatorFlags,
}

#[derive(Debug, Args)]
#[command(after_help = SHOW_EXAMPLES)]
struct ShowArgs {
    /// The transfer
    #[arg(value_name = "ID")]
    transfer: TransferId,
    #[command(flatten)]
    operator: OperatorFlags,
}

#[derive(Debug, Args)]
#[command(after_help = RETRY_EXAMPLES)]
struct RetryArgs {
    /// The transfer
    #[arg(value_name = "ID")]
    transfer: TransferId,
    /// Why; it stands in the log for ever
    #[arg(long, value_name = "TEXT", env = "DAYBOOK_REASON")]
    reason: Option<String>,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    operator: OperatorFlags,
}

#[derive(Debug, Args)]
#[command(after_help = RESOLVE_EXAMPLES)]
struct ResolveArgs {
    /// The transfer
    #[arg(value_name = "ID")]
    transfer: TransferId,
    #[command(flatten)]
    way: Way,
    /// Why; it stands in the log for ever
    #[arg(long, value_name = "TEXT", env = "DAYBOOK_REASON")]
    reason: String,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    operator: OperatorFlags,
}

/// One of them must be true, which clap does not look at: to it, a variable that says "false" is a flag that was given.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Way {
    /// The money goes back, or never leaves
    #[arg(long, env = "DAYBOOK_REFUND")]
    refund: bool,
    /// The money arrives
    #[arg(long, env = "DAYBOOK_COMPLETE")]
    complete: bool,
}

impl Way {
    fn resolution(&self) -> Result<Resolution, Failure> {
        match (self.refund, self.complete) {
            (true, false) => Ok(Resolution::Refund),
            (false, true) => Ok(Resolution::Complete),
            (true, true) => Err("--refund and --complete are two ways: say one".into()),
            (false, false) => Err("say --refund or --complete".into()),
        }
    }
}

#[derive(Debug, Args)]
struct Waiting {
    /// How long to wait for the transfer's end: a number with s, m, h or d
    #[arg(long, value_name = "TIME", env = "DAYBOOK_WAIT", default_value = "30s", value_parser = duration)]
    wait: Duration,
    /// Do not wait for the transfer's end
    #[arg(long, env = "DAYBOOK_NO_WAIT")]
    no_wait: bool,
}

/// Does what was asked for.
///
/// # Errors
/// When the server does not answer, or refuses.
pub async fn run(args: DeadletterArgs) -> Result<ExitCode, Failure> {
    match args.command {
        DeadletterCommand::List(args) => read::list(args).await,
        DeadletterCommand::Show(args) => read::show(args).await,
        DeadletterCommand::Retry(args) => say::retry(args).await,
        DeadletterCommand::Resolve(args) => say::resolve(args).await,
    }
}
