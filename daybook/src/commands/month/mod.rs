//! `daybook month`: month ends.

mod close;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::Failure;

/// What `daybook month` needs to know.
#[derive(Debug, Args)]
pub struct MonthArgs {
    #[command(subcommand)]
    command: MonthCommand,
}

#[derive(Debug, Subcommand)]
enum MonthCommand {
    /// Make a statement for every account that had activity in a month, or a balance at its end
    Close(close::CloseArgs),
}

/// Does it.
///
/// # Errors
/// When it cannot be done.
pub async fn run(args: MonthArgs) -> Result<ExitCode, Failure> {
    let MonthCommand::Close(args) = args.command;
    Box::pin(close::run(args)).await
}
