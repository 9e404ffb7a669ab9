use std::cell::Cell;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::*;

const WITHIN: Duration = Duration::from_secs(5);

/// Read models that are known to have reached a position. Nobody answers behind them.
pub(crate) fn reached(position: Position) -> Freshness {
    let server = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(1);
    let freshness = Freshness::new(ReadDatabases::lazy(vec![(PgPoolOptions::new(), server)]));
    freshness.each[0].reached.send_replace(Reached { position, era: freshness.era() });
    freshness
}

impl Freshness {
    /// As when Postgres crashed, was connected to again, and projected to the same place.
    pub(crate) fn forget_and_reach_again(&self) {
        self.databases.crashed();
        let Reached { position, .. } = *self.each[0].reached.borrow();
        self.each[0].reached.send_replace(Reached { position, era: self.era() });
    }
}

#[tokio::test]
async fn what_was_read_while_postgres_may_have_forgotten_is_read_again() {
    let freshness = reached(7);
    let reads = Cell::new(0);
    let read = || async {
        reads.set(reads.get() + 1);
        if reads.get() == 1 {
            freshness.forget_and_reach_again();
            return Ok::<_, Problem>("stale");
        }
        Ok("fresh")
    };
    assert_eq!(freshness.read_at(7, WITHIN, read).await, Ok("fresh"));
    assert_eq!(reads.get(), 2);
}

#[tokio::test]
async fn a_read_gives_up_on_a_database_that_is_never_the_same() {
    let freshness = reached(7);
    let read = || async {
        freshness.forget_and_reach_again();
        Ok::<_, Problem>(())
    };
    assert_eq!(freshness.read_at(7, WITHIN, read).await, Err(Problem::DatabaseUnavailable));
}
