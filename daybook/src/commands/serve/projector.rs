//! `daybook serve projector`: events to rows.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;

use super::listening;
use crate::commands::Failure;
use crate::process::flags::{DatabaseFlags, EventStoreFlags, HostFlags, TimeZoneFlags};
use crate::process::{Database, EventStorePlan, Host, Plan, RoleName, Webhooks};

const EXAMPLES: &str = "\
Examples:
  daybook serve projector --event-store 'esdb://127.0.0.1:2113?tls=false' \\
    --database-url postgres://bank@db/daybook
  daybook serve projector --event-store 'esdb+discover://bank:SECRET@cluster:2113' \\
    --database-url postgres://bank:SECRET@db/daybook --time-zone Europe/Prague
  daybook serve projector --event-store 'esdb://127.0.0.1:2113?tls=false' \\
    --database-url postgres://bank@db1/daybook --database-url postgres://bank@db2/daybook

It needs no keys: personal data passes through it encrypted.";

/// What `daybook serve projector` needs to know.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ProjectorArgs {
    #[command(flatten)]
    event_store: EventStoreFlags,
    #[command(flatten)]
    database: DatabaseFlags,
    /// Where HTTP listens, for health and metrics
    #[arg(long, value_name = "ADDRESS", env = "DAYBOOK_HTTP", default_value = "127.0.0.1:8083")]
    http: SocketAddr,
    #[command(flatten)]
    time_zone: TimeZoneFlags,
    #[command(flatten)]
    host: HostFlags,
}

pub(super) async fn run(args: ProjectorArgs) -> Result<ExitCode, Failure> {
    let host = Host::start(&args.host)?;
    let plan = Plan {
        http: args.http,
        event_store: EventStorePlan::Server(args.event_store.event_store),
        roles: [RoleName::Projector].into(),
        database: Database::given(&args.database.database_url)?,
        keys: None,
        time_zone: args.time_zone.time_zone,
        no_introspection: false,
        redis: None,
        files: None,
        month_end: None,
        worker: None,
        webhooks: Webhooks::default(),
    };
    host.run(plan, |reachable| listening(reachable, "projector", &[])).await
}
