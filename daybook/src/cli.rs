//! The command line.

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{Parser, Subcommand};

use crate::commands::{
    archive, deadletter, health, import, month, rebuild, serve, status, token, transfers, up,
};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::Cyan.on_default());

/// Daybook, an event-sourced bank ledger.
///
/// Every flag can also be given as the environment variable that its help names.
#[derive(Debug, Parser)]
#[command(name = "daybook", version, styles = STYLES, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything in one process: event store, commands, process manager, projector, queries
    Up(Box<up::UpArgs>),
    /// Run one role in a process of its own: node, command, projector, query, notifications or month-end
    Serve(Box<serve::ServeArgs>),
    /// Show how a running daybook fares: roles, projections, lag, throughput, stuck transfers, dead letters
    Status(status::StatusArgs),
    /// Ask a running daybook whether it is ready
    Health(health::HealthArgs),
    /// Print a bearer token of the local issuer
    Token(token::TokenArgs),
    /// Import a bank's transactions from a CSV file, and check them to the cent
    Import(import::ImportArgs),
    /// List and show transfers that were parked, have them tried again, or say how they are to end
    Deadletter(deadletter::DeadletterArgs),
    /// Close a month: a statement for every account, as PDF, CSV and camt.053
    Month(Box<month::MonthArgs>),
    /// Make projections anew beside the live ones, compare, and exchange them
    Rebuild(rebuild::RebuildArgs),
    /// Take old months out of Postgres into Parquet files, which answer as before; and back
    Archive(archive::ArchiveArgs),
    /// List transfers that have not ended for longer than they should
    Transfers(transfers::TransfersArgs),
}
