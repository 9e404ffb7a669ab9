//! `daybook serve`: one role in a process of its own.

mod command;
mod month_end;
mod node;
mod notifications;
mod projector;
mod query;

use std::fmt::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::Failure;
use crate::process::{Reachable, reachable_here};

const EXAMPLES: &str = "\
On one machine, each in a terminal of its own:
  export DAYBOOK_EVENT_STORE='esdb://127.0.0.1:2113?tls=false'
  export DAYBOOK_DATABASE_URL=postgres://bank@db/daybook
  daybook serve node
  daybook serve command
  daybook serve projector
  daybook serve query
  daybook serve notifications
  daybook serve month-end

With an EventStoreDB (KurrentDB) server or cluster as the log there is no node:
  export DAYBOOK_EVENT_STORE='esdb+discover://bank:SECRET@cluster:2113'";

/// What `daybook serve` needs to know.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ServeArgs {
    #[command(subcommand)]
    role: Role,
}

/// The roles.
#[derive(Debug, Subcommand)]
enum Role {
    /// The embedded event store, served in EventStoreDB's protocol
    Node(node::NodeArgs),
    /// Commands by HTTP, and the process manager; run as many as you like
    Command(command::CommandArgs),
    /// Events to rows in Postgres; up to four share the work
    Projector(projector::ProjectorArgs),
    /// Queries by HTTP; run as many as you like
    Query(query::QueryArgs),
    /// Signed notifications to webhooks; one sends, a second one waits
    Notifications(notifications::NotificationsArgs),
    /// Statements, on the first of each month; one closes, a second one waits
    MonthEnd(month_end::MonthEndArgs),
}

/// Runs one role until Ctrl-C or SIGTERM.
///
/// # Errors
/// When something needed cannot be started. What fails later is logged, shown by `/health/ready` and tried again.
pub async fn run(args: ServeArgs) -> Result<ExitCode, Failure> {
    match args.role {
        Role::Node(args) => node::run(args).await,
        Role::Command(args) => command::run(args).await,
        Role::Projector(args) => projector::run(args).await,
        Role::Query(args) => query::run(args).await,
        Role::Notifications(args) => notifications::run(args).await,
        Role::MonthEnd(args) => month_end::run(args).await,
    }
}

/// What a role prints as soon as it listens: where, as lines of a name and a URL.
fn listening(reachable: &Reachable, role: &str, paths: &[(&str, &str)]) -> String {
    let url = format!("http://{}", reachable_here(reachable.http));
    let mut text = format!("\nDaybook's {role} listens.\n\n");
    // Writing to a string cannot fail.
    for (name, path) in paths.iter().chain(&[("Health", "/health/ready"), ("Metrics", "/metrics")]) {
        let _ = writeln!(text, "  {name:<9} {url}{path}");
    }
    if let Some(esdb) = &reachable.esdb {
        let _ = writeln!(text, "  {:<9} {esdb}", "Log");
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::listening;
    use crate::process::Reachable;

    #[test]
    fn a_role_says_where_it_is() {
        let reachable = Reachable { http: "0.0.0.0:8081".parse().unwrap(), esdb: None };
        let text = listening(&reachable, "command role", &[("API", "/api/v1")]);
        assert!(text.contains("\n  API       http://127.0.0.1:8081/api/v1\n"), "{text}");
        assert!(text.contains("\n  Health    http://127.0.0.1:8081/health/ready\n"), "{text}");
    }
}
