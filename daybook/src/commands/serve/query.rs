//! `daybook serve query`: queries by HTTP.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;

use super::listening;
use crate::commands::Failure;
use crate::data_dir;
use crate::process::flags::{DatabaseFlags, EventStoreFlags, HostFlags, KeysFlags, QueryFlags};
use crate::process::{Database, EventStorePlan, FilesArgs, Host, Plan, RoleName, Webhooks};

const EXAMPLES: &str = "\
Examples:
  daybook serve query --event-store 'esdb://127.0.0.1:2113?tls=false' \\
    --database-url postgres://bank@db/daybook
  daybook serve query --event-store 'esdb+discover://bank:SECRET@cluster:2113' \\
    --database-url postgres://bank:SECRET@replica/daybook \\
    --data-dir /mnt/keys --http 0.0.0.0:8082
  daybook serve query --event-store 'esdb://127.0.0.1:2113?tls=false' \\
    --database-url postgres://bank@db1/daybook --database-url postgres://bank@db2/daybook";

/// What `daybook serve query` needs to know.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct QueryArgs {
    #[command(flatten)]
    event_store: EventStoreFlags,
    #[command(flatten)]
    database: DatabaseFlags,
    #[command(flatten)]
    keys: KeysFlags,
    /// Where HTTP listens
    #[arg(long, value_name = "ADDRESS", env = "DAYBOOK_HTTP", default_value = "127.0.0.1:8082")]
    http: SocketAddr,
    #[command(flatten)]
    files: FilesArgs,
    #[command(flatten)]
    query: QueryFlags,
    #[command(flatten)]
    host: HostFlags,
}

pub(super) async fn run(args: QueryArgs) -> Result<ExitCode, Failure> {
    let host = Host::start(&args.host)?;
    let data_dir = data_dir::existing(&args.keys.data_dir)?;
    let plan = Plan {
        http: args.http,
        event_store: EventStorePlan::Server(args.event_store.event_store),
        roles: [RoleName::Query].into(),
        database: Database::given(&args.database.database_url)?,
        files: Some(args.files.open(&data_dir)?),
        keys: Some(data_dir),
        time_zone: chrono_tz::UTC,
        no_introspection: args.query.no_introspection,
        redis: args.query.redis()?,
        month_end: None,
        worker: None,
        webhooks: Webhooks::default(),
    };
    let paths = [("API", "/api/v1"), ("GraphQL", "/graphql"), ("GraphiQL", "/graphiql")];
    host.run(plan, |reachable| listening(reachable, "query role", &paths)).await
}
