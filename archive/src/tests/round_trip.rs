//! Rows to Parquet and back.

use std::slice::from_ref;

use proptest::collection::btree_map;
use proptest::prelude::*;

use super::{fixture, month, rows, write};
use crate::schema::{add_rows, to_batch};
use crate::{ArchiveError, EntriesQuery, EntryKind, EntrySums, Filter, LogSpan, Row, RowDigest, Status};

fn any_row() -> impl Strategy<Value = Row> {
    let currencies: Vec<_> = ledger_core::Currency::all().collect();
    let time = || {
        (-60_000_000_000_000_000_i64..250_000_000_000_000_000)
            .prop_map(|micros| chrono::DateTime::from_timestamp_micros(micros).unwrap())
    };
    let text = || proptest::option::of(".{0,140}");
    let ids = (any::<i64>(), any::<i64>(), proptest::sample::select(currencies));
    let amounts = (any::<i64>(), any::<i64>());
    let kinds = proptest::sample::select(vec![EntryKind::Debit, EntryKind::Credit, EntryKind::Reversal]);
    let statuses = proptest::sample::select(vec![Status::Completed, Status::Reversed]);
    (ids, amounts, kinds, statuses, text(), text(), time(), time()).prop_map(
        |(ids, amounts, kind, status, description, reference, booked_at, recorded_at)| Row {
            account_id: 0,
            revision: 0,
            transfer_id: ids.0,
            kind,
            status,
            amount: amounts.0,
            balance_after: amounts.1,
            currency: ids.2,
            counterparty: ids.1,
            description,
            reference,
            booked_at,
            recorded_at,
        },
    )
}

fn any_month() -> impl Strategy<Value = Vec<Row>> {
    btree_map((any::<i64>(), any::<i64>()), any_row(), 0..60).prop_map(|rows| {
        rows.into_iter().map(|((account_id, revision), row)| Row { account_id, revision, ..row }).collect()
    })
}

fn digest(rows: &[Row]) -> file_store::Sha256 {
    let mut digest = RowDigest::new();
    rows.iter().for_each(|row| digest.add(row));
    digest.finish()
}

async fn read(archive: &crate::Archive) -> Vec<Row> {
    let manifest = archive.manifest(month()).await.unwrap().unwrap();
    let mut stream = archive.rows(&manifest);
    let mut found = Vec::new();
    while let Some(rows) = stream.next().await.unwrap() {
        found.extend(rows);
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_rows_are_they_come_back(rows in any_month()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let fixture = fixture();
            let manifest = write(&fixture.archive, &rows).await;
            assert_eq!(manifest.digest, digest(&rows));
            assert_eq!(read(&fixture.archive).await, rows);
            assert_eq!(*fixture.archive.verify(month()).await.unwrap(), manifest);
        });
    }

    #[test]
    fn rows_that_differ_have_another_digest(one in any_row(), other in any_row()) {
        prop_assert_eq!(one == other, digest(from_ref(&one)) == digest(from_ref(&other)));
        prop_assert_ne!(digest(from_ref(&one)), digest(&[one.clone(), other]));
    }
}

#[test]
fn a_text_that_moves_to_the_next_column_makes_another_digest() {
    let row = rows(1, 1, 1).remove(0);
    let with = |description: Option<&str>, reference: Option<&str>| {
        let text = |text: Option<&str>| text.map(str::to_owned);
        digest(&[Row { description: text(description), reference: text(reference), ..row.clone() }])
    };
    let digests = [
        with(None, None),
        with(Some(""), None),
        with(None, Some("")),
        with(Some("ab"), Some("c")),
        with(Some("a"), Some("bc")),
        with(Some("abc"), None),
        with(None, Some("abc")),
    ];
    let distinct: std::collections::HashSet<_> = digests.iter().collect();
    assert_eq!(distinct.len(), digests.len());
}

#[test]
fn every_currencys_greatest_amount_has_room() {
    let row = rows(1, 1, 1).remove(0);
    for currency in ledger_core::Currency::all() {
        for amount in [i64::MIN, -1, 0, 1, i64::MAX] {
            let row = Row { amount, balance_after: amount, currency, ..row.clone() };
            let mut found = Vec::new();
            add_rows(&to_batch(from_ref(&row)).unwrap(), |_, _| true, &mut found).unwrap();
            assert_eq!(found, [row]);
        }
    }
}

#[tokio::test]
async fn a_manifest_says_what_is_in_the_month() {
    let fixture = fixture();
    let rows = rows(40, 60, 1);
    let manifest = write(&fixture.archive, &rows).await;
    assert_eq!((manifest.rows, manifest.accounts), (rows.len() as u64, 40));
    assert_eq!(manifest.parts.len(), 1);
    assert_eq!(manifest.parts[0].first, rows[0].place());
    assert_eq!(manifest.parts[0].last, rows[rows.len() - 1].place());
    let recorded = rows.iter().map(|row| row.recorded_at);
    assert_eq!(manifest.recorded, Some((recorded.clone().min().unwrap(), recorded.max().unwrap())));
    let codes: Vec<_> = manifest.sums.iter().map(|sums| sums.currency.code()).collect();
    assert_eq!(codes, ["CLF", "CZK", "JPY", "KWD"]);
    for sums in &manifest.sums {
        let of_it = || rows.iter().filter(|row| row.currency == sums.currency);
        let sum = |debits: bool| -> i128 {
            of_it()
                .filter(|row| (row.kind == EntryKind::Debit) == debits)
                .map(|row| i128::from(row.amount))
                .sum()
        };
        assert_eq!(sums.rows, of_it().count() as u64);
        assert_eq!(sums.debits, sums.currency.amount(sum(true)));
        assert_eq!(sums.credits, sums.currency.amount(sum(false)));
    }
    let text = std::fs::read_to_string(fixture.dir.path().join("manifests/month=2025-03.json")).unwrap();
    assert_eq!(serde_json::from_str::<crate::Manifest>(&text).unwrap(), manifest);
    assert_eq!(fixture.archive.months().await.unwrap(), [month()]);
}

#[tokio::test]
async fn rows_out_of_order_or_twice_are_refused() {
    let rows = rows(3, 5, 1);
    let mut reversed = rows.clone();
    reversed.reverse();
    let twice = vec![rows[0].clone(), rows[0].clone()];
    for wrong in [reversed, twice] {
        let fixture = fixture();
        let mut writer = fixture.archive.writer(month()).await.unwrap();
        let refused = writer.write(wrong).await.unwrap_err();
        assert!(matches!(refused, ArchiveError::Order { .. }), "{refused}");
        let finished = writer.finish(LogSpan { from: 0, to: 0 }, chrono::DateTime::UNIX_EPOCH).await;
        assert!(finished.is_err(), "half a month must not be archived");
        assert!(!fixture.dir.path().join("manifests").exists());
    }
}

#[tokio::test]
async fn an_empty_month_is_archived_as_such() {
    let fixture = fixture();
    let manifest = write(&fixture.archive, &[]).await;
    assert_eq!((manifest.rows, manifest.parts.len(), manifest.recorded), (0, 0, None));
    fixture.archive.verify(month()).await.unwrap();
    assert_eq!(fixture.archive.entries(month(), &EntriesQuery::all(1)).await.unwrap(), []);
    let query = EntriesQuery { filter: Filter::default(), ..EntriesQuery::all(1) };
    assert_eq!(fixture.archive.sums(month(), &query).await.unwrap(), EntrySums::default());
}
