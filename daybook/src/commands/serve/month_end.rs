//! `daybook serve month-end`: close months by itself.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;
use statements::CloseTime;

use super::listening;
use crate::commands::Failure;
use crate::data_dir;
use crate::process::bank::BankFlags;
use crate::process::flags::{DatabaseFlags, EventStoreFlags, HostFlags, KeysFlags, TimeZoneFlags};
use crate::process::{Database, EventStorePlan, FilesArgs, Host, MonthEndPlan, Plan, RoleName, Webhooks};

const EXAMPLES: &str = "\
Examples:
  daybook serve month-end --event-store 'esdb://127.0.0.1:2113?tls=false' \\
    --database-url postgres://bank@db/daybook --data-dir /mnt/keys --time-zone Europe/Prague \\
    --bank-name 'Bank of Bohemia' --files-url s3://bank/daybook

On the first of a month it does what `daybook month close` does; a close that failed is tried again.";

/// What `daybook serve month-end` needs to know.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct MonthEndArgs {
    #[command(flatten)]
    event_store: EventStoreFlags,
    #[command(flatten)]
    database: DatabaseFlags,
    #[command(flatten)]
    keys: KeysFlags,
    /// When last month is closed: a time on the first of each month in the bank's time zone. Earlier months that are open go first. What is
    /// due already is done at the start
    #[arg(long, value_name = "HH:MM", env = "DAYBOOK_CLOSE_MONTHS_AT", default_value = "03:00", value_parser = close_time)]
    close_months_at: CloseTime,
    /// Where HTTP listens, for health and metrics
    #[arg(long, value_name = "ADDRESS", env = "DAYBOOK_HTTP", default_value = "127.0.0.1:8086")]
    http: SocketAddr,
    #[command(flatten)]
    files: FilesArgs,
    #[command(flatten)]
    bank: BankFlags,
    #[command(flatten)]
    time_zone: TimeZoneFlags,
    #[command(flatten)]
    host: HostFlags,
}

fn close_time(text: &str) -> Result<CloseTime, String> {
    text.parse().map_err(|error: statements::CloseTimeError| error.to_string())
}

pub(super) async fn run(args: MonthEndArgs) -> Result<ExitCode, Failure> {
    let host = Host::start(&args.host)?;
    let data_dir = data_dir::existing(&args.keys.data_dir)?;
    let files = args.files.open(&data_dir)?;
    let plan = Plan {
        http: args.http,
        event_store: EventStorePlan::Server(args.event_store.event_store),
        roles: [RoleName::MonthEnd].into(),
        database: Database::given(&args.database.database_url)?,
        keys: Some(data_dir),
        time_zone: args.time_zone.time_zone,
        no_introspection: false,
        redis: None,
        files: None,
        month_end: Some(MonthEndPlan::new(args.close_months_at, &args.bank, files).await?),
        worker: None,
        webhooks: Webhooks::default(),
    };
    host.run(plan, |reachable| listening(reachable, "month-end role", &[])).await
}
