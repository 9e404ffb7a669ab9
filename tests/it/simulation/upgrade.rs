//! A database as the first Daybook left it is brought up to date by this one's projector, and nothing is lost.

use std::path::Path;

use projector::ProjectorError;
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, PgConnection};

use super::postgres::Postgres;
use super::projections::Database;
use super::world::run;

/// What the first migration makes, and the projections of then.
const TABLES: [&str; 6] =
    ["users", "accounts", "transfers", "transactions", "monthly_totals", "trial_balance"];
/// Logs that are tried, in each of which something is under way when the new projector comes.
const SEEDS: u64 = 3;

/// Only the tables of the first migration, as sqlx and the projector know migrations.
async fn first_migration(db: &mut PgConnection) {
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../projector/migrations");
    let migrator = Migrator::new(migrations).await.unwrap();
    migrator.run_direct(Some(1), db, false).await.unwrap();
}

/// Brings the rows over, of which only the columns of then find a place.
async fn copy(from: &mut PgConnection, to: &mut PgConnection) {
    // A projection had one checkpoint then: its partitions are all at the same place here.
    let checkpoints = "(select distinct on (projection) * from checkpoints)";
    for (table, source) in
        TABLES.map(|table| (table, table)).into_iter().chain([("checkpoints", checkpoints)])
    {
        let rows = format!("select coalesce(jsonb_agg(old), '[]')::text from {source} old");
        let rows: String = sqlx::query_scalar(AssertSqlSafe(rows)).fetch_one(&mut *from).await.unwrap();
        let insert = format!(
            "insert into {table} select old.* from jsonb_populate_recordset(null::{table}, $1::jsonb) old"
        );
        sqlx::query(AssertSqlSafe(insert)).bind(rows).execute(&mut *to).await.unwrap();
    }
    sqlx::query("delete from checkpoints where projection <> all($1)")
        .bind(&TABLES[..])
        .execute(to)
        .await
        .unwrap();
}

#[test]
fn a_database_of_the_first_version_is_brought_up_to_date_without_loss() {
    let postgres = Postgres::shared();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut then =
        runtime.block_on(async { Database::open(postgres.database("simulation_then").await).await });
    let mut rows_before = 0;
    for seed in 0..SEEDS {
        let outcome = run(seed);
        let middle = outcome.events[outcome.events.len() / 2].position;
        let name = format!("simulation_upgrade_{seed}");
        let (count, faults, misplaced) = runtime.block_on(async {
            then.project_up_to(&outcome, middle).await;
            let mut now = Database::open(postgres.empty_database(&name).await).await;
            first_migration(&mut now.db).await;
            copy(&mut then.db, &mut now.db).await;
            let count: i64 =
                sqlx::query_scalar("select count(*) from transactions").fetch_one(&mut now.db).await.unwrap();
            let faults = now.differences_when_caught_up(&outcome).await;
            (count, faults, now.taken_for_the_first_of_two(&outcome).await)
        });
        assert!(faults.is_empty(), "seed {seed}: {faults:#?}");
        // It has everything, and says so.
        let is_refused =
            matches!(&misplaced, Err(ProjectorError::Misplaced { found, .. }) if found == "1 of 1");
        assert!(is_refused, "seed {seed}: {misplaced:?}");
        rows_before += count;
    }
    assert!(rows_before > 0, "there was nothing to lose");
}
