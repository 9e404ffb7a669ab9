//! Which months are to be closed until a given one is.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use ledger_core::Month;

use super::reads::MISSING;
use super::{Close, CloseError, Inner};

/// Months in which something was booked or of which there are statements.
const MONTHS: &str = "
    select month from monthly_totals where month >= $1 and month <= $2
    union select month from statements where month >= $1 and month <= $2";

impl Close {
    /// The months to close so that this one and all before it are closed, oldest first; none when they are. An open month is followed by
    /// every later one: what they began with may have been something else. Waits for the read models, as a close does.
    ///
    /// # Errors
    /// When the read models cannot be read, or do not get on.
    pub async fn open_until(&self, last: Month) -> Result<Vec<Month>, CloseError> {
        let inner = &*self.inner;
        inner.catch_up(&|_| ()).await?;
        let mut months: BTreeSet<NaiveDate> = BTreeSet::new();
        if let Some(first) = inner.open_months(last.next()).await?.first_key_value().map(|(day, _)| *day) {
            for database in &inner.parts.databases {
                let found: Vec<NaiveDate> =
                    sqlx::query_scalar(MONTHS).bind(first).bind(last.first_day()).fetch_all(database).await?;
                months.extend(found);
            }
        }
        if inner.lacks_statements(last).await? {
            months.insert(last.first_day());
        }
        Ok(months.into_iter().map(Month::containing).collect())
    }
}

impl Inner {
    /// Whether an account that had activity in the month, or a balance at its end, has no statement of it.
    async fn lacks_statements(&self, month: Month) -> Result<bool, CloseError> {
        for database in &self.parts.databases {
            let lacks: bool =
                sqlx::query_scalar(MISSING).bind(month.first_day()).bind(0_i64).fetch_one(database).await?;
            if lacks {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
