//! What the databases say of archived months.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use ledger_core::Month;
use serde::Serialize;
use sqlx::FromRow;

use super::{Archiver, ArchivingError, Database};

/// A month as one database knows it.
#[derive(Clone, Debug, FromRow)]
pub(super) struct Noted {
    pub(super) rows: i64,
    pub(super) digest: String,
    pub(super) recorded_until: DateTime<Utc>,
}

/// A month that has something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Due {
    /// The month.
    pub month: Month,
    /// Rows in Postgres that belong into the archive, or are there and not yet dropped.
    pub rows: u64,
    /// True when its files are written and noted already.
    pub is_noted: bool,
}

/// An archived month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The month.
    pub month: Month,
    /// Rows in the archive.
    pub rows: u64,
    /// SHA-256 over them.
    pub digest: String,
    /// When it was noted.
    pub archived_at: DateTime<Utc>,
    /// True when its rows have left Postgres.
    pub is_dropped: bool,
    /// Entries of the month that were recorded afterwards: they are in Postgres.
    pub later: u64,
}

impl Database {
    pub(super) async fn noted(&mut self, month: Month) -> Result<Option<Noted>, sqlx::Error> {
        sqlx::query_as("select rows, digest, recorded_until from archived_months where month = $1")
            .bind(month.first_day())
            .fetch_optional(&mut self.db)
            .await
    }
}

impl Archiver {
    /// Months up to this one that have rows for the archive, oldest first.
    ///
    /// # Errors
    /// When a database does not answer.
    pub async fn due(&mut self, newest: Month) -> Result<Vec<Due>, ArchivingError> {
        let mut due: BTreeMap<Month, Due> = BTreeMap::new();
        for database in &mut self.databases {
            let found: Vec<(NaiveDate, i64, bool)> = sqlx::query_as(
                "select month, coalesce(count, 0), archived.month is not null
                 from (select month, count(*) as count from transactions entry
                       where month <= $1 and not exists (select from archived_months archived
                             where archived.month = entry.month and entry.recorded_at > archived.recorded_until)
                       group by month) entries
                 full join archived_months archived using (month)
                 where month <= $1 and (count > 0 or archived.dropped_at is null)",
            )
            .bind(newest.first_day())
            .fetch_all(&mut database.db)
            .await?;
            for (day, rows, is_noted) in found {
                let Some(month) = Month::of_first_day(day) else { continue };
                let of_all = due.entry(month).or_insert(Due { month, rows: 0, is_noted });
                of_all.rows = of_all.rows.saturating_add(rows.unsigned_abs());
                of_all.is_noted &= is_noted;
            }
        }
        Ok(due.into_values().collect())
    }

    /// Every archived month, oldest first.
    ///
    /// # Errors
    /// When a database does not answer.
    pub async fn list(&mut self) -> Result<Vec<Listed>, ArchivingError> {
        let mut months: BTreeMap<Month, Listed> = BTreeMap::new();
        for database in &mut self.databases {
            let found: Vec<(NaiveDate, i64, String, DateTime<Utc>, bool, i64)> = sqlx::query_as(
                "select month, rows, digest, archived_at, dropped_at is not null,
                        (select count(*) from transactions entry
                         where entry.month = archived.month and entry.recorded_at > archived.recorded_until)
                 from archived_months archived",
            )
            .fetch_all(&mut database.db)
            .await?;
            for (day, rows, digest, archived_at, is_dropped, later) in found {
                let Some(month) = Month::of_first_day(day) else { continue };
                let listed = months.entry(month).or_insert(Listed {
                    month,
                    rows: 0,
                    digest,
                    archived_at,
                    is_dropped: true,
                    later: 0,
                });
                listed.rows = listed.rows.saturating_add(rows.unsigned_abs());
                listed.later = listed.later.saturating_add(later.unsigned_abs());
                listed.is_dropped &= is_dropped;
            }
        }
        Ok(months.into_values().collect())
    }
}
