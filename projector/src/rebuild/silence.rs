//! Noticing that a connection has gone silent. What a rebuild asks of the database may take hours, so that an answer does not come says nothing by
//! itself.

use std::time::Instant;

use sqlx::PgConnection;

use super::limits::{ANSWER_TIME_MAX, POLL, STILL_MAX};
use super::progress::{Meter, State};
use super::tables::NAME;
use super::{REBUILD, RebuildError};
use crate::session;

const AT_WORK: &str = "
    select exists (select from pg_stat_activity
                   where application_name = $1 and datname = current_database() and pid <> pg_backend_pid() and state in ('active', 'disabled'))";

/// Ends sessions of rebuilds that hold a table of one under way; how many there were.
const END_EARLIER: &str = "
    select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity session
    where application_name = $1 and datname = current_database() and pid <> pg_backend_pid() and exists (
        select from pg_locks held join pg_class relation on relation.oid = held.relation
        where held.pid = session.pid and relation.relnamespace = to_regnamespace($2))";

/// The answer to a small question, if it comes.
pub(super) async fn answered<T, E: From<sqlx::Error>>(
    question: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    session::within(ANSWER_TIME_MAX, question).await
}

/// Ends what an earlier attempt left at work: a server process notices at its statement's end only that nobody waits for it, and what it was
/// making would be made twice. To be called by who has the right to rebuild.
pub(super) async fn end_earlier(db: &mut PgConnection) -> Result<(), RebuildError> {
    let began = Instant::now();
    loop {
        let ended = sqlx::query_scalar::<_, i64>(END_EARLIER).bind(NAME).bind(REBUILD).fetch_one(&mut *db);
        if answered(ended).await? == 0 {
            return Ok(());
        }
        if began.elapsed() > STILL_MAX {
            return Err(RebuildError::Silent);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Looks at a rebuild by way of another connection: does it move, or is the server at work for it?
pub(super) struct Watch<'a> {
    meter: &'a Meter,
    /// What was seen last, and since when that has been so while nobody was at work.
    seen: State,
    still_since: Instant,
}

impl<'a> Watch<'a> {
    pub(super) fn over(meter: &'a Meter) -> Self {
        Self { meter, seen: meter.state(), still_since: Instant::now() }
    }

    /// Fails when it has stood still for too long. A server that takes its time is at work, and so is one that waits for a lock; one whose machine
    /// stopped in the middle of that looks the same, and is noticed by who applies events.
    pub(super) async fn look(&mut self, db: &mut PgConnection) -> Result<(), RebuildError> {
        let now = self.meter.state();
        let at_work = sqlx::query_scalar(AT_WORK).bind(NAME).fetch_one(db);
        if answered(at_work).await? || now != self.seen {
            (self.seen, self.still_since) = (now, Instant::now());
        }
        if self.still_since.elapsed() > STILL_MAX { Err(RebuildError::Silent) } else { Ok(()) }
    }
}
