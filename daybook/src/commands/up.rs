//! `daybook up`: every role in one process, or some of them.

mod welcome;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::{DataDir, Failure};
use crate::data_dir::{self, DataDirLock};
use crate::process::flags::{
    EsdbFlags, HostFlags, NotificationFlags, QueryFlags, TimeZoneFlags, WebhookSecretFlags,
    WebhookTargetFlags, WorkerFlags,
};
use crate::process::{Database, EventStorePlan, FilesArgs, Host, MonthEndFlags, Plan, RoleName, Webhooks};

const EXAMPLES: &str = "\
Examples:
  daybook up
  daybook up --data-dir /srv/daybook --http 0.0.0.0:8080 --time-zone Europe/Prague
  daybook up --database-url postgres://daybook@db/daybook
  daybook up --database-url postgres://daybook@db1/daybook --database-url postgres://daybook@db2/daybook
  daybook up --event-store 'esdb+discover://bank:SECRET@cluster.example.com:2113'
  daybook up --close-months-at 03:00 --bank-name 'Bank of Bohemia' --time-zone Europe/Prague
  daybook up --roles command,process-manager      (writes only, no Postgres)";

/// What `daybook up` needs to know.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct UpArgs {
    #[command(flatten)]
    data_dir: DataDir,
    /// Where HTTP listens
    #[arg(long, value_name = "ADDRESS", env = "DAYBOOK_HTTP", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    #[command(flatten)]
    esdb: EsdbFlags,
    /// An EventStoreDB (KurrentDB) server or cluster as the log, such as esdb://127.0.0.1:2113?tls=false [default: the embedded event
    /// store in the data directory]
    #[arg(
        long,
        value_name = "URL",
        env = "DAYBOOK_EVENT_STORE",
        hide_env_values = true,
        conflicts_with = "esdb"
    )]
    event_store: Option<String>,
    /// A Postgres database for the read models [default: a private server in the data directory]. Given up to four times, or with commas
    /// between, each has a part of the rows: always in the same order and number
    #[arg(long, value_name = "URL", env = "DAYBOOK_DATABASE_URL", hide_env_values = true)]
    database_url: Vec<String>,
    /// The folder of the installed Postgres server's programs [default: found]
    #[arg(long, value_name = "DIR", env = "DAYBOOK_POSTGRES_BIN", conflicts_with = "database_url")]
    postgres_bin: Option<PathBuf>,
    /// What runs in this process
    #[arg(
        long,
        value_name = "ROLES",
        env = "DAYBOOK_ROLES",
        value_enum,
        value_delimiter = ',',
        default_value = "command,process-manager,projector,query,notifications"
    )]
    roles: Vec<RoleName>,
    #[command(flatten)]
    time_zone: TimeZoneFlags,
    #[command(flatten)]
    worker: WorkerFlags,
    #[command(flatten)]
    files: FilesArgs,
    #[command(flatten)]
    month_end: MonthEndFlags,
    #[command(flatten)]
    query: QueryFlags,
    #[command(flatten)]
    webhook_targets: WebhookTargetFlags,
    #[command(flatten)]
    webhook_secrets: WebhookSecretFlags,
    #[command(flatten)]
    notifications: NotificationFlags,
    #[command(flatten)]
    host: HostFlags,
}

/// Runs until Ctrl-C or SIGTERM.
///
/// # Errors
/// When something needed cannot be started. What fails later is logged, shown by `/health/ready` and tried again.
pub async fn run(args: UpArgs) -> Result<ExitCode, Failure> {
    let host = Host::start(&args.host)?;
    let data_dir = data_dir::prepare(&args.data_dir.data_dir)?;
    let _lock = DataDirLock::take(&data_dir)?;
    let mut roles: BTreeSet<RoleName> = args.roles.iter().copied().collect();
    roles.extend(args.month_end.is_wanted().then_some(RoleName::MonthEnd));
    let database = database(&args, &roles, &data_dir)?;
    let postgres = database.describe();
    let plan = Plan {
        http: args.http,
        event_store: match &args.event_store {
            Some(url) => EventStorePlan::Server(url.clone()),
            None => EventStorePlan::Node { data_dir: data_dir.clone(), esdb: args.esdb.plan()? },
        },
        roles,
        database,
        keys: Some(data_dir.clone()),
        time_zone: args.time_zone.time_zone,
        no_introspection: args.query.no_introspection,
        redis: args.query.redis()?,
        files: args.roles.contains(&RoleName::Query).then(|| args.files.open(&data_dir)).transpose()?,
        month_end: args.month_end.plan(|| args.files.open(&data_dir)).await?,
        worker: args.worker.worker,
        webhooks: Webhooks {
            allow_private: args.webhook_targets.webhooks_allow_private,
            secret_overlap: args.webhook_secrets.webhooks_secret_overlap,
            options: args.notifications.options(args.webhook_targets),
        },
    };
    let is_elsewhere = args.event_store.is_some();
    host.run(plan, |reachable| welcome::text(reachable, is_elsewhere, &data_dir, &postgres)).await
}

fn database(args: &UpArgs, roles: &BTreeSet<RoleName>, data_dir: &Path) -> Result<Database, Failure> {
    let reading = [RoleName::Projector, RoleName::Query, RoleName::MonthEnd];
    if !reading.iter().any(|role| roles.contains(role)) {
        return Ok(Database::Unneeded);
    }
    if args.database_url.is_empty() {
        return Ok(Database::private(data_dir, args.postgres_bin.as_deref())?);
    }
    Database::given(&args.database_url)
}
