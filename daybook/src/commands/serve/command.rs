//! `daybook serve command`: commands by HTTP, and the process manager.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;

use super::listening;
use crate::commands::Failure;
use crate::data_dir;
use crate::process::flags::{
    EventStoreFlags, HostFlags, KeysFlags, TimeZoneFlags, WebhookSecretFlags, WebhookTargetFlags, WorkerFlags,
};
use crate::process::{Database, EventStorePlan, Host, Plan, RoleName, Webhooks};

const EXAMPLES: &str = "\
Examples:
  daybook serve command --event-store 'esdb://127.0.0.1:2113?tls=false'
  daybook serve command --event-store 'esdb+discover://bank:SECRET@cluster:2113' \\
    --data-dir /mnt/keys --http 0.0.0.0:8081 --time-zone Europe/Prague

A second one on the same machine needs another address: --http 127.0.0.1:8091";

/// What `daybook serve command` needs to know.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CommandArgs {
    #[command(flatten)]
    event_store: EventStoreFlags,
    #[command(flatten)]
    keys: KeysFlags,
    /// Where HTTP listens
    #[arg(long, value_name = "ADDRESS", env = "DAYBOOK_HTTP", default_value = "127.0.0.1:8081")]
    http: SocketAddr,
    #[command(flatten)]
    time_zone: TimeZoneFlags,
    #[command(flatten)]
    worker: WorkerFlags,
    #[command(flatten)]
    webhook_targets: WebhookTargetFlags,
    #[command(flatten)]
    webhook_secrets: WebhookSecretFlags,
    #[command(flatten)]
    host: HostFlags,
}

pub(super) async fn run(args: CommandArgs) -> Result<ExitCode, Failure> {
    let host = Host::start(&args.host)?;
    let plan = Plan {
        http: args.http,
        event_store: EventStorePlan::Server(args.event_store.event_store),
        roles: [RoleName::Command, RoleName::ProcessManager].into(),
        database: Database::Unneeded,
        keys: Some(data_dir::existing(&args.keys.data_dir)?),
        time_zone: args.time_zone.time_zone,
        no_introspection: false,
        redis: None,
        files: None,
        month_end: None,
        worker: args.worker.worker,
        webhooks: Webhooks {
            allow_private: args.webhook_targets.webhooks_allow_private,
            secret_overlap: args.webhook_secrets.webhooks_secret_overlap,
            ..Webhooks::default()
        },
    };
    host.run(plan, |reachable| listening(reachable, "command role", &[("API", "/api/v1")])).await
}
