//! The roles of this process: opened, started, stopped.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use chrono_tz::Tz;
use command_api::{CommandApi, CommandApiOptions};
use ledger_streams::{EventStore, KeyStore, Ledger, LedgerOptions};
use projector::{Phase, ProjectorError, ProjectorOptions, ProjectorStatus};
use query_api::{QueryApi, QueryOptions};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;

use super::database::Database;
use super::{RoleName, UpArgs};
use crate::commands::Failure;
use crate::health::{Component, Health, State};
use crate::http;
use crate::supervisor::supervise;

/// Connections that queries may hold to Postgres.
const QUERY_CONNECTIONS: u32 = 16;
/// How long one statement of a query may run.
const QUERY_STATEMENT_TIME_MAX: &str = "10s";
/// How long a query waits for a connection, also while Postgres starts.
const QUERY_CONNECTION_WAIT: Duration = Duration::from_secs(3);

/// The roles of this process, opened.
pub(super) struct Roles {
    names: BTreeSet<RoleName>,
    store: EventStore,
    ledger: Option<Ledger>,
    database: Database,
    pool: Option<PgPool>,
    time_zone: Tz,
    health: Arc<Health>,
    /// Their routes.
    pub(super) router: Router,
    /// Their routes' description.
    pub(super) openapi: OpenApi,
}

impl Roles {
    /// Opens what the roles stand on.
    pub(super) async fn open(
        args: &UpArgs,
        names: BTreeSet<RoleName>,
        data_dir: &Path,
        store: EventStore,
        database: Database,
        health: Arc<Health>,
    ) -> Result<Self, Failure> {
        let keys = KeyStore::open(&data_dir.join("keys"))?;
        let mut router = Router::new();
        let mut descriptions = Vec::new();

        let mut ledger = None;
        if names.contains(&RoleName::Command) || names.contains(&RoleName::ProcessManager) {
            ledger = Some(Ledger::open(store.clone(), &LedgerOptions { worker: Some(args.worker) }).await?);
        }
        if let Some(ledger) = ledger.as_ref().filter(|_| names.contains(&RoleName::Command)) {
            let options = CommandApiOptions { time_zone: args.time_zone };
            router =
                router.merge(command_api::router(CommandApi::new(ledger.clone(), keys.clone(), options)));
            descriptions.push(command_api::openapi());
        }
        let mut pool = None;
        if let Some(url) = database.url().filter(|_| names.contains(&RoleName::Query)) {
            let connections = query_pool(&url)?;
            let api = QueryApi::new(connections.clone(), store.clone(), keys, QueryOptions::default());
            router = router.merge(query_api::router(api));
            descriptions.push(query_api::openapi());
            pool = Some(connections);
        }
        Ok(Self {
            names,
            store,
            ledger,
            database,
            pool,
            time_zone: args.time_zone,
            health,
            router,
            openapi: http::openapi(descriptions),
        })
    }

    /// Starts the database, if it is ours to start.
    pub(super) fn start_database(&self) -> Option<Running> {
        let Database::Private(postgres) = &self.database else {
            return None;
        };
        let postgres = postgres.clone();
        Some(self.start(Component::Postgres, move |health, stop| postgres.clone().run(health, stop)))
    }

    /// Starts the process manager, if it is a role here.
    pub(super) fn start_process_manager(&self) -> Option<Running> {
        let ledger = self.ledger.clone().filter(|_| self.names.contains(&RoleName::ProcessManager))?;
        Some(self.start(Component::ProcessManager, move |health, stop| {
            health.set(Component::ProcessManager, State::Ready);
            command_api::process_manager::run(ledger.clone(), stop)
        }))
    }

    /// Starts the projector, if it is a role here.
    pub(super) fn start_projector(&self) -> Option<Running> {
        let url = self.database.url().filter(|_| self.names.contains(&RoleName::Projector))?;
        let projector = Projector {
            url,
            database: self.database.clone(),
            store: self.store.clone(),
            time_zone: self.time_zone,
            health: Arc::clone(&self.health),
        };
        Some(self.start(Component::Projector, move |_, stop| projector.clone().run(stop)))
    }

    /// Closes the connections of queries.
    pub(super) async fn close(self) {
        if let Some(pool) = self.pool {
            pool.close().await;
        }
    }

    fn start<F, E>(
        &self,
        component: Component,
        role: impl Fn(Arc<Health>, CancellationToken) -> F + Send + 'static,
    ) -> Running
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let (health, stop) = (Arc::clone(&self.health), CancellationToken::new());
        let role = {
            let (health, stop) = (Arc::clone(&health), stop.clone());
            move || role(Arc::clone(&health), stop.clone())
        };
        let task = tokio::spawn(supervise(component, health, stop.clone(), role));
        Running { task, stop }
    }
}

/// Connects on first use: HTTP is up before Postgres is.
fn query_pool(url: &str) -> Result<PgPool, sqlx::Error> {
    // A question whose asker has gone away must not go on in the server.
    let options = url
        .parse::<PgConnectOptions>()?
        .application_name("daybook-query")
        .options([("statement_timeout", QUERY_STATEMENT_TIME_MAX)]);
    let pool = PgPoolOptions::new()
        .max_connections(QUERY_CONNECTIONS)
        .acquire_timeout(QUERY_CONNECTION_WAIT)
        .connect_lazy_with(options);
    Ok(pool)
}

#[derive(Clone)]
struct Projector {
    url: String,
    database: Database,
    store: EventStore,
    time_zone: Tz,
    health: Arc<Health>,
}

impl Projector {
    async fn run(self, stop: CancellationToken) -> Result<(), ProjectorError> {
        if stop.run_until_cancelled(self.database.answers()).await.is_none() {
            return Ok(());
        }
        let options = ProjectorOptions { time_zone: self.time_zone, ..ProjectorOptions::default() };
        let report = tokio::spawn(report_projector(options.status.subscribe(), self.health));
        let ended = projector::run(&self.url, self.store, options, stop).await;
        report.abort();
        ended
    }
}

/// Shows in the health report what the projector tells of itself.
async fn report_projector(mut status: watch::Receiver<ProjectorStatus>, health: Arc<Health>) {
    loop {
        let state = projector_state(&status.borrow_and_update());
        health.set(Component::Projector, state);
        if status.changed().await.is_err() {
            return;
        }
    }
}

fn projector_state(status: &ProjectorStatus) -> State {
    let stopped = status.projections.iter().find_map(|projection| {
        let stopped = projection.stopped.as_ref()?;
        Some(format!("{} stopped at position {}: {}", projection.name, stopped.position, stopped.reason))
    });
    match (stopped, status.phase) {
        (Some(reason), _) => State::Failed { reason },
        (None, Phase::Connecting) => State::Starting,
        (None, Phase::Waiting | Phase::Writing) => State::Ready,
    }
}

/// A task at work, and what stops it.
pub(super) struct Running {
    pub(super) task: JoinHandle<()>,
    pub(super) stop: CancellationToken,
}

impl Running {
    /// Stops it, and waits for its end no longer than `time`.
    pub(super) async fn end(self, name: &str, time: Duration) {
        self.stop.cancel();
        if tokio::time::timeout(time, self.task).await.is_err() {
            tracing::warn!("{name} does not stop; going on without waiting");
        }
    }
}
