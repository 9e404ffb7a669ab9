//! Writing to a database, for as long as a connection lasts.
//!
//! The right to write is a lock on the very connection that writes, one for each partition: see [`crate::shares`].

use std::cmp::Ordering;
use std::time::Duration;

use ledger_streams::EventStore;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::checkpoint::{Checkpoint, Place};
use crate::partition::{Partitions, Placement};
use crate::projections::{Part, Projection};
use crate::rebuild::request;
use crate::runner::Ended;
use crate::shares::Shares;
use crate::{
    MIGRATIONS, Phase, ProjectorError, ProjectorOptions, ProjectorStatus, Stopped, checkpoint, placement,
    projections, runner, status, stops, time_zone,
};

/// Time between two attempts to get a partition.
const LOCK_RETRY: Duration = Duration::from_millis(500);
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Settings of the connection that writes.
const SETTINGS: [(&str, &str); 9] = [
    // Rows and checkpoint go together, so a commit lost in a crash is projected again from the log. No need to wait for the disk.
    ("synchronous_commit", "off"),
    // What migrations say of tables that exist.
    ("client_min_messages", "warning"),
    ("statement_timeout", "60s"),
    ("lock_timeout", "30s"),
    ("idle_in_transaction_session_timeout", "60s"),
    // Every statement finds its rows by primary key. Said outright, as a plan made while a table was young would scan it when it has
    // grown, and planning again for every batch would take longer than a small batch itself.
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
];

/// What a program holds whose machine vanished must not be held for long.
pub(crate) const KEEPALIVES: [(&str, &str); 3] =
    [("tcp_keepalives_idle", "10"), ("tcp_keepalives_interval", "5"), ("tcp_keepalives_count", "3")];

/// Connects, takes its share of the partitions and projects until `shutdown` or until the connection breaks.
/// In the `first` session of a program, projections of an older version are asked to be rebuilt.
pub(crate) async fn run(
    database_url: &str,
    store: &EventStore,
    options: &ProjectorOptions,
    exchanged: &Notify,
    mut first: bool,
    shutdown: &CancellationToken,
) -> Result<(), ProjectorError> {
    let Some(mut db) = shutdown.run_until_cancelled(connect(database_url)).await.transpose()? else {
        return Ok(());
    };
    let entered = shutdown.run_until_cancelled(Box::pin(enter(&mut db, store, options))).await;
    let Some(entered) = entered else { return Ok(()) };
    entered?;
    bound_silence(&mut db, options.silence_max).await?;
    MIGRATIONS.run_direct(None, &mut db, false).await?;
    placement::claim(&mut db, options.placement).await?;
    time_zone::note(&mut db, options.time_zone).await?;
    let mut shares = Shares::none_of(Partitions::living_in(options.placement));
    loop {
        let got = shutdown.run_until_cancelled(Box::pin(wait(&mut db, &mut shares, options))).await;
        if got.transpose()?.is_none() {
            break;
        }
        let held = shares.held();
        let places = open(&mut db, store, options, held, first).await?;
        first = false;
        tracing::info!(partitions = held.count(), "projecting");
        match runner::run(&mut db, places, store, options, exchanged, &mut shares, shutdown).await? {
            Ended::Shutdown => break,
            Ended::Changed => tracing::debug!("partitions or checkpoints changed hands"),
        }
    }
    // Gives the locks back at once; they would go with the connection anyway.
    let _ = db.close().await;
    Ok(())
}

/// Has the server end this session when it says nothing for so long: its partitions are the others' then. Where Postgres knows of such a bound,
/// which it does from version 14 on; within a transaction all do.
async fn bound_silence(db: &mut PgConnection, silence_max: Duration) -> Result<(), sqlx::Error> {
    sqlx::query(
        "select set_config(name, $1, false) from pg_settings
         where name in ('idle_session_timeout', 'idle_in_transaction_session_timeout')",
    )
    .bind(format!("{}ms", silence_max.as_millis()))
    .execute(db)
    .await?;
    Ok(())
}

/// A connection with the settings of the writer.
///
/// # Errors
/// The database's.
pub async fn connect(database_url: &str) -> Result<PgConnection, sqlx::Error> {
    connect_with(database_url, "daybook-projector", &[]).await
}

/// As [`connect`], with other settings in place of some.
pub(crate) async fn connect_with(
    database_url: &str,
    name: &str,
    settings: &[(&str, &str)],
) -> Result<PgConnection, sqlx::Error> {
    let options = database_url
        .parse::<PgConnectOptions>()?
        .application_name(name)
        .options(SETTINGS)
        .options(KEEPALIVES)
        .options(settings.iter().copied())
        .disable_statement_logging();
    in_time(PgConnection::connect_with(&options)).await
}

/// Connects, or gives up.
pub(crate) async fn in_time(
    connecting: impl Future<Output = Result<PgConnection, sqlx::Error>>,
) -> Result<PgConnection, sqlx::Error> {
    within(CONNECT_TIMEOUT, connecting).await
}

/// The answer, if it comes within that time; else the connection counts as dead.
pub(crate) async fn within<T, E: From<sqlx::Error>>(
    time_max: Duration,
    question: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let lost = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
    tokio::time::timeout(time_max, question).await.map_err(lost)?
}

/// Joins those who project into the database; waits while a program that shares with nobody holds it. A database of another log is not
/// worth waiting for.
async fn enter(
    db: &mut PgConnection,
    store: &EventStore,
    options: &ProjectorOptions,
) -> Result<(), ProjectorError> {
    loop {
        // Whether these are checkpoints of partitions yet, or of a program from before.
        let migrated: bool = sqlx::query_scalar(
            "select exists (select from pg_attribute where attrelid = to_regclass('checkpoints') and attname = 'partition')",
        )
        .fetch_one(&mut *db)
        .await?;
        if migrated {
            placement::check(db, options.placement).await?;
            checkpoints(db, store, options.placement).await?;
        }
        if Shares::enter(db).await? {
            return Ok(());
        }
        waiting(options);
        tokio::time::sleep(LOCK_RETRY).await;
    }
}

/// Waits until a partition is to be had. Asks again and again instead of standing in line in the server, where a projector that went away
/// would keep its place.
async fn wait(
    db: &mut PgConnection,
    shares: &mut Shares,
    options: &ProjectorOptions,
) -> Result<(), ProjectorError> {
    while shares.held().is_empty() && !shares.settle(db).await? {
        waiting(options);
        tokio::time::sleep(LOCK_RETRY).await;
    }
    Ok(())
}

fn waiting(options: &ProjectorOptions) {
    if options.status.borrow().phase != Phase::Waiting {
        tracing::info!("other projectors hold this database; waiting");
        let placement = options.placement;
        let status = ProjectorStatus { phase: Phase::Waiting, placement, projections: Vec::new() };
        options.status.send_replace(status);
    }
}

/// Where each part goes on, those left out that cannot.
async fn open(
    db: &mut PgConnection,
    store: &EventStore,
    options: &ProjectorOptions,
    held: Partitions,
    first: bool,
) -> Result<Vec<(Part, Place)>, ProjectorError> {
    let mut checkpoints = checkpoints(db, store, options.placement).await?;
    checkpoints.retain(|checkpoint| checkpoint.part.within(held).is_some());
    let places: Vec<_> = checkpoints.iter().map(|checkpoint| (checkpoint.part, checkpoint.place)).collect();
    status::opened(&options.status, &places);
    stops::clear(db, places.iter().map(|(part, _)| *part)).await?;
    let rebuilt = rebuilt(db, &checkpoints, first).await?;
    let mut current = Vec::new();
    for Checkpoint { part, version, place } in checkpoints {
        let projection = part.projection;
        let (name, ours) = (projection.name, projection.version);
        let reason = match version.cmp(&ours) {
            Ordering::Equal => {
                current.push((part, place));
                continue;
            }
            Ordering::Less if rebuilt.iter().any(|rebuilt| rebuilt == name) => {
                status::rebuilding(&options.status, projection);
                continue;
            }
            Ordering::Less => {
                format!(
                    "its rows are of version {version}, this program writes version {ours}: daybook rebuild {name}"
                )
            }
            Ordering::Greater => {
                format!("its rows are of version {version}, this program is older and writes version {ours}")
            }
        };
        let stopped = Stopped { position: place.position, reason };
        runner::stop(db, part, version, stopped, options).await?;
    }
    Ok(current)
}

/// The projections that are being rebuilt, if some here have rows of an older version. Readers go on with these rows meanwhile.
async fn rebuilt(
    db: &mut PgConnection,
    checkpoints: &[Checkpoint],
    first: bool,
) -> Result<Vec<String>, sqlx::Error> {
    let mut older: Vec<&'static Projection> = Vec::new();
    for Checkpoint { part: Part { projection, .. }, version, .. } in checkpoints {
        if *version < projection.version && older.iter().all(|known| known.name != projection.name) {
            older.push(projection);
        }
    }
    if older.is_empty() {
        return Ok(Vec::new());
    }
    if first {
        request::ask_by_itself(db, &older).await?;
    }
    request::under_way(db).await
}

/// Every checkpoint of the database, which must be a place of this log.
async fn checkpoints(
    db: &mut PgConnection,
    store: &EventStore,
    placement: Placement,
) -> Result<Vec<Checkpoint>, ProjectorError> {
    let checkpoints = checkpoint::load(db, &projections::parts_in(placement)).await?;
    // After the checkpoints, so that the log cannot seem shorter than it is.
    let head = store.head().await?;
    let mut known: Option<Place> = None;
    for Checkpoint { part, place, .. } in &checkpoints {
        let (projection, position) = (part.projection.name, place.position);
        if position > head {
            return Err(ProjectorError::PastTheEnd { projection, position, head });
        }
        // Positions alone would not tell: two logs may well have the same.
        if known != Some(*place) && store.recorded_at(position).await? != place.recorded_at {
            return Err(ProjectorError::AnotherLog { projection, position });
        }
        known = Some(*place);
    }
    Ok(checkpoints)
}
