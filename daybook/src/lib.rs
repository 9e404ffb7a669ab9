//! The one binary: every role in one process, and the commands of operators and auditors.
//!
//! [`commands`] has one file per command. The rest is what they stand on: what runs in a process (`process`), callers ([`auth`]), the
//! HTTP face ([`http`]), talking to a running daybook ([`client`]), the private Postgres ([`postgres`]), the import of bank files ([`import`]).

pub mod auth;
mod cli;
pub mod client;
pub mod commands;
pub mod data_dir;
pub mod health;
pub mod http;
pub mod import;
pub mod postgres;
mod process;
mod shutdown;
mod supervisor;
mod table;
mod telemetry;

use std::process::ExitCode;

pub use cli::Cli;

/// Runs one command. Errors are for people and go to standard error.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let result = tokio::runtime::Runtime::new()
        .map_err(commands::Failure::from)
        .and_then(|runtime| runtime.block_on(commands::run(cli.command)));
    result.unwrap_or_else(|failure| {
        eprintln!("daybook: {failure}");
        ExitCode::FAILURE
    })
}
