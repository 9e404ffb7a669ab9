//! `daybook serve notifications`: tell webhooks what happens.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;

use super::listening;
use crate::commands::Failure;
use crate::data_dir;
use crate::process::flags::{
    DatabaseFlags, EventStoreFlags, HostFlags, KeysFlags, NotificationFlags, WebhookTargetFlags, WorkerFlags,
};
use crate::process::{Database, EventStorePlan, Host, Plan, RoleName, Webhooks};

const EXAMPLES: &str = "\
Examples:
  daybook serve notifications --event-store 'esdb://127.0.0.1:2113?tls=false' \\
    --database-url postgres://bank@db/daybook --data-dir /mnt/keys

The database is for the log of deliveries alone; while it is away, notifications are sent
and not noted.";

/// What `daybook serve notifications` needs to know.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct NotificationsArgs {
    #[command(flatten)]
    event_store: EventStoreFlags,
    #[command(flatten)]
    database: DatabaseFlags,
    #[command(flatten)]
    keys: KeysFlags,
    /// Where HTTP listens, for health and metrics
    #[arg(long, value_name = "ADDRESS", env = "DAYBOOK_HTTP", default_value = "127.0.0.1:8085")]
    http: SocketAddr,
    #[command(flatten)]
    worker: WorkerFlags,
    #[command(flatten)]
    targets: WebhookTargetFlags,
    #[command(flatten)]
    notifications: NotificationFlags,
    #[command(flatten)]
    host: HostFlags,
}

pub(super) async fn run(args: NotificationsArgs) -> Result<ExitCode, Failure> {
    let host = Host::start(&args.host)?;
    let plan = Plan {
        http: args.http,
        event_store: EventStorePlan::Server(args.event_store.event_store),
        roles: [RoleName::Notifications].into(),
        database: Database::given(&args.database.database_url)?,
        keys: Some(data_dir::existing(&args.keys.data_dir)?),
        time_zone: chrono_tz::UTC,
        no_introspection: false,
        redis: None,
        files: None,
        month_end: None,
        worker: args.worker.worker,
        webhooks: Webhooks { options: args.notifications.options(args.targets), ..Webhooks::default() },
    };
    host.run(plan, |reachable| listening(reachable, "notifications role", &[])).await
}
