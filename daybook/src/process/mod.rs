//! A process that serves: what runs in it is opened, started and stopped here, in order, whichever roles it has.

pub(crate) mod bank;
mod database;
mod event_store;
mod files;
pub(crate) mod flags;
mod month_end;
mod reachable;
mod roles;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono_tz::Tz;
use clap::ValueEnum;
use file_store::FileStore;
use futures::future::join_all;
use ledger_streams::{EventStore, KeyStore};
use metrics_exporter_prometheus::PrometheusHandle;
use notifications::NotificationOptions;
use query_api::{ReadDatabases, RedisServer};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use self::database::{Database, urls as database_urls};
pub(crate) use self::event_store::EventStorePlan;
use self::event_store::OpenEventStore;
pub(crate) use self::files::FilesArgs;
use self::flags::HostFlags;
pub(crate) use self::month_end::{MonthEndFlags, MonthEndPlan};
pub(crate) use self::reachable::{EsdbAddress, Reachable, reachable_here};
use self::roles::Roles;
use crate::auth::Issuer;
use crate::commands::Failure;
use crate::health::{Component, EventStoreProbe, Health, State};
use crate::http::{self, Front};
use crate::shutdown;
use crate::supervisor::supervise;
use crate::telemetry;

/// How long each part may take to stop.
const STOP_TIME_MAX: Duration = Duration::from_secs(15);
/// Above Postgres's own bounds.
const POSTGRES_STOP_TIME_MAX: Duration = Duration::from_secs(60);
/// Open files we ask for: connections are files, and the usual limit is 1,024.
const FILES_WANTED: u64 = 65_536;

/// A part of daybook that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum RoleName {
    /// Takes commands by HTTP
    Command,
    /// Brings transfers to their end
    ProcessManager,
    /// Fills the read models
    Projector,
    /// Answers queries by HTTP
    Query,
    /// Tells webhooks what happens
    Notifications,
    /// Closes months; where it is told when
    #[value(skip)]
    MonthEnd,
}

impl RoleName {
    /// As health tells it.
    const fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::ProcessManager => "process_manager",
            Self::Projector => "projector",
            Self::Query => "query",
            Self::Notifications => "notifications",
            Self::MonthEnd => "month_end",
        }
    }
}

/// What a process is to run.
pub(crate) struct Plan {
    /// Where HTTP listens.
    pub(crate) http: SocketAddr,
    pub(crate) event_store: EventStorePlan,
    pub(crate) roles: BTreeSet<RoleName>,
    pub(crate) database: Database,
    /// Where the issuer's key and the users' keys are; without it nothing is served that needs them.
    pub(crate) keys: Option<PathBuf>,
    pub(crate) time_zone: Tz,
    /// GraphQL does not describe its schema.
    pub(crate) no_introspection: bool,
    /// Keeps newest entries for several query processes.
    pub(crate) redis: Option<RedisServer>,
    /// Where statements and archived months are, for queries.
    pub(crate) files: Option<FileStore>,
    /// When months are closed here, if at all.
    pub(crate) month_end: Option<MonthEndPlan>,
    pub(crate) worker: Option<u16>,
    pub(crate) webhooks: Webhooks,
}

/// How webhooks are registered and told.
#[derive(Clone, Default)]
pub(crate) struct Webhooks {
    /// For those who register them.
    pub(crate) allow_private: bool,
    pub(crate) secret_overlap: Duration,
    /// For those who tell them.
    pub(crate) options: NotificationOptions,
}

/// What every process that serves has: logs, measurements, signals.
pub(crate) struct Host {
    started: Instant,
    stop: CancellationToken,
    metrics: PrometheusHandle,
    http_connections: usize,
}

impl Host {
    /// Starts logging, measuring and listening for signals.
    ///
    /// # Errors
    /// When the log's filter is none, or the system refuses.
    pub(crate) fn start(flags: &HostFlags) -> Result<Self, Failure> {
        let started = Instant::now();
        telemetry::start_logging(flags.log_format, flags.log.as_deref())?;
        raise_file_limit();
        let stop = shutdown::on_signal()?;
        let metrics = telemetry::start_metrics()?;
        Ok(Self { started, stop, metrics, http_connections: usize::try_from(flags.http_connections)? })
    }

    /// Runs until Ctrl-C or SIGTERM. `welcome` is printed as soon as HTTP listens.
    ///
    /// # Errors
    /// When something needed cannot be started. What fails later is logged, shown by `/health/ready` and tried again.
    pub(crate) async fn run(
        self,
        plan: Plan,
        welcome: impl FnOnce(&Reachable) -> String,
    ) -> Result<ExitCode, Failure> {
        // What can be refused is refused before anything runs.
        let listener = listen(plan.http, "--http").await?;
        let address = listener.local_addr()?;
        let issuer = plan.keys.as_deref().map(Issuer::open).transpose()?;
        let keys = plan.keys.as_ref().map(|dir| KeyStore::open(&dir.join("keys"))).transpose()?;
        let has_node = matches!(plan.event_store, EventStorePlan::Node { .. });
        let event_store = Box::pin(OpenEventStore::open(plan.event_store)).await?;
        let reachable = Reachable { http: address, esdb: event_store.esdb() };

        let probe: EventStoreProbe = {
            let store = event_store.store.clone();
            Box::new(move || store.health())
        };
        let components = components(&plan.roles, &plan.database, reachable.esdb.is_some());
        let health = Arc::new(Health::new(components, probe).of(role_names(has_node, &plan.roles)));
        let roles = Roles {
            names: plan.roles,
            store: event_store.store.clone(),
            keys,
            database: plan.database,
            time_zone: plan.time_zone,
            no_introspection: plan.no_introspection,
            redis: plan.redis,
            files: plan.files,
            stop: self.stop.clone(),
            worker: plan.worker,
            webhooks: plan.webhooks,
            health: Arc::clone(&health),
        };
        let databases = roles.read_databases()?;
        let pages = http::pages(Arc::clone(&health), self.metrics);
        let front = Arc::new(Front::new(pages, issuer.map(|issuer| issuer.verifier())));
        let mut parts = Parts {
            http: Running::start(|stop| {
                http::serve(listener, Arc::clone(&front), self.http_connections, stop)
            }),
            process_manager: None,
            notifications: None,
            month_end: roles.start_month_end(plan.month_end)?,
            projectors: roles.start_projectors(),
            database_watch: roles.start_database_watch()?,
            databases,
            esdb: event_store.start_esdb(&health),
            store: event_store.store,
            postgres: roles.start_database(),
        };
        std::io::stdout().write_all(welcome(&reachable).as_bytes())?;
        report_ready(health, self.started, self.stop.clone());

        // The event store may come later: until then health is told, and everything else is answered with 503.
        let ended = match self.stop.run_until_cancelled(Box::pin(roles.open_ledger())).await {
            None => Ok(ExitCode::SUCCESS),
            Some(Err(error)) => Err(error.into()),
            Some(Ok(ledger)) => {
                parts.process_manager = roles.start_process_manager(ledger.as_ref());
                parts.notifications = roles.start_notifications(ledger.as_ref())?;
                front.open(roles.routes(ledger.as_ref(), parts.databases.as_ref()));
                if roles.names.contains(&RoleName::Command) {
                    roles.health.set(Component::Commands, State::Ready);
                }
                self.stop.cancelled().await;
                Ok(ExitCode::SUCCESS)
            }
        };
        let stopping = Instant::now();
        parts.stop().await;
        tracing::info!("stopped after {:.1} s", stopping.elapsed().as_secs_f64());
        ended
    }
}

/// What runs.
struct Parts {
    http: Running,
    process_manager: Option<Running>,
    notifications: Option<Running>,
    month_end: Option<Running>,
    projectors: Vec<Running>,
    database_watch: Option<Running>,
    databases: Option<ReadDatabases>,
    esdb: Option<Running>,
    store: EventStore,
    postgres: Option<Running>,
}

impl Parts {
    /// Each part stops before what it stands on.
    async fn stop(self) {
        self.http.end("HTTP", STOP_TIME_MAX).await;
        if let Some(process_manager) = self.process_manager {
            process_manager.end("the process manager", STOP_TIME_MAX).await;
        }
        if let Some(notifications) = self.notifications {
            notifications.end("notifications", STOP_TIME_MAX).await;
        }
        if let Some(month_end) = self.month_end {
            month_end.end("the month's end", STOP_TIME_MAX).await;
        }
        let projectors = self.projectors.into_iter();
        join_all(projectors.map(|projector| projector.end("the projector", STOP_TIME_MAX))).await;
        if let Some(watch) = self.database_watch {
            watch.end("the watch over Postgres", STOP_TIME_MAX).await;
        }
        if let Some(databases) = self.databases {
            bounded("queries", databases.close()).await;
        }
        if let Some(esdb) = self.esdb {
            esdb.end("EventStoreDB's protocol", STOP_TIME_MAX).await;
        }
        bounded("the event store", self.store.close()).await;
        if let Some(postgres) = self.postgres {
            postgres.end("Postgres", POSTGRES_STOP_TIME_MAX).await;
        }
    }
}

/// A task at work, and what stops it.
struct Running {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Running {
    fn start<F>(task: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = CancellationToken::new();
        Self { task: tokio::spawn(task(stop.clone())), stop }
    }

    /// As [`Self::start`], and starts it again whenever it ends unasked.
    fn supervised<F, E>(
        component: Component,
        health: &Arc<Health>,
        role: impl Fn(Arc<Health>, CancellationToken) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let health = Arc::clone(health);
        Self::start(move |stop| {
            let role = {
                let (health, stop) = (Arc::clone(&health), stop.clone());
                move || role(Arc::clone(&health), stop.clone())
            };
            supervise(component, health, stop, role)
        })
    }

    /// Stops it, and waits for its end no longer than `time`.
    async fn end(self, name: &str, time: Duration) {
        self.stop.cancel();
        if tokio::time::timeout(time, self.task).await.is_err() {
            tracing::warn!("{name} does not stop; going on without waiting");
        }
    }
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

/// Binds the address that `flag` names.
async fn listen(address: SocketAddr, flag: &str) -> Result<TcpListener, Failure> {
    let refused =
        |error| format!("cannot listen on {address}: {error}; choose another address with {flag} ADDRESS");
    Ok(TcpListener::bind(address).await.map_err(refused)?)
}

fn components(roles: &BTreeSet<RoleName>, database: &Database, esdb: bool) -> Vec<Component> {
    let query = roles.contains(&RoleName::Query);
    let watched = match database {
        Database::Unneeded => false,
        Database::Given(_) => query,
        Database::Private(_) => true,
    };
    let projector = roles.contains(&RoleName::Projector);
    let databases = database.urls().into_iter().flat_map(|(placement, _)| {
        [(Component::projector(placement), projector), (Component::postgres(placement), watched)]
    });
    [
        (Component::Commands, roles.contains(&RoleName::Command)),
        (Component::ProcessManager, roles.contains(&RoleName::ProcessManager)),
        (Component::Notifications, roles.contains(&RoleName::Notifications)),
        (Component::MonthEnd, roles.contains(&RoleName::MonthEnd)),
        (Component::Esdb, esdb),
    ]
    .into_iter()
    .chain(databases)
    .filter_map(|(component, runs)| runs.then_some(component))
    .collect()
}

/// What this process does, as health tells it.
fn role_names(has_node: bool, roles: &BTreeSet<RoleName>) -> Vec<&'static str> {
    let node = has_node.then_some("node");
    node.into_iter().chain(roles.iter().map(|role| role.name())).collect()
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
