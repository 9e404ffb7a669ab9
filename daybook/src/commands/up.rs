//! `daybook up`: every role in one process, or some of them.

mod database;
mod roles;
mod welcome;

use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono_tz::Tz;
use clap::{Args, ValueEnum};
use eventstore_node::{Node, NodeOptions};
use ledger_core::id::WORKER_MAX;
use ledger_streams::EventStore;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::database::Database;
use self::roles::{Roles, Running};
use super::{DataDir, Failure};
use crate::auth::Issuer;
use crate::data_dir::{self, DataDirLock};
use crate::health::{Component, EventStoreProbe, Health};
use crate::http::{self, Front};
use crate::shutdown;
use crate::telemetry::{self, LogFormat};

const EXAMPLES: &str = "\
Examples:
  daybook up
  daybook up --data-dir /srv/daybook --http 0.0.0.0:8080 --time-zone Europe/Prague
  daybook up --database-url postgres://daybook@db/daybook
  daybook up --roles command,process-manager      (writes only, no Postgres)";

/// How long each part may take to stop.
const STOP_TIME_MAX: Duration = Duration::from_secs(15);
/// Above Postgres's own bounds.
const POSTGRES_STOP_TIME_MAX: Duration = Duration::from_secs(60);
/// Open files we ask for: connections are files, and the usual limit is 1,024.
const FILES_WANTED: u64 = 65_536;

/// What `daybook up` needs to know.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct UpArgs {
    #[command(flatten)]
    data_dir: DataDir,
    /// Where HTTP listens
    #[arg(long, value_name = "ADDRESS", env = "DAYBOOK_HTTP", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// A Postgres database for the read models [default: a private server in the data directory]
    #[arg(long, value_name = "URL", env = "DAYBOOK_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
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
        default_value = "command,process-manager,projector,query"
    )]
    roles: Vec<RoleName>,
    /// The bank's time zone: days and months begin at its midnight
    #[arg(long, value_name = "ZONE", env = "DAYBOOK_TIME_ZONE", default_value = "UTC", value_parser = time_zone)]
    time_zone: Tz,
    /// This process's number in the ids it makes, 0 to 1023; no two processes may share one
    #[arg(
        long,
        value_name = "N",
        env = "DAYBOOK_WORKER",
        default_value_t = 0,
        value_parser = clap::value_parser!(u16).range(0..=i64::from(WORKER_MAX))
    )]
    worker: u16,
    /// HTTP connections open at a time; further ones wait
    #[arg(
        long,
        value_name = "N",
        env = "DAYBOOK_HTTP_CONNECTIONS",
        default_value_t = 4096,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    http_connections: u32,
    /// How log lines look
    #[arg(
        long,
        value_name = "FORMAT",
        env = "DAYBOOK_LOG_FORMAT",
        value_enum,
        default_value_t = LogFormat::Text
    )]
    log_format: LogFormat,
    /// Which log lines are written, such as `warn` or `info,daybook=debug` [default: info]
    #[arg(long, value_name = "FILTER", env = "DAYBOOK_LOG")]
    log: Option<String>,
    /// Not there yet: EventStoreDB's gRPC protocol
    #[arg(long, value_name = "ADDRESS", env = "DAYBOOK_ESDB", hide = true)]
    esdb: Option<String>,
    /// Not there yet: an EventStoreDB server as the log
    #[arg(long, value_name = "URL", env = "DAYBOOK_EVENT_STORE", hide = true)]
    event_store: Option<String>,
}

/// A part of daybook that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum RoleName {
    /// Takes commands by HTTP
    Command,
    /// Brings transfers to their end
    ProcessManager,
    /// Fills the read models
    Projector,
    /// Answers queries by HTTP
    Query,
}

/// Runs until Ctrl-C or SIGTERM.
///
/// # Errors
/// When something needed cannot be started. What fails later is logged, shown by `/health/ready` and tried again.
pub async fn run(args: UpArgs) -> Result<ExitCode, Failure> {
    refuse_what_is_not_there(&args)?;
    let started = Instant::now();
    telemetry::start_logging(args.log_format, args.log.as_deref())?;
    raise_file_limit();
    let stop = shutdown::on_signal()?;
    let metrics = telemetry::start_metrics()?;

    // What can be refused is refused before anything runs.
    let data_dir = data_dir::prepare(&args.data_dir.data_dir)?;
    let _lock = DataDirLock::take(&data_dir)?;
    let listener = listen(args.http).await?;
    let address = listener.local_addr()?;
    let names: BTreeSet<RoleName> = args.roles.iter().copied().collect();
    let database = Database::plan(&args, &names, &data_dir)?;
    let issuer = Issuer::open(&data_dir)?;

    let node = open_node(&data_dir).await?;
    let health = Arc::new(Health::new(components(&names, &database), probe(node.clone())));
    let store = EventStore::Embedded(node.clone());
    let welcome = welcome::text(address, &data_dir, &database.describe());
    let roles = Roles::open(&args, names, &data_dir, store, database, Arc::clone(&health)).await?;
    let postgres = roles.start_database();
    let process_manager = roles.start_process_manager();
    let projector = roles.start_projector();
    let pages = http::pages(Arc::clone(&health), metrics, &roles.openapi);
    let router = http::with_problems(roles.router.clone().merge(pages));
    let front = Arc::new(Front::new(router, issuer.verifier()));
    let http = {
        let stop = CancellationToken::new();
        let connections = usize::try_from(args.http_connections)?;
        Running { task: tokio::spawn(http::serve(listener, front, connections, stop.clone())), stop }
    };

    std::io::stdout().write_all(welcome.as_bytes())?;
    report_ready(health, started, stop.clone());
    stop.cancelled().await;

    // Each part stops before what it stands on.
    let stopping = Instant::now();
    http.end("HTTP", STOP_TIME_MAX).await;
    if let Some(process_manager) = process_manager {
        process_manager.end("the process manager", STOP_TIME_MAX).await;
    }
    if let Some(projector) = projector {
        projector.end("the projector", STOP_TIME_MAX).await;
    }
    bounded("queries", roles.close()).await;
    bounded("the event store", node.shutdown()).await;
    if let Some(postgres) = postgres {
        postgres.end("Postgres", POSTGRES_STOP_TIME_MAX).await;
    }
    tracing::info!("stopped after {:.1} s", stopping.elapsed().as_secs_f64());
    Ok(ExitCode::SUCCESS)
}

fn refuse_what_is_not_there(args: &UpArgs) -> Result<(), Failure> {
    let (flag, what) = match (&args.esdb, &args.event_store) {
        (Some(_), _) => ("--esdb (DAYBOOK_ESDB)", "serve EventStoreDB's gRPC protocol"),
        (_, Some(_)) => ("--event-store (DAYBOOK_EVENT_STORE)", "use an EventStoreDB server"),
        (None, None) => return Ok(()),
    };
    Err(format!(
        "{flag}: this version does not {what} yet. Leave it out: the log is then the embedded event store in the data \
         directory, and HTTP (--http) is the way in."
    )
    .into())
}

fn time_zone(name: &str) -> Result<Tz, String> {
    let wrong = |_| "not a time zone of the IANA database, such as UTC or Europe/Prague".to_owned();
    name.parse().map_err(wrong)
}

fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(FILES_WANTED, |maximum| maximum.min(FILES_WANTED));
    if limit.current.is_some_and(|current| current < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit })
    {
        tracing::debug!(%error, "cannot raise the limit on open files");
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let refused =
        |error| format!("cannot listen on {address}: {error}; choose another address with --http ADDRESS");
    Ok(TcpListener::bind(address).await.map_err(refused)?)
}

async fn open_node(data_dir: &Path) -> Result<Node, Failure> {
    let options = NodeOptions::new(data_dir);
    Ok(tokio::task::spawn_blocking(move || Node::open(options)).await??)
}

fn probe(node: Node) -> EventStoreProbe {
    Box::new(move || match node.failure() {
        None => Ok(node.head()),
        Some(failure) => Err(failure.to_string()),
    })
}

fn components(names: &BTreeSet<RoleName>, database: &Database) -> Vec<Component> {
    let mut components = Vec::new();
    components.extend(names.contains(&RoleName::ProcessManager).then_some(Component::ProcessManager));
    components.extend(names.contains(&RoleName::Projector).then_some(Component::Projector));
    components.extend(matches!(database, Database::Private(_)).then_some(Component::Postgres));
    components
}

/// Says once when everything is there; until then `/health/ready` says what is not.
fn report_ready(health: Arc<Health>, started: Instant, stop: CancellationToken) {
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        while !health.report().is_ready() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tracing::info!("ready after {:.1} s", started.elapsed().as_secs_f64());
    }));
}

async fn bounded(name: &str, end: impl Future<Output = ()>) {
    if tokio::time::timeout(STOP_TIME_MAX, end).await.is_err() {
        tracing::warn!("{name}: no end in sight; going on without waiting");
    }
}
