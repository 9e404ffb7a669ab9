//! New rows against live ones, all of them, at one position.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::limits::DIFFERENCES_MAX;
use super::{LIVE, REBUILD, RebuildError};
use crate::projections::Projection;

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// One for each table.
    pub tables: Vec<TableReport>,
    /// True when the live rows are of another version: then differences are expected, and no reason not to exchange.
    pub other_version: bool,
}

/// Both sides of one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableReport {
    /// Its name.
    pub table: String,
    /// The live rows.
    pub live: Tally,
    /// The new rows.
    pub rebuilt: Tally,
    /// Columns that only one side has, which were not compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_compared: Vec<String>,
    /// The first rows that differ, by primary key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
}

/// Rows counted, and added up in whatever order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many.
    pub rows: i64,
    /// Sum of a hash of each.
    pub checksum: String,
}

/// A row that only one side has, or that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// As it is live.
    pub live: Option<Value>,
    /// As it was built.
    pub rebuilt: Option<Value>,
}

impl Report {
    /// True when a table differs.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.tables.iter().any(|table| table.live != table.rebuilt)
    }
}

/// Compares within the connection's transaction, which must be one snapshot.
pub(super) async fn compare(
    db: &mut PgConnection,
    projections: &[&'static Projection],
) -> Result<Vec<TableReport>, RebuildError> {
    let mut reports = Vec::new();
    for table in projections.iter().flat_map(|projection| projection.tables) {
        let (live, rebuilt) = (columns(db, LIVE, table).await?, columns(db, REBUILD, table).await?);
        let (both, not_compared): (Vec<String>, Vec<String>) =
            live.iter().cloned().partition(|column| rebuilt.contains(column));
        let new = rebuilt.iter().filter(|column| !live.contains(column)).cloned();
        let not_compared = not_compared.into_iter().chain(new).collect();
        let columns = both.join(", ");
        let (live, rebuilt) =
            (tally(db, LIVE, table, &columns).await?, tally(db, REBUILD, table, &columns).await?);
        let differences = if live == rebuilt { Vec::new() } else { differences(db, table, &columns).await? };
        reports.push(TableReport { table: (*table).to_owned(), live, rebuilt, not_compared, differences });
    }
    Ok(reports)
}

/// The rows of a table that are to be the same. Entries that are in the archive may be there or not, on either side.
fn rows(schema: &str, table: &str) -> String {
    if table != "transactions" {
        return format!("{schema}.{table}");
    }
    format!(
        "(select * from {schema}.{table} entry where not exists (
              select from {LIVE}.archived_months archived
              where archived.month = entry.month and entry.recorded_at <= archived.recorded_until))"
    )
}

async fn columns(db: &mut PgConnection, schema: &str, table: &str) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "select quote_ident(attname) from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped
         order by attname",
    )
    .bind(format!("{schema}.{table}"))
    .fetch_all(db)
    .await
}

async fn tally(
    db: &mut PgConnection,
    schema: &str,
    table: &str,
    columns: &str,
) -> Result<Tally, sqlx::Error> {
    // Inside 128 bits, so that the sum of however many hashes is exact.
    let select = format!(
        "select count(*) as rows, coalesce(sum(hashtextextended(row({columns})::text, 0)), 0)::text as checksum
         from {} as {table}",
        rows(schema, table)
    );
    let row = sqlx::query(AssertSqlSafe(select)).fetch_one(db).await?;
    Ok(Tally { rows: row.try_get("rows")?, checksum: row.try_get("checksum")? })
}

async fn differences(
    db: &mut PgConnection,
    table: &str,
    columns: &str,
) -> Result<Vec<Difference>, sqlx::Error> {
    let key: Vec<String> = sqlx::query_scalar(
        "select quote_ident(attname) from pg_index, unnest(indkey) with ordinality as k (number, place)
         join pg_attribute on attnum = k.number
         where indisprimary and indrelid = $1::regclass and attrelid = $1::regclass order by k.place",
    )
    .bind(format!("{LIVE}.{table}"))
    .fetch_all(&mut *db)
    .await?;
    let key = key.join(", ");
    let select = format!(
        "select to_jsonb(live)::text as live, to_jsonb(rebuilt)::text as rebuilt
         from (select {columns} from {} as {table}) as live
         full join (select {columns} from {} as {table}) as rebuilt using ({key})
         where live::text is distinct from rebuilt::text
         order by {key} limit {DIFFERENCES_MAX}",
        rows(LIVE, table),
        rows(REBUILD, table)
    );
    let rows = sqlx::query(AssertSqlSafe(select)).fetch_all(db).await?;
    let value = |row: &sqlx::postgres::PgRow, side| {
        let text: Option<String> = row.try_get(side)?;
        text.map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|error| sqlx::Error::Decode(error.into()))
    };
    rows.iter()
        .map(|row| Ok(Difference { live: value(row, "live")?, rebuilt: value(row, "rebuilt")? }))
        .collect()
}
