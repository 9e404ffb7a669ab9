//! Making a projection's rows anew, beside the live ones.
//!
//! Somebody asks for it by a row in `rebuilds` ([`request`]): an operator, or a projector whose program writes a newer version. A projector
//! takes it ([`attend`]), makes the tables in the schema `rebuild`, fills them from the log ([`build`]) up to where the live ones are,
//! compares both at one position ([`compare`]) and exchanges them in one transaction ([`switch`]). What was live lies in the schema
//! `previous` from then on, and can be exchanged again.
//!
//! Until the exchange nothing touches a live table. The build's checkpoints move with its rows, so that whoever comes after an
//! interruption goes on from there.

mod build;
pub mod compare;
mod error;
mod limits;
mod progress;
pub mod request;
mod silence;
mod switch;
mod tables;
mod work;

use std::sync::Arc;

use ledger_streams::EventStore;
use sqlx::{Connection, PgConnection};
use tokio::sync::Notify;
use tokio::time::interval;

pub use self::error::RebuildError;
use self::limits::{POLL, PROGRESS_INTERVAL};
use self::progress::Meter;
pub use self::progress::{Phase, Progress};
use self::request::{Ending, Request};
use self::silence::{Watch, answered, end_earlier};
use crate::ProjectorOptions;
use crate::outage::Outage;

/// The schema in which new tables are made.
pub(crate) const REBUILD: &str = "rebuild";
/// The schema in which the tables are that were live before.
pub(crate) const PREVIOUS: &str = "previous";
/// The schema of the live tables.
pub(crate) const LIVE: &str = "public";
/// Key of the advisory lock of whoever works at a rebuild: "daybook" and a 2.
const REBUILD_LOCK: i64 = 0x6461_7962_6f6f_6b02;

/// What it takes.
pub(crate) struct Context<'a> {
    pub(crate) database_url: &'a str,
    pub(crate) store: &'a EventStore,
    pub(crate) options: &'a ProjectorOptions,
    /// Told when checkpoints were exchanged: whoever projects must look at them again.
    pub(crate) exchanged: &'a Notify,
}

/// Does what is asked for in the table `rebuilds`, one after the other, for ever.
pub(crate) async fn attend(context: &Context<'_>) -> std::convert::Infallible {
    let mut outage = Outage::new("a rebuild's database or log", std::time::Duration::from_secs(10));
    loop {
        match Box::pin(connected(context)).await {
            Ok(never) => match never {},
            Err(error) => outage.wait(&error).await,
        }
    }
}

async fn connected(context: &Context<'_>) -> Result<std::convert::Infallible, RebuildError> {
    let mut journal = tables::connect(context.database_url).await?;
    let mut looks = interval(POLL);
    loop {
        looks.tick().await;
        let Some(request) = answered(request::next(&mut journal)).await? else { continue };
        if !answered(lock(&mut journal)).await? {
            continue;
        }
        // Another may have done it between the look and the lock.
        if answered(request::next(&mut journal)).await?.is_some_and(|next| next.id == request.id) {
            Box::pin(take(context, &mut journal, &request)).await?;
        }
        let unlock = sqlx::query("select pg_advisory_unlock($1)").bind(REBUILD_LOCK);
        answered(unlock.execute(&mut journal)).await?;
    }
}

async fn lock(db: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select pg_try_advisory_lock($1)").bind(REBUILD_LOCK).fetch_one(db).await
}

/// Works at one request to its end, unless the database goes away: then it is still there, and is taken again.
async fn take(
    context: &Context<'_>,
    journal: &mut PgConnection,
    request: &Request,
) -> Result<(), RebuildError> {
    let names = request.projections.join(", ");
    tracing::info!(rebuild = request.id, kind = request.kind.as_str(), projections = names, "rebuilding");
    let meter = Arc::new(Meter::default());
    answered(request::begin(journal, request.id)).await?;
    end_earlier(journal).await?;
    let result = {
        let work = work::work(context, request, &meter);
        noting(journal, request.id, &meter, Box::pin(work)).await
    };
    let ending = match result {
        Ok(ending) => ending,
        Err(error) if error.is_outage() => return Err(error),
        Err(RebuildError::Stopped) => Ending::stopped(),
        Err(error) => Ending::failed(error.to_string()),
    };
    match &ending.reason {
        Some(reason) => tracing::warn!(rebuild = request.id, reason, "rebuild {}", ending.state.as_str()),
        None => tracing::info!(rebuild = request.id, "rebuild {}", ending.state.as_str()),
    }
    answered(request::update(journal, request.id, &meter.progress())).await?;
    answered(request::end(journal, request.id, &ending)).await?;
    // Also what was not exchanged is news: a projection that waited for it is told that it did not come.
    context.exchanged.notify_one();
    Ok(())
}

/// Notes the progress of some work, and ends it when somebody wants it stopped, or when the database has gone silent.
async fn noting(
    journal: &mut PgConnection,
    id: i64,
    meter: &Meter,
    mut work: impl Future<Output = Result<Ending, RebuildError>> + Unpin,
) -> Result<Ending, RebuildError> {
    let (mut ticks, mut watch) = (interval(PROGRESS_INTERVAL), Watch::over(meter));
    loop {
        tokio::select! {
            ended = &mut work => return ended,
            _ = ticks.tick() => {
                if answered(request::update(journal, id, &meter.progress())).await? {
                    return Err(RebuildError::Stopped);
                }
                watch.look(journal).await?;
            }
        }
    }
}

/// Ends a connection in good order; it would end anyway.
async fn close(db: PgConnection) {
    let _ = db.close().await;
}
