//! Reads by account, beside a filter over all rows in memory.

use chrono::TimeDelta;

use super::{Fixture, fixture, month, rows, start, write};
use crate::limits::{GROUP_ROWS, PAGE_ROWS};
use crate::{Archive, ArchiveError, EntriesQuery, EntryKind, EntrySums, Filter, Place, Row, Side, Status};

fn expected(rows: &[Row], query: &EntriesQuery) -> Vec<Row> {
    let mut found: Vec<Row> = rows
        .iter()
        .filter(|row| row.account_id == query.account_id)
        .filter(|row| query.after.is_none_or(|after| row.revision > after))
        .filter(|row| query.before.is_none_or(|before| row.revision < before))
        .filter(|row| fits(&query.filter, row))
        .cloned()
        .collect();
    if query.backward {
        found.reverse();
    }
    found.truncate(query.limit);
    found
}

/// The filter again, in other words.
fn fits(filter: &Filter, row: &Row) -> bool {
    let mut reasons = Vec::new();
    reasons.extend(filter.from.map(|from| from <= row.booked_at));
    reasons.extend(filter.to.map(|to| to > row.booked_at));
    reasons.extend(filter.side.map(|side| (side == Side::Debit) == (row.kind == EntryKind::Debit)));
    reasons.extend(filter.status.map(|status| status == row.status));
    reasons.extend(filter.amount_min.map(|least| least <= row.amount));
    reasons.extend(filter.amount_max.map(|most| most >= row.amount));
    reasons.extend(filter.counterparty.map(|counterparty| counterparty == row.counterparty));
    if let Some(text) = &filter.text {
        let small = |text: &Option<String>| text.clone().unwrap_or_default().to_ascii_lowercase();
        let text = text.to_ascii_lowercase();
        reasons.push(small(&row.description).contains(&text) || small(&row.reference).contains(&text));
    }
    reasons.into_iter().all(|reason| reason)
}

fn any_query(rows: &[Row], random: &mut fastrand::Rng) -> EntriesQuery {
    let example = random.choice(rows).unwrap().clone();
    let near = |random: &mut fastrand::Rng| example.revision + random.i64(-300..300);
    let time = |random: &mut fastrand::Rng| start() + TimeDelta::seconds(random.i64(-86_400..32 * 86_400));
    let mut maybe = |odds: u8| random.u8(..odds) == 0;
    let (after, before, limited, stranger) = (maybe(3), maybe(3), maybe(2), maybe(8));
    let (from, to, side, status) = (maybe(4), maybe(4), maybe(4), maybe(4));
    let (least, most, other, text, backward) = (maybe(4), maybe(4), maybe(8), maybe(4), maybe(2));
    let texts = ["rent", "RENT", "ťou", "ŤOU", "invoice 1", "nowhere", ""];
    EntriesQuery {
        // Sometimes one without entries.
        account_id: example.account_id + i64::from(stranger),
        after: after.then(|| near(random)),
        before: before.then(|| near(random)),
        filter: Filter {
            from: from.then(|| time(random)),
            to: to.then(|| time(random)),
            side: side.then(|| random.choice([Side::Debit, Side::Credit]).unwrap()),
            status: status.then(|| random.choice([Status::Completed, Status::Reversed]).unwrap()),
            amount_min: least.then(|| random.i64(1..1_000_000)),
            amount_max: most.then(|| random.i64(1..1_000_000)),
            counterparty: other.then(|| random.i64(1..50)),
            text: text.then(|| random.choice(texts).unwrap().to_owned()),
        },
        limit: if limited { random.usize(0..60) } else { usize::MAX },
        backward,
    }
}

async fn reads_are_as_expected(archive: &Archive, rows: &[Row], queries: usize, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut found_any = 0;
    for _ in 0..queries {
        let query = any_query(rows, &mut random);
        let found = archive.entries(month(), &query).await.unwrap();
        assert_eq!(found, expected(rows, &query), "{query:?}");
        found_any += usize::from(!found.is_empty());
        let query = EntriesQuery { limit: usize::MAX, ..query };
        let mut sums = EntrySums::default();
        for row in expected(rows, &query) {
            sums.count += 1;
            let side = if row.kind == EntryKind::Debit { &mut sums.debits } else { &mut sums.credits };
            *side += i128::from(row.amount);
        }
        assert_eq!(archive.sums(month(), &query).await.unwrap(), sums, "{query:?}");
        let time = random.choice(rows).unwrap().recorded_at + TimeDelta::microseconds(random.i64(-1..2));
        let newest = rows
            .iter()
            .filter(|row| row.account_id == query.account_id && row.recorded_at <= time)
            .max_by_key(|row| (row.recorded_at, row.revision));
        let known = archive.recorded_until(month(), query.account_id, time).await.unwrap();
        assert_eq!(known.as_ref(), newest);
    }
    assert!(found_any > queries / 8, "most queries find nothing, and say little");
}

#[tokio::test]
async fn reads_of_small_accounts_find_what_is_there() {
    let Fixture { archive, dir: _dir, .. } = fixture();
    let rows = rows(400, 40, 2);
    write(&archive, &rows).await;
    reads_are_as_expected(&archive, &rows, 300, 3).await;
}

#[tokio::test]
async fn reads_of_accounts_over_many_pages_and_groups_find_what_is_there() {
    let Fixture { archive, dir: _dir, .. } = fixture();
    let rows = rows(4, GROUP_ROWS, 4);
    assert!(rows.len() > GROUP_ROWS + PAGE_ROWS, "one group only says little: {}", rows.len());
    write(&archive, &rows).await;
    reads_are_as_expected(&archive, &rows, 20, 5).await;
}

#[tokio::test]
async fn paging_either_way_meets_every_entry_once() {
    let Fixture { archive, dir: _dir, .. } = fixture();
    let rows = rows(3, 6_000, 6);
    write(&archive, &rows).await;
    for backward in [false, true] {
        let mut query = EntriesQuery { limit: 700, backward, ..EntriesQuery::all(3) };
        let mut met = Vec::new();
        loop {
            let page = archive.entries(month(), &query).await.unwrap();
            let Some(last) = page.last() else { break };
            if backward {
                query.before = Some(last.revision);
            } else {
                query.after = Some(last.revision);
            }
            met.extend(page);
        }
        let all = EntriesQuery { backward, ..EntriesQuery::all(3) };
        assert_eq!(met, expected(&rows, &all));
    }
}

#[tokio::test]
async fn a_place_has_one_entry_or_none() {
    let Fixture { archive, dir: _dir, .. } = fixture();
    let rows = rows(50, 40, 7);
    write(&archive, &rows).await;
    for row in rows.iter().step_by(37) {
        assert_eq!(archive.entry(month(), row.place()).await.unwrap().as_ref(), Some(row));
        let beside = Place { account_id: row.account_id + 1, ..row.place() };
        assert_eq!(archive.entry(month(), beside).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_month_that_is_not_archived_does_not_exist() {
    let Fixture { archive, dir: _dir, .. } = fixture();
    assert_eq!(archive.manifest(month()).await.unwrap(), None);
    assert_eq!(archive.months().await.unwrap(), []);
    let refused = archive.entries(month(), &EntriesQuery::all(1)).await.unwrap_err();
    assert!(matches!(refused, ArchiveError::Missing(_)), "{refused}");
    let refused = archive.verify(month()).await.unwrap_err();
    assert!(matches!(refused, ArchiveError::Missing(_)), "{refused}");
}
