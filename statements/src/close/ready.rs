//! Whether a month may be closed.

use std::collections::BTreeMap;
use std::time::Instant;

use chrono::{DateTime, NaiveDate, Utc};
use ledger_core::{Month, Position};
use sqlx::{Connection, PgConnection};

use super::{CloseError, Inner, Step};
use crate::limits::{CATCH_UP_LOOK, CATCH_UP_PATIENCE};
use crate::statement::over_from;

/// Key of the advisory lock of whoever closes a month: "daybook" and a number.
const CLOSE_LOCK: i64 = 0x6461_7962_6f6f_6b20;

/// Months before this one with an account of which there is no statement of all its activity, or whose newest statement does not begin
/// with what is booked before: an earlier month was corrected since.
const OPEN_MONTHS: &str = "
    select month, count(*) from (
        select account_id, month from monthly_totals as totals
        where month < $1 and not exists (
            select from statements where statements.account_id = totals.account_id and statements.month = totals.month
                                     and statements.count = totals.count)
        union
        select account_id, month from (
            select distinct on (account_id, month) account_id, month, opening from statements
            where month < $1 order by account_id, month, issue desc) as newest
        where opening <> (
            select coalesce(sum(credits - debits), 0) from monthly_totals as earlier
            where earlier.account_id = newest.account_id and earlier.month < newest.month)) as open
    group by month";

/// Whoever has this closes months: nobody else does as long as the session lives. It saves work and no more: if two were to close, one
/// event of each issue would be taken, and its files be as they were written.
pub(super) struct Turn(PgConnection);

impl Turn {
    /// Lets the next one begin at once. Whatever ends otherwise leaves it to the server to see that the connection is gone.
    pub(super) async fn end(self) {
        let Self(mut db) = self;
        let given = sqlx::query("select pg_advisory_unlock($1)").bind(CLOSE_LOCK).execute(&mut db).await;
        if given.is_ok() {
            let _ = db.close().await;
        }
    }
}

impl Inner {
    /// One close at a time, whatever process it runs in.
    pub(super) async fn take_turn(&self) -> Result<Turn, CloseError> {
        let first = self.parts.databases.first().ok_or(sqlx::Error::PoolClosed)?;
        // Not given back to the pool: the lock ends with the connection.
        let mut db = first.acquire().await?.detach();
        let taken: bool =
            sqlx::query_scalar("select pg_try_advisory_lock($1)").bind(CLOSE_LOCK).fetch_one(&mut db).await?;
        if taken { Ok(Turn(db)) } else { Err(CloseError::Busy) }
    }

    pub(super) fn require_over(&self, month: Month, now: DateTime<Utc>) -> Result<(), CloseError> {
        let zone = self.parts.time_zone;
        if over_from(month, zone) <= now {
            return Ok(());
        }
        Err(CloseError::NotOver { month, zone })
    }

    /// Months in the read models begin at this zone's midnights.
    pub(super) async fn require_same_zone(&self) -> Result<(), CloseError> {
        let given = self.parts.time_zone;
        for database in &self.parts.databases {
            let noted: Option<String> =
                sqlx::query_scalar("select name from bank_time_zone").fetch_optional(database).await?;
            if let Some(projected) = noted.filter(|noted| noted != given.name()) {
                return Err(CloseError::OtherZone { given, projected });
            }
        }
        Ok(())
    }

    /// Waits until every projection has what the log has now. Gives up when none of them moves.
    pub(super) async fn catch_up(&self, progress: &(impl Fn(Step) + Sync)) -> Result<(), CloseError> {
        let head = self.parts.store.head().await?;
        let (mut best, mut moved) = (None, Instant::now());
        loop {
            let reached = self.reached().await?;
            if reached >= head {
                return Ok(());
            }
            if best != Some(reached) {
                (best, moved) = (Some(reached), Instant::now());
            }
            progress(Step::Waiting { reached, head });
            if moved.elapsed() > CATCH_UP_PATIENCE {
                return Err(CloseError::Behind { reached, head });
            }
            tokio::time::sleep(CATCH_UP_LOOK).await;
        }
    }

    /// Where the projection is that is furthest back, in whatever database.
    async fn reached(&self) -> Result<Position, CloseError> {
        let mut reached = Position::MAX;
        for database in &self.parts.databases {
            // A projector from before this one has no statements.
            let (position, complete): (Option<i64>, bool) = sqlx::query_as(
                "select min(position), coalesce(bool_or(projection = 'statements'), false) from checkpoints",
            )
            .fetch_one(database)
            .await?;
            let position = position.filter(|_| complete).unwrap_or(0);
            reached = reached.min(position.unsigned_abs());
        }
        Ok(reached)
    }

    pub(super) async fn require_earlier_closed(&self, month: Month) -> Result<(), CloseError> {
        match self.open_months(month).await?.first_key_value() {
            None => Ok(()),
            Some((day, accounts)) => {
                Err(CloseError::EarlierOpen { month: Month::containing(*day), accounts: *accounts })
            }
        }
    }

    /// Open months before this one, and on how many accounts they are.
    pub(super) async fn open_months(&self, before: Month) -> Result<BTreeMap<NaiveDate, i64>, CloseError> {
        let mut open: BTreeMap<NaiveDate, i64> = BTreeMap::new();
        for database in &self.parts.databases {
            let found: Vec<(NaiveDate, i64)> =
                sqlx::query_as(OPEN_MONTHS).bind(before.first_day()).fetch_all(database).await?;
            for (month, accounts) in found {
                let sum = open.entry(month).or_default();
                *sum = sum.saturating_add(accounts);
            }
        }
        Ok(open)
    }
}
