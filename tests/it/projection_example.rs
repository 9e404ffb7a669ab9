//! The projection that docs/projections.md adds is the one that is compiled, and it works.

use std::borrow::Cow;
use std::path::Path;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use ledger_core::account::{AccountEvent, AccountKind, AccountOpened};
use ledger_core::{AccountId, Currency, Event, Metadata, Money, stream};
use ledger_streams::Recorded;
use projector::checkpoint::{self, Place};
use projector::projections::{EXAMPLE, Events, Part};
use projector::{runner, session};
use sqlx::{AssertSqlSafe, Executor};

use crate::simulation::postgres::Postgres;

fn document() -> String {
    read("docs/projections.md")
}

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// The first piece of the document in this language.
fn piece(language: &str) -> String {
    let document = document();
    let (_, after) = document.split_once(&format!("```{language}\n")).unwrap();
    after.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_document_shows_what_is_compiled() {
    assert_eq!(piece("rust"), read("projector/src/projections/openings.rs"));
}

/// An account opened at this time, the number-th event of the log.
fn opened(number: u64, at: &str, currency: &str) -> Recorded {
    let at: DateTime<Utc> = at.parse().unwrap();
    let account_id = AccountId::from_i64(10_000_000_000 + number.cast_signed()).unwrap();
    let currency = Currency::from_code(currency).unwrap();
    let opened = AccountOpened {
        account_id,
        user_id: None,
        kind: AccountKind::Checking,
        currency,
        reference: None,
        overdraft_limit: Money::zero(currency),
    };
    Recorded {
        id: uuid::Uuid::nil(),
        stream: stream::account(account_id).into(),
        revision: 0,
        position: number,
        recorded_at: at,
        metadata: Metadata {
            correlation_id: Cow::Borrowed(""),
            causation_id: None,
            actor: Cow::Borrowed("operator:test"),
            booked_at: at,
            version: 1,
        },
        event: Event::Account(AccountEvent::Opened(opened)),
    }
}

#[test]
fn the_example_counts_openings() {
    let postgres = Postgres::shared();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(counts_openings(&postgres));
}

async fn counts_openings(postgres: &Postgres) {
    let mut db = session::connect(&postgres.database("example").await).await.unwrap();
    db.execute(AssertSqlSafe(piece("sql"))).await.unwrap();
    let parts = [Part::whole(EXAMPLE)];
    checkpoint::load(&mut db, &parts).await.unwrap();

    // The second one is on the next day where the bank is.
    let first = [
        opened(1, "2026-03-01T12:00:00Z", "EUR"),
        opened(2, "2026-03-01T23:30:00Z", "EUR"),
        opened(3, "2026-03-01T12:00:00Z", "CZK"),
    ];
    let second = [opened(4, "2026-03-01T12:00:00Z", "EUR")];
    for (events, from) in [(&first[..], 0), (&second[..], 3)] {
        let last = events.last().unwrap();
        let to = Place { position: last.position, recorded_at: Some(last.recorded_at) };
        let events = Events::new(events, Tz::Europe__Prague);
        runner::apply_batch(&mut db, &parts, &events, from, to).await.unwrap();
    }
    let rows: Vec<(NaiveDate, String, i64)> =
        sqlx::query_as("select day, currency, count from openings order by day, currency")
            .fetch_all(&mut db)
            .await
            .unwrap();
    let day = |day| NaiveDate::from_ymd_opt(2026, 3, day).unwrap();
    assert_eq!(rows, [(day(1), "CZK".into(), 1), (day(1), "EUR".into(), 2), (day(2), "EUR".into(), 1)]);
}
