//! The roles of this process: opened, started, and their routes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use backon::{ExponentialBuilder, Retryable};
use chrono_tz::Tz;
use command_api::{CommandApi, CommandApiOptions, WebhookOptions};
use file_store::FileStore;
use ledger_core::partition::Placement;
use ledger_streams::{EventStore, KeyStore, Ledger, LedgerOptions, StoreError};
use notifications::{DeliveryLog, NotificationOptions};
use projector::{Phase, ProjectorError, ProjectorOptions, ProjectorStatus};
use query_api::{QueryApi, QueryOptions, ReadDatabases, RedisServer};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::database::Database;
use super::month_end::{MonthEnd, MonthEndPlan};
use super::{RoleName, Running, Webhooks};
use crate::health::{Component, Health, State};
use crate::http;

/// Connections that queries may hold to Postgres.
const QUERY_CONNECTIONS: u32 = 16;
/// Connections that notes of deliveries may hold.
const DELIVERY_LOG_CONNECTIONS: u32 = 1;
/// How long one statement of a query may run.
const QUERY_STATEMENT_TIME_MAX: &str = "10s";
/// How long a query waits for a connection, also while Postgres starts.
const QUERY_CONNECTION_WAIT: Duration = Duration::from_secs(3);
/// Between two looks at whether Postgres answers.
const DATABASE_LOOK: Duration = Duration::from_secs(1);
/// Between two attempts to open the ledger while the event store is away.
const LEDGER_RETRY_MIN: Duration = Duration::from_millis(100);
const LEDGER_RETRY_MAX: Duration = Duration::from_secs(2);

/// The roles of this process, and what they stand on.
pub(super) struct Roles {
    pub(super) names: BTreeSet<RoleName>,
    pub(super) store: EventStore,
    /// There whenever a role needs it.
    pub(super) keys: Option<KeyStore>,
    pub(super) database: Database,
    pub(super) time_zone: Tz,
    /// GraphQL does not describe its schema.
    pub(super) no_introspection: bool,
    /// Keeps newest entries for several query processes.
    pub(super) redis: Option<RedisServer>,
    /// Where archived months are.
    pub(super) files: Option<FileStore>,
    /// The process is about to end.
    pub(super) stop: CancellationToken,
    pub(super) worker: Option<u16>,
    pub(super) webhooks: Webhooks,
    pub(super) health: Arc<Health>,
}

impl Roles {
    /// Starts the database, if it is ours to start.
    pub(super) fn start_database(&self) -> Option<Running> {
        let Database::Private(postgres) = &self.database else {
            return None;
        };
        let postgres = postgres.clone();
        let role = move |health, stop| postgres.clone().run(health, stop);
        Some(Running::supervised(Component::Postgres, &self.health, role))
    }

    /// Looks after somebody else's database, if queries here need it.
    ///
    /// # Errors
    /// When its URL is none.
    pub(super) fn start_database_watch(&self) -> Result<Option<Running>, sqlx::Error> {
        if !matches!(self.database, Database::Given(_)) || !self.names.contains(&RoleName::Query) {
            return Ok(None);
        }
        // A connection of its own: that all others are busy is no outage.
        let watched =
            |(placement, url): (Placement, String)| Ok((placement, pool(&url, "daybook-health", 1)?));
        let pools = self.database.urls().into_iter().map(watched).collect::<Result<Vec<_>, sqlx::Error>>()?;
        let health = Arc::clone(&self.health);
        Ok(Some(Running::start(async move |stop: CancellationToken| {
            let looks = pools.iter().map(|(placement, pool)| watch_database(*placement, pool, &health));
            stop.run_until_cancelled(futures::future::join_all(looks)).await;
            for (placement, _) in pools {
                health.set(Component::postgres(placement), State::Stopped);
            }
        })))
    }

    /// Opens the ledger, if a role here commands it; waits for the event store.
    ///
    /// # Errors
    /// What waiting cannot mend.
    pub(super) async fn open_ledger(&self) -> Result<Option<Ledger>, StoreError> {
        let commanding = [RoleName::Command, RoleName::ProcessManager, RoleName::Notifications];
        if !commanding.iter().any(|role| self.names.contains(role)) {
            return Ok(None);
        }
        let options = LedgerOptions { worker: self.worker, ..LedgerOptions::default() };
        let backoff = ExponentialBuilder::default()
            .with_min_delay(LEDGER_RETRY_MIN)
            .with_max_delay(LEDGER_RETRY_MAX)
            .with_jitter()
            .without_max_times();
        let mut waiting = false;
        let open = || Ledger::open(self.store.clone(), &options);
        let opened = open.retry(backoff).when(StoreError::is_transient).notify(|error, _| {
            if !std::mem::replace(&mut waiting, true) {
                tracing::warn!(%error, "the ledger cannot be opened yet; trying again until it can");
            }
        });
        opened.await.map(Some)
    }

    /// Starts the process manager, if it is a role here.
    pub(super) fn start_process_manager(&self, ledger: Option<&Ledger>) -> Option<Running> {
        let ledger = ledger.filter(|_| self.names.contains(&RoleName::ProcessManager))?.clone();
        let role = move |health: Arc<Health>, stop| {
            let ready = move || health.set(Component::ProcessManager, State::Ready);
            command_api::process_manager::run(ledger.clone(), ready, stop)
        };
        Some(Running::supervised(Component::ProcessManager, &self.health, role))
    }

    /// Starts what tells webhooks, if it is a role here.
    ///
    /// # Errors
    /// When the database's URL is none.
    pub(super) fn start_notifications(
        &self,
        ledger: Option<&Ledger>,
    ) -> Result<Option<Running>, sqlx::Error> {
        let ledger = ledger.filter(|_| self.names.contains(&RoleName::Notifications));
        let (Some(ledger), Some(keys)) = (ledger.cloned(), self.keys.clone()) else { return Ok(None) };
        let url = self.database.first_url();
        let pool =
            url.map(|url| pool(&url, "daybook-notifications", DELIVERY_LOG_CONNECTIONS)).transpose()?;
        let options = self.webhooks.options.clone();
        let role = move |health: Arc<Health>, stop: CancellationToken| {
            let ready = move || health.set(Component::Notifications, State::Ready);
            let delivery_log = pool.clone().map(|pool| DeliveryLog::start(pool, stop.clone()));
            let options = NotificationOptions { delivery_log, ..options.clone() };
            notifications::run(ledger.clone(), keys.clone(), options, ready, stop)
        };
        Ok(Some(Running::supervised(Component::Notifications, &self.health, role)))
    }

    /// Starts what closes months, where it is told when.
    ///
    /// # Errors
    /// When a database's URL is none.
    pub(super) fn start_month_end(&self, plan: Option<MonthEndPlan>) -> Result<Option<Running>, sqlx::Error> {
        let (Some(plan), Some(keys)) = (plan, self.keys.clone()) else { return Ok(None) };
        let month_end = MonthEnd::new(plan, self.database.clone(), self.store.clone(), keys, self.time_zone)?;
        let role = move |health, stop| month_end.clone().run(health, stop);
        Ok(Some(Running::supervised(Component::MonthEnd, &self.health, role)))
    }

    /// Starts the projector of each database, if it is a role here. None holds up another.
    pub(super) fn start_projectors(&self) -> Vec<Running> {
        let start = |(placement, url)| {
            let projector = Projector {
                url,
                placement,
                database: self.database.clone(),
                store: self.store.clone(),
                time_zone: self.time_zone,
            };
            let role = move |health, stop| projector.clone().run(health, stop);
            Running::supervised(Component::projector(placement), &self.health, role)
        };
        let is_here = self.names.contains(&RoleName::Projector);
        self.database.urls().into_iter().filter(|_| is_here).map(start).collect()
    }

    /// The connections of queries, if these are a role here. They connect on first use: HTTP is up before Postgres is.
    ///
    /// # Errors
    /// When the database's URL is none.
    pub(super) fn read_databases(&self) -> Result<Option<ReadDatabases>, sqlx::Error> {
        let urls = self.database.urls();
        if urls.is_empty() || !self.names.contains(&RoleName::Query) {
            return Ok(None);
        }
        let server = |(_, url): (_, String)| connections(&url, "daybook-query", QUERY_CONNECTIONS);
        let servers = urls.into_iter().map(server).collect::<Result<_, _>>()?;
        Ok(Some(ReadDatabases::lazy(servers)))
    }

    /// The routes of the roles here, and their description.
    pub(super) fn routes(&self, ledger: Option<&Ledger>, databases: Option<&ReadDatabases>) -> Router {
        let Some(keys) = &self.keys else { return Router::new() };
        let mut routes = Router::new();
        let mut descriptions = Vec::new();
        if let Some(ledger) = ledger.filter(|_| self.names.contains(&RoleName::Command)) {
            let Webhooks { allow_private, secret_overlap, .. } = self.webhooks;
            let webhooks = WebhookOptions { allow_private, secret_overlap };
            let options = CommandApiOptions { time_zone: self.time_zone, webhooks };
            let api = CommandApi::new(ledger.clone(), keys.clone(), options);
            routes = routes.merge(command_api::router(api));
            descriptions.push(command_api::openapi());
        }
        if let Some(databases) = databases {
            let options = QueryOptions {
                introspection: !self.no_introspection,
                redis: self.redis.clone(),
                files: self.files.clone(),
                closing: self.stop.clone(),
                ..QueryOptions::default()
            };
            let api = QueryApi::new(databases.clone(), self.store.clone(), keys.clone(), options);
            routes = routes.merge(query_api::router(api));
            descriptions.push(query_api::openapi());
        }
        routes.merge(http::description(&http::openapi(descriptions)))
    }
}

fn pool(url: &str, name: &str, count: u32) -> Result<PgPool, sqlx::Error> {
    let (options, server) = connections(url, name, count)?;
    Ok(options.connect_lazy_with(server))
}

fn connections(url: &str, name: &str, count: u32) -> Result<(PgPoolOptions, PgConnectOptions), sqlx::Error> {
    // A question whose asker has gone away must not go on in the server.
    let server = url
        .parse::<PgConnectOptions>()?
        .application_name(name)
        .options([("statement_timeout", QUERY_STATEMENT_TIME_MAX)]);
    let options = PgPoolOptions::new().max_connections(count).acquire_timeout(QUERY_CONNECTION_WAIT);
    Ok((options, server))
}

/// Notes again and again whether queries could be answered.
async fn watch_database(placement: Placement, pool: &PgPool, health: &Health) {
    let mut looks = tokio::time::interval(DATABASE_LOOK);
    loop {
        looks.tick().await;
        let tables = query_api::is_filled(pool, placement).await;
        let failed = |reason: String| State::Failed { reason };
        health.set(
            Component::postgres(placement),
            match tables {
                Ok(true) => State::Ready,
                Ok(false) => failed("it has no read models yet: a projector makes them".to_owned()),
                Err(error) => failed(error.to_string()),
            },
        );
    }
}

#[derive(Clone)]
struct Projector {
    url: String,
    placement: Placement,
    database: Database,
    store: EventStore,
    time_zone: Tz,
}

impl Projector {
    async fn run(self, health: Arc<Health>, stop: CancellationToken) -> Result<(), ProjectorError> {
        if stop.run_until_cancelled(self.database.answers()).await.is_none() {
            return Ok(());
        }
        let Self { time_zone, placement, .. } = self;
        let options = ProjectorOptions { time_zone, placement, ..ProjectorOptions::default() };
        let report = tokio::spawn(report_projector(placement, options.status.subscribe(), health));
        let ended = projector::run(&self.url, self.store, options, stop).await;
        report.abort();
        ended
    }
}

/// Shows in the health report what the projector tells of itself.
async fn report_projector(
    placement: Placement,
    mut status: watch::Receiver<ProjectorStatus>,
    health: Arc<Health>,
) {
    loop {
        let state = projector_state(&status.borrow_and_update());
        health.set(Component::projector(placement), state);
        if status.changed().await.is_err() {
            return;
        }
    }
}

fn projector_state(status: &ProjectorStatus) -> State {
    let stopped = status.projections.iter().filter_map(|projection| {
        let stopped = projection.stopped.as_ref()?;
        Some(format!("{} stopped at position {}: {}", projection.name, stopped.position, stopped.reason))
    });
    let stopped: Vec<String> = stopped.collect();
    match status.phase {
        _ if !stopped.is_empty() => State::Failed { reason: stopped.join("; ") },
        Phase::Connecting => State::Starting,
        Phase::Waiting | Phase::Writing => State::Ready,
    }
}
