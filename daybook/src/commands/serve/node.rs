//! `daybook serve node`: the event store alone.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::listening;
use crate::commands::Failure;
use crate::data_dir::{self, DataDirLock};
use crate::process::flags::{EsdbFlags, HostFlags};
use crate::process::{Database, EventStorePlan, Host, Plan, Webhooks};

const EXAMPLES: &str = "\
Examples:
  daybook serve node
  daybook serve node --data-dir /srv/daybook --esdb 10.0.0.5:2113 \\
    --esdb-tls-cert node.crt --esdb-tls-key node.key \\
    --esdb-user bank --esdb-password-file password

Any EventStoreDB client connects to it: esdb://127.0.0.1:2113?tls=false, or with
TLS and a password esdb://bank:PASSWORD@HOST:2113";

/// What `daybook serve node` needs to know.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct NodeArgs {
    /// Where the log is kept; one process at a time has it
    #[arg(long, value_name = "DIR", env = "DAYBOOK_DATA_DIR", default_value = ".data")]
    data_dir: PathBuf,
    #[command(flatten)]
    esdb: EsdbFlags,
    /// Where HTTP listens, for health and metrics
    #[arg(long, value_name = "ADDRESS", env = "DAYBOOK_HTTP", default_value = "127.0.0.1:8084")]
    http: SocketAddr,
    #[command(flatten)]
    host: HostFlags,
}

pub(super) async fn run(args: NodeArgs) -> Result<ExitCode, Failure> {
    let host = Host::start(&args.host)?;
    let Some(esdb) = args.esdb.plan()? else {
        return Err("--esdb off: a node that nobody can reach is of no use; give it an address".into());
    };
    let data_dir = data_dir::prepare(&args.data_dir)?;
    let _lock = DataDirLock::take(&data_dir)?;
    let plan = Plan {
        http: args.http,
        event_store: EventStorePlan::Node { data_dir, esdb: Some(esdb) },
        roles: BTreeSet::new(),
        database: Database::Unneeded,
        keys: None,
        time_zone: chrono_tz::UTC,
        no_introspection: false,
        redis: None,
        files: None,
        month_end: None,
        worker: None,
        webhooks: Webhooks::default(),
    };
    host.run(plan, |reachable| listening(reachable, "event store", &[])).await
}
