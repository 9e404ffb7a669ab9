//! Which months are archived, as a database says.

use std::sync::Arc;
use std::time::Instant;

use archive::Edition;
use chrono::{DateTime, NaiveDate, Utc};
use file_store::Sha256;
use parking_lot::Mutex;
use sqlx::FromRow;
use tokio::time::timeout;

use super::convert;
use crate::limits::{ARCHIVED_MONTHS_AGE_MAX, ARCHIVED_MONTHS_ANSWER_MAX};
use crate::read_models::ReadError;
use crate::read_pool::ReadPool;

/// An archived month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRow)]
pub(crate) struct Archived {
    /// Its first day.
    pub(crate) month: NaiveDate,
    /// When the log recorded the first of its entries.
    pub(crate) recorded_from: DateTime<Utc>,
    /// And the last. What is recorded later is in the database alone, and nothing else is.
    pub(crate) recorded_until: DateTime<Utc>,
    /// SHA-256 of its archived rows.
    #[sqlx(try_from = "String")]
    pub(crate) digest: Sha256,
}

impl Archived {
    /// Its rows, and no others that were archived in their place.
    pub(super) fn edition(&self) -> Result<Edition, ReadError> {
        Ok(Edition { month: convert::month(self.month)?, digest: Some(self.digest) })
    }
}

/// The list, as it was a moment ago. A month is a few bytes: a bank's whole history is small.
#[derive(Default)]
pub(crate) struct Months {
    known: Mutex<Option<(Instant, Arc<[Archived]>)>>,
    /// One asks; others wait for the answer.
    asking: tokio::sync::Mutex<()>,
}

const ARCHIVED: &str =
    "select month, recorded_from, recorded_until, digest from archived_months order by month";
/// SQLSTATE of a table that is not there: nothing was archived by a program that does not know how.
const UNDEFINED_TABLE: &str = "42P01";

impl Months {
    /// Those from a first day to another, oldest first.
    pub(super) async fn within(
        &self,
        pool: &ReadPool,
        first: NaiveDate,
        last: NaiveDate,
    ) -> Result<Vec<Archived>, ReadError> {
        let all = self.all(pool).await?;
        Ok(all.iter().filter(|archived| (first..=last).contains(&archived.month)).copied().collect())
    }

    /// The next look asks the database.
    pub(super) fn forget(&self) {
        *self.known.lock() = None;
    }

    fn known(&self) -> Option<Arc<[Archived]>> {
        let known = self.known.lock();
        let (asked, months) = known.as_ref()?;
        (asked.elapsed() < ARCHIVED_MONTHS_AGE_MAX).then(|| Arc::clone(months))
    }

    fn asked_since(&self, since: Instant) -> Option<Arc<[Archived]>> {
        let known = self.known.lock();
        let (asked, months) = known.as_ref()?;
        (*asked >= since).then(|| Arc::clone(months))
    }

    async fn all(&self, pool: &ReadPool) -> Result<Arc<[Archived]>, ReadError> {
        if let Some(months) = self.known() {
            return Ok(months);
        }
        let since = Instant::now();
        let _asking = self.asking.lock().await;
        // What was asked for while we waited is for all who waited, however long the answer took.
        if let Some(months) = self.known().or_else(|| self.asked_since(since)) {
            return Ok(months);
        }
        // As old as the question, not as the answer.
        let asked = Instant::now();
        let found = timeout(ARCHIVED_MONTHS_ANSWER_MAX, sqlx::query_as(ARCHIVED).fetch_all(pool)).await;
        let found: Result<Vec<Archived>, sqlx::Error> = found.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        let months: Arc<[Archived]> = match found {
            Ok(months) => months.into(),
            Err(error) if is_undefined(&error) => Arc::default(),
            Err(error) => return Err(error.into()),
        };
        *self.known.lock() = Some((asked, Arc::clone(&months)));
        Ok(months)
    }
}

fn is_undefined(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code == UNDEFINED_TABLE)
}
