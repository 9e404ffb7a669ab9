//! Rebuilds that are held in the middle of their first batch, until they may go on.

use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection};

use super::wait::until;

/// No step of a rebuild takes longer, with others at work on the machine.
const STEP_TIME_MAX: Duration = Duration::from_secs(60);

/// Who writes accounts of a rebuild needs the lock. Live ones are written as ever.
const HOLD: &str = "
    create or replace function is_free(place oid) returns boolean language plpgsql as $$
    begin
        if (select relnamespace::regnamespace::text from pg_class where oid = place) = 'rebuild' then
            perform pg_advisory_xact_lock_shared(4711);
        end if;
        return true;
    end $$;
    alter table accounts drop constraint if exists is_free, add constraint is_free check (is_free(tableoid)) not valid;
    select pg_advisory_lock(4711)";
const WAITS: &str = "
    select count(*) from pg_stat_activity
    where application_name = 'daybook-rebuild' and datname = current_database() and wait_event = 'advisory'";

/// Holds rebuilds of `accounts` in a database, for as long as it lives.
pub(crate) struct HeldRebuilds {
    pub(crate) db: PgConnection,
}

/// Which table is live, and whether another one was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Live {
    table: i64,
    pub(crate) is_another: bool,
}

impl HeldRebuilds {
    pub(crate) async fn of(url: &str) -> Self {
        let mut db = PgConnection::connect(url).await.unwrap();
        db.execute(HOLD).await.unwrap();
        Self { db }
    }

    /// Holds them again, once those that were let go have written their batch.
    pub(crate) async fn hold(&mut self) {
        self.db.execute("select pg_advisory_lock(4711)").await.unwrap();
    }

    /// Waits until one is in the middle.
    pub(crate) async fn meets_one(&mut self) {
        until("a rebuild is in the middle", STEP_TIME_MAX, async || {
            (self.number(WAITS).await > 0).then_some(())
        })
        .await;
    }

    /// Lets them go on.
    pub(crate) async fn let_go(&mut self) {
        self.db.execute("select pg_advisory_unlock_all()").await.unwrap();
    }

    /// Where the last one stands.
    pub(crate) async fn state(&mut self) -> String {
        let state = "select state from rebuilds order by rebuild_id desc limit 1";
        sqlx::query_scalar(state).fetch_one(&mut self.db).await.unwrap()
    }

    /// The live ones.
    pub(crate) async fn live(&mut self) -> Live {
        Live {
            table: self.number("select 'public.accounts'::regclass::oid::bigint").await,
            is_another: self
                .number("select count(*) from pg_class where oid = to_regclass('previous.accounts')")
                .await
                > 0,
        }
    }

    async fn number(&mut self, select: &'static str) -> i64 {
        sqlx::query_scalar(select).fetch_one(&mut self.db).await.unwrap()
    }
}
