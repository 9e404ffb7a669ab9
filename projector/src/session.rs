//! Being the one writer of a database, for as long as a connection lasts.
//!
//! The right to write is a session advisory lock on the very connection that writes: who loses the connection loses the right with it,
//! and the next one in line reads the checkpoints after it got the lock.

use std::time::Duration;

use ledger_streams::EventStore;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio_util::sync::CancellationToken;

use crate::checkpoint::{Checkpoint, Place};
use crate::projections::Part;
use crate::{
    MIGRATIONS, Phase, ProjectorError, ProjectorOptions, Stopped, checkpoint, projections, runner, status,
};

/// Key of the advisory lock, one per database: "daybook" and a 1.
const WRITER_LOCK: i64 = 0x6461_7962_6f6f_6b01;
/// Time between two attempts to get the lock.
const LOCK_RETRY: Duration = Duration::from_millis(500);
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Settings of the connection that writes.
const SETTINGS: [(&str, &str); 12] = [
    // Rows and checkpoint go together, so a commit lost in a crash is projected again from the log. No need to wait for the disk.
    ("synchronous_commit", "off"),
    // What migrations say of tables that exist.
    ("client_min_messages", "warning"),
    ("statement_timeout", "60s"),
    ("lock_timeout", "30s"),
    ("idle_in_transaction_session_timeout", "60s"),
    // A projector whose machine vanished must not keep the lock.
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    // Every statement finds its rows by primary key. Said outright, as a plan made while a table was young would scan it when it has
    // grown, and planning again for every batch would take longer than a small batch itself.
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
];

/// Connects, becomes the writer and projects until `shutdown` or until the connection breaks.
pub(crate) async fn run(
    database_url: &str,
    store: &EventStore,
    options: &ProjectorOptions,
    shutdown: &CancellationToken,
) -> Result<(), ProjectorError> {
    let Some(mut db) = shutdown.run_until_cancelled(connect(database_url)).await.transpose()? else {
        return Ok(());
    };
    let locked = shutdown.run_until_cancelled(Box::pin(lock(&mut db, store, options))).await;
    let Some(locked) = locked else { return Ok(()) };
    locked?;
    MIGRATIONS.run_direct(None, &mut db, false).await?;
    let places = open(&mut db, store, options).await?;
    tracing::info!(projections = places.len(), "projecting");
    runner::run(&mut db, places, store, options, shutdown).await?;
    // Gives the lock back at once; it would go with the connection anyway.
    let _ = db.close().await;
    Ok(())
}

/// A connection with the settings of the writer.
///
/// # Errors
/// The database's.
pub async fn connect(database_url: &str) -> Result<PgConnection, sqlx::Error> {
    let options = database_url
        .parse::<PgConnectOptions>()?
        .application_name("daybook-projector")
        .options(SETTINGS)
        .disable_statement_logging();
    tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&options))
        .await
        .map_err(|_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))?
}

/// Waits until no other projector holds the database. Asks again and again instead of standing in line in the server, where a
/// projector that went away would keep its place. A database of another log is not worth waiting for.
async fn lock(
    db: &mut PgConnection,
    store: &EventStore,
    options: &ProjectorOptions,
) -> Result<(), ProjectorError> {
    loop {
        let migrated: bool =
            sqlx::query_scalar("select to_regclass('checkpoints') is not null").fetch_one(&mut *db).await?;
        if migrated {
            checkpoints(db, store).await?;
        }
        let locked: bool = sqlx::query_scalar("select pg_try_advisory_lock($1)")
            .bind(WRITER_LOCK)
            .fetch_one(&mut *db)
            .await?;
        if locked {
            return Ok(());
        }
        if options.status.borrow().phase != Phase::Waiting {
            tracing::info!("another projector holds this database; waiting");
            options.status.send_modify(|status| status.phase = Phase::Waiting);
        }
        tokio::time::sleep(LOCK_RETRY).await;
    }
}

/// Where each part goes on, those left out that cannot.
async fn open(
    db: &mut PgConnection,
    store: &EventStore,
    options: &ProjectorOptions,
) -> Result<Vec<(Part, Place)>, ProjectorError> {
    let checkpoints = checkpoints(db, store).await?;
    let places: Vec<_> = checkpoints.iter().map(|checkpoint| (checkpoint.part, checkpoint.place)).collect();
    status::opened(&options.status, &places);
    let current = checkpoints.into_iter().filter_map(|Checkpoint { part, version, place }| {
        let projection = part.projection;
        if version == projection.version {
            return Some((part, place));
        }
        let reason = format!(
            "its rows are of version {version}, this program writes version {}: rebuild it",
            projection.version
        );
        status::stopped(&options.status, projection, Stopped { position: place.position, reason });
        None
    });
    Ok(current.collect())
}

/// Every checkpoint, which must be a place of this log.
async fn checkpoints(db: &mut PgConnection, store: &EventStore) -> Result<Vec<Checkpoint>, ProjectorError> {
    let checkpoints = checkpoint::load(db, &projections::all_parts()).await?;
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
