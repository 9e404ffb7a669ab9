//! `daybook up`: every role in one process, or some of them.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use chrono_tz::Tz;
use clap::{Args, ValueEnum};
use command_api::{CommandApi, CommandApiOptions};
use eventstore_node::{Node, NodeOptions};
use ledger_streams::{EventStore, KeyStore, Ledger, LedgerOptions};
use projector::ProjectorOptions;
use query_api::{QueryApi, QueryOptions};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{DataDir, Failure, welcome};
use crate::auth::Issuer;
use crate::data_dir::{self, DataDirLock};
use crate::health::{Component, Health, State};
use crate::http::{self, Front};
use crate::postgres::PrivatePostgres;
use crate::shutdown;
use crate::supervisor::supervise;
use crate::telemetry::{self, LogFormat};

const EXAMPLES: &str = "\
Examples:
  daybook up
  daybook up --data-dir /srv/daybook --http 0.0.0.0:8080 --time-zone Europe/Prague
  daybook up --database-url postgres://daybook@db/daybook
  daybook up --roles command,process-manager      (writes only, no Postgres)";

/// Connections that queries may hold to Postgres.
const QUERY_CONNECTIONS: u32 = 16;
/// How long a query waits for a connection, also while Postgres starts.
const QUERY_CONNECTION_WAIT: Duration = Duration::from_secs(3);
/// How long each role may take to stop.
const STOP_TIME_MAX: Duration = Duration::from_secs(15);
/// Long enough for Postgres's own bounds.
const POSTGRES_STOP_TIME_MAX: Duration = Duration::from_secs(60);

/// What `daybook up` needs to know.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct UpArgs {
    #[command(flatten)]
    data_dir: DataDir,
    /// Where HTTP listens
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "DAYBOOK_HTTP",
        default_value = "127.0.0.1:8080"
    )]
    http: SocketAddr,
    /// A Postgres database for the read models [default: a private server in the data directory]
    #[arg(long, value_name = "URL", env = "DAYBOOK_DATABASE_URL")]
    database_url: Option<String>,
    /// The folder of the installed Postgres server programs [default: found]
    #[arg(
        long,
        value_name = "DIR",
        env = "DAYBOOK_POSTGRES_BIN",
        conflicts_with = "database_url"
    )]
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
    /// The bank's time zone: months begin at its midnight
    #[arg(long, value_name = "ZONE", env = "DAYBOOK_TIME_ZONE", default_value = "UTC", value_parser = time_zone)]
    time_zone: Tz,
    /// This process's number in the ids it makes, 0 to 1023; two processes must not share one
    #[arg(
        long,
        value_name = "N",
        env = "DAYBOOK_WORKER",
        default_value_t = 0,
        value_parser = clap::value_parser!(u16).range(0..=i64::from(ledger_core::id::WORKER_MAX))
    )]
    worker: u16,
    /// HTTP connections open at a time; further ones wait
    #[arg(long, value_name = "N", env = "DAYBOOK_HTTP_CONNECTIONS", default_value_t = 4096,
        value_parser = clap::value_parser!(u32).range(1..))]
    http_connections: u32,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", env = "DAYBOOK_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// Which log lines are written, such as `info` or `daybook=debug` [default: info]
    #[arg(long, value_name = "FILTER", env = "DAYBOOK_LOG")]
    log: Option<String>,
    /// Not there yet: EventStoreDB's gRPC protocol.
    #[arg(long, value_name = "ADDRESS", env = "DAYBOOK_ESDB", hide = true)]
    esdb: Option<String>,
    /// Not there yet: an EventStoreDB server as the log.
    #[arg(long, value_name = "URL", env = "DAYBOOK_EVENT_STORE", hide = true)]
    event_store: Option<String>,
}

/// A part of daybook that can run alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum RoleName {
    /// Takes commands by HTTP.
    Command,
    /// Brings transfers to their end.
    ProcessManager,
    /// Fills the read models.
    Projector,
    /// Answers queries by HTTP.
    Query,
}

/// Runs until Ctrl-C or SIGTERM.
///
/// # Errors
/// When something needed cannot be started. What fails later is logged, shown by `/health/ready` and tried again.
pub async fn run(args: UpArgs) -> Result<ExitCode, Failure> {
    refuse_what_is_not_there(&args)?;
    let started = Instant::now();
    telemetry::start_logging(args.log_format, args.log.as_deref());
    raise_file_limit();
    let stop = shutdown::on_signal()?;
    let metrics = telemetry::start_metrics()?;

    let data_dir = data_dir::prepare(&args.data_dir.data_dir)?;
    let _lock = DataDirLock::take(&data_dir)?;
    let listener = TcpListener::bind(args.http).await.map_err(|error| {
        format!(
            "cannot listen on {}: {error}; choose another address with --http",
            args.http
        )
    })?;
    let address = listener.local_addr()?;
    let roles: BTreeSet<RoleName> = args.roles.iter().copied().collect();
    let database = Database::plan(&args, &roles, &data_dir)?;

    let node = open_node(&data_dir).await?;
    let store = EventStore::embedded(node.clone());
    let health = Arc::new(Health::new(
        components(&roles, &database),
        node_probe(node.clone()),
    ));

    let postgres = database.start(&health);
    let app = App::open(&args, &roles, &data_dir, store, &database, Arc::clone(&health)).await?;
    let process_manager = app.start_process_manager();
    let projector = app.start_projector();
    let pages = http::pages(Arc::clone(&health), metrics, &app.openapi);
    let router = http::with_problems(app.router.clone().merge(pages));
    let front = Arc::new(Front::new(router, Issuer::open(&data_dir)?.verifier()));
    let serving = tokio::spawn(http::serve(
        listener,
        front,
        args.http_connections as usize,
        stop.clone(),
    ));

    let welcome = welcome::text(
        address,
        &data_dir,
        &database.describe(),
        roles.contains(&RoleName::Query),
    );
    std::io::stdout().write_all(welcome.as_bytes())?;
    report_ready(Arc::clone(&health), started, stop.clone());

    stop.cancelled().await;
    let stopping = Instant::now();
    end("HTTP", Some(serving), STOP_TIME_MAX).await;
    end_role("the process manager", process_manager).await;
    end_role("the projector", projector).await;
    if let Some(pool) = &app.pool
        && tokio::time::timeout(STOP_TIME_MAX, pool.close()).await.is_err()
    {
        tracing::warn!("queries still hold connections to Postgres");
    }
    drop(app);
    if tokio::time::timeout(STOP_TIME_MAX, node.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("the event store does not stop; the log is safe");
    }
    if let Some(postgres) = postgres {
        postgres.stop.cancel();
        end("Postgres", Some(postgres.task), POSTGRES_STOP_TIME_MAX).await;
    }
    tracing::info!(after = ?stopping.elapsed(), "stopped");
    Ok(ExitCode::SUCCESS)
}

fn refuse_what_is_not_there(args: &UpArgs) -> Result<(), Failure> {
    let (flag, what) = match (&args.esdb, &args.event_store) {
        (Some(_), _) => ("--esdb (DAYBOOK_ESDB)", "serve EventStoreDB's gRPC protocol"),
        (_, Some(_)) => (
            "--event-store (DAYBOOK_EVENT_STORE)",
            "use an EventStoreDB server",
        ),
        (None, None) => return Ok(()),
    };
    Err(format!(
        "{flag}: this version does not {what} yet. Leave it out: the log is then the embedded event store in the data \
         directory, and HTTP (--http) is the way in."
    )
    .into())
}

fn time_zone(name: &str) -> Result<Tz, String> {
    name.parse().map_err(|_| {
        format!("'{name}' is not a time zone of the IANA database, such as UTC or Europe/Prague")
    })
}

/// Connections are file handles, and the usual soft limit is 1,024.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = Some(limit.maximum.unwrap_or(65_536).min(65_536)).max(limit.current);
    let raised = Rlimit {
        current: wanted,
        maximum: limit.maximum,
    };
    if limit.current.is_some()
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::debug!(%error, "cannot raise the limit on open files");
    }
}

async fn open_node(data_dir: &Path) -> Result<Node, Failure> {
    let options = NodeOptions::new(data_dir.to_owned());
    Ok(tokio::task::spawn_blocking(move || Node::open(options)).await??)
}

fn node_probe(node: Node) -> crate::health::EventStoreProbe {
    Box::new(move || Ok(node.head()))
}

fn components(roles: &BTreeSet<RoleName>, database: &Database) -> Vec<Component> {
    let mut components = Vec::new();
    if roles.contains(&RoleName::ProcessManager) {
        components.push(Component::ProcessManager);
    }
    if roles.contains(&RoleName::Projector) {
        components.push(Component::Projector);
    }
    if matches!(database, Database::Private(_)) {
        components.push(Component::Postgres);
    }
    components
}

/// Where the read models are.
enum Database {
    /// No role here needs one.
    Unneeded,
    Given(String),
    Private(PrivatePostgres),
}

/// The private Postgres at work. It stops last, so it does not listen to the common signal.
struct RunningPostgres {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Database {
    fn plan(args: &UpArgs, roles: &BTreeSet<RoleName>, data_dir: &Path) -> Result<Self, Failure> {
        if !roles.contains(&RoleName::Projector) && !roles.contains(&RoleName::Query) {
            return Ok(Self::Unneeded);
        }
        Ok(match &args.database_url {
            Some(url) => Self::Given(url.clone()),
            None => Self::Private(PrivatePostgres::plan(data_dir, args.postgres_bin.as_deref())?),
        })
    }

    fn url(&self) -> Option<String> {
        match self {
            Self::Unneeded => None,
            Self::Given(url) => Some(url.clone()),
            Self::Private(postgres) => Some(postgres.url()),
        }
    }

    /// For people; a given URL may hold a password.
    fn describe(&self) -> String {
        match self {
            Self::Unneeded => "none: no role here needs it".to_owned(),
            Self::Given(_) => "as --database-url says".to_owned(),
            Self::Private(postgres) => format!("a private one in {}", postgres.dir().display()),
        }
    }

    fn start(&self, health: &Arc<Health>) -> Option<RunningPostgres> {
        let Self::Private(postgres) = self else {
            return None;
        };
        let (postgres, health, stop) = (postgres.clone(), Arc::clone(health), CancellationToken::new());
        let role = {
            let (health, stop) = (Arc::clone(&health), stop.clone());
            move || postgres.clone().run(Arc::clone(&health), stop.clone())
        };
        let task = tokio::spawn(supervise(Component::Postgres, health, stop.clone(), role));
        Some(RunningPostgres { task, stop })
    }
}

/// The roles of this process, opened.
struct App {
    ledger: Option<Ledger>,
    store: EventStore,
    database_url: Option<String>,
    pool: Option<PgPool>,
    router: Router,
    openapi: utoipa::openapi::OpenApi,
    runs_process_manager: bool,
    runs_projector: bool,
    time_zone: Tz,
    health: Arc<Health>,
}

/// A role at work, and what stops it.
struct RunningRole {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl App {
    async fn open(
        args: &UpArgs,
        roles: &BTreeSet<RoleName>,
        data_dir: &Path,
        store: EventStore,
        database: &Database,
        health: Arc<Health>,
    ) -> Result<Self, Failure> {
        let keys = KeyStore::open(&data_dir.join("keys"))?;
        let mut app = Self {
            ledger: None,
            store: store.clone(),
            database_url: database.url(),
            pool: None,
            router: Router::new(),
            openapi: http::openapi([]),
            runs_process_manager: roles.contains(&RoleName::ProcessManager),
            runs_projector: roles.contains(&RoleName::Projector),
            time_zone: args.time_zone,
            health,
        };
        let mut parts = Vec::new();
        if roles.contains(&RoleName::Command) || app.runs_process_manager {
            let options = LedgerOptions {
                worker: args.worker,
                ..LedgerOptions::default()
            };
            app.ledger = Some(Ledger::open(store.clone(), options).await?);
        }
        if let Some(ledger) = app.ledger.as_ref().filter(|_| roles.contains(&RoleName::Command)) {
            let options = CommandApiOptions {
                time_zone: args.time_zone,
                ..CommandApiOptions::default()
            };
            let api = CommandApi::new(ledger.clone(), keys.clone(), options);
            app.router = app.router.merge(command_api::router(api));
            parts.push(command_api::openapi());
        }
        if let Some(url) = app
            .database_url
            .as_ref()
            .filter(|_| roles.contains(&RoleName::Query))
        {
            let pool = query_pool(url)?;
            let options = QueryOptions {
                time_zone: args.time_zone,
                ..QueryOptions::default()
            };
            let api = QueryApi::new(pool.clone(), store, keys, options);
            app.router = app.router.merge(query_api::router(api));
            app.pool = Some(pool);
            parts.push(query_api::openapi());
        }
        app.openapi = http::openapi(parts);
        Ok(app)
    }

    fn start_process_manager(&self) -> Option<RunningRole> {
        let ledger = self.ledger.clone().filter(|_| self.runs_process_manager)?;
        Some(self.start(Component::ProcessManager, move |health, stop| {
            let ledger = ledger.clone();
            async move {
                health.set(Component::ProcessManager, State::Ready);
                command_api::process_manager::run(ledger, stop).await
            }
        }))
    }

    fn start_projector(&self) -> Option<RunningRole> {
        let url = self.database_url.clone().filter(|_| self.runs_projector)?;
        let (store, time_zone) = (self.store.clone(), self.time_zone);
        Some(self.start(Component::Projector, move |health, stop| {
            let (url, store) = (url.clone(), store.clone());
            async move {
                migrate(&url, &stop).await?;
                if stop.is_cancelled() {
                    return Ok(());
                }
                health.set(Component::Projector, State::Ready);
                let options = ProjectorOptions {
                    time_zone,
                    ..ProjectorOptions::default()
                };
                projector::run(&url, store, options, stop)
                    .await
                    .map_err(Failure::from)
            }
        }))
    }

    fn start<F, E>(
        &self,
        component: Component,
        role: impl Fn(Arc<Health>, CancellationToken) -> F + Send + 'static,
    ) -> RunningRole
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display + Send + 'static,
    {
        let (health, stop) = (Arc::clone(&self.health), CancellationToken::new());
        let role = {
            let (health, stop) = (Arc::clone(&health), stop.clone());
            move || role(Arc::clone(&health), stop.clone())
        };
        let task = tokio::spawn(supervise(component, health, stop.clone(), role));
        RunningRole { task, stop }
    }
}

/// Connects on first use: HTTP is up before Postgres is.
fn query_pool(url: &str) -> Result<PgPool, Failure> {
    Ok(PgPoolOptions::new()
        .max_connections(QUERY_CONNECTIONS)
        .acquire_timeout(QUERY_CONNECTION_WAIT)
        .connect_lazy(url)?)
}

/// Brings the database's tables up to date, as soon as it answers.
async fn migrate(url: &str, stop: &CancellationToken) -> Result<(), Failure> {
    let mut pause = Duration::from_millis(50);
    let mut said = Instant::now();
    loop {
        let Err(error) = projector::migrate(url).await else {
            return Ok(());
        };
        if !is_unreachable(&error) {
            return Err(error.into());
        }
        if said.elapsed() > Duration::from_secs(15) {
            said = Instant::now();
            tracing::warn!(%error, "the database does not answer yet");
        }
        if stop
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_none()
        {
            return Ok(());
        }
        pause = pause.saturating_mul(2).min(Duration::from_secs(1));
    }
}

/// True while the database's server is not there yet, or has not made the database yet.
fn is_unreachable(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<sqlx::Error>() {
            return match error {
                sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => true,
                // Starting up; no such database.
                sqlx::Error::Database(error) => matches!(error.code().as_deref(), Some("57P03" | "3D000")),
                _ => false,
            };
        }
        cause = error.source();
    }
    false
}

fn report_ready(health: Arc<Health>, started: Instant, stop: CancellationToken) {
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        while !health.report().is_ready() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tracing::info!(after = ?started.elapsed(), "ready");
    }));
}

async fn end_role(name: &str, role: Option<RunningRole>) {
    if let Some(role) = role {
        role.stop.cancel();
        end(name, Some(role.task), STOP_TIME_MAX).await;
    }
}

async fn end(name: &str, task: Option<JoinHandle<()>>, time: Duration) {
    if let Some(task) = task
        && tokio::time::timeout(time, task).await.is_err()
    {
        tracing::warn!("{name} does not stop; going on without waiting");
    }
}
