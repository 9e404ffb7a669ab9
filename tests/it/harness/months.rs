//! Months as partitions of the table of entries.

use sqlx::PgConnection;

/// The partitions of a schema's entries by name; none where they are not divided.
pub(crate) async fn months(db: &mut PgConnection, schema: &str) -> Vec<String> {
    sqlx::query_scalar(
        "select relname::text from pg_inherits join pg_class on pg_class.oid = inhrelid
         where inhparent = to_regclass($1 || '.transactions') and relnamespace = $1::regnamespace order by 1",
    )
    .bind(schema)
    .fetch_all(db)
    .await
    .unwrap()
}
