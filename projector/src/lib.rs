//! Events from the log to Postgres read models: batched, rows and checkpoint in one transaction.
//!
//! [`run`] reads the log, hands every batch to each [`projections::Projection`] and writes their rows together with their
//! [checkpoints](checkpoint). A projection never parks and never skips, since a skipped event is a wrong balance: it stops at the event
//! that it cannot take and says so in [`ProjectorStatus`], while the others go on.
//!
//! Several projectors may share a database: each writes its own [partitions](partition). Several databases may share the partitions: each is
//! filled by a [`run`] of its own.

pub mod checkpoint;
mod copy;
mod error;
mod lag;
mod options;
mod outage;
mod pace;
pub mod partition;
mod placement;
pub mod projections;
mod reader;
pub mod rebuild;
pub mod runner;
pub mod session;
mod shares;
mod status;
mod stops;
mod time_zone;

use std::time::Duration;

use ledger_streams::EventStore;
use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

pub use error::{ApplyError, ProjectorError};
pub use options::ProjectorOptions;
use partition::Placement;
pub use status::{Phase, ProjectionStatus, ProjectorStatus, Stopped};

/// The read models' tables, as numbered steps.
pub(crate) static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Brings the read models' tables up to date. [`run`] does so too; call this where the tables are needed
/// before that.
///
/// # Errors
/// When the database cannot be reached, refuses, or was migrated by a newer program.
pub async fn migrate(pool: &PgPool) -> Result<(), MigrateError> {
    MIGRATIONS.run(pool).await
}

/// Keeps the read models of a database up to date with the log until `shutdown`, which it obeys between two transactions.
///
/// A database or a store that goes away is waited for. What happens is told by `options.status`.
///
/// # Errors
/// Only what waiting cannot mend: see [`ProjectorError`].
pub async fn run(
    database_url: &str,
    store: EventStore,
    options: ProjectorOptions,
    shutdown: CancellationToken,
) -> Result<(), ProjectorError> {
    options.status.send_modify(|status| status.placement = options.placement);
    let exchanged = Notify::new();
    let context = rebuild::Context { database_url, store: &store, options: &options, exchanged: &exchanged };
    let work = async {
        tokio::select! {
            result = sessions(database_url, &store, &options, &exchanged, &shutdown) => result,
            never = Box::pin(rebuild::attend(&context)) => match never {},
            never = lag::observe(&store, options.status.subscribe()) => match never {},
        }
    };
    // What is logged says of which database it is, where there are several.
    let span = match options.placement {
        Placement::ALONE => Span::none(),
        placement => tracing::error_span!("database", number = placement.number()),
    };
    work.instrument(span).await
}

/// One session after another, each until its connection breaks.
async fn sessions(
    database_url: &str,
    store: &EventStore,
    options: &ProjectorOptions,
    exchanged: &Notify,
    shutdown: &CancellationToken,
) -> Result<(), ProjectorError> {
    let mut first = true;
    let mut outage = outage::Outage::new("Postgres", Duration::from_secs(10));
    loop {
        match Box::pin(session::run(database_url, store, options, exchanged, first, shutdown)).await {
            Err(error) if error.is_outage() => {
                // The projections were looked at if it came so far.
                first = first && options.status.borrow().projections.is_empty();
                options.status.send_modify(|status| status.phase = Phase::Connecting);
                if shutdown.run_until_cancelled(outage.wait(&error)).await.is_none() {
                    return Ok(());
                }
            }
            ended => return ended,
        }
    }
}
