//! What answers cost: no statement scans a table, and no list asks for its elements one by one.

use std::fmt::Write;

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

use crate::harness::{Daybook, shared, until};

/// 100 accounts with 2,000 entries each, in 20 months.
const ROWS: &str = "
    insert into accounts (account_id, user_id, kind, currency, status, balance, in_transit, overdraft_limit, revision, opened_at)
    select id, id, 'checking', 'EUR', 'open', 0, 0, 0, 2000, now() from generate_series(1, 20000) id;
    select transactions_month((date '2025-01-01' + make_interval(months => n))::date) from generate_series(0, 19) n;
    insert into transactions (account_id, month, revision, transfer_id, kind, amount, balance_after, currency, counterparty, booked_at,
                              recorded_at)
    select account_id, date '2025-01-01' + make_interval(months => n / 100), n, account_id * 2000 + n,
           case n % 2 when 0 then 'debit' else 'credit' end, 100, 100, 'EUR', 1, now(), now()
    from generate_series(1, 100) account_id, generate_series(0, 1999) n;
    insert into transfers (transfer_id, from_account, to_account, amount, currency, status, booked_at, requested_at)
    select id, 1, 2, 100, 'EUR', 'completed', now(), now() from generate_series(1, 200000) id;
    insert into monthly_totals (account_id, month, debits, credits, count)
    select account_id, date '2025-01-01' + make_interval(months => n), 100, 100, 100
    from generate_series(1, 20000) account_id, generate_series(0, 5) n;
    insert into statements (account_id, month, issue, revision, currency, opening, closing, debits, credits, count, position, files, issued_at)
    select account_id, date '2025-01-01' + make_interval(months => n), 1, n, 'EUR', 0, 0, 100, 100, 100, 1, '[]', now()
    from generate_series(1, 20000) account_id, generate_series(0, 5) n;
    insert into users (user_id, registered_at) select id, now() from generate_series(1, 20000) id;
    analyze;";

/// Tables that grow with the log.
const LARGE: [&str; 6] = ["accounts", "transactions", "transfers", "monthly_totals", "statements", "users"];

#[tokio::test]
async fn no_statement_scans_a_table() {
    let daybook = shared().await;
    let mut admin = PgConnection::connect(&daybook.database_url()).await.unwrap();
    admin.execute("create database plans").await.unwrap();
    let url = daybook.database_url().replacen("/daybook?", "/plans?", 1);
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    projector::migrate(&pool).await.unwrap();
    pool.execute(ROWS).await.unwrap();
    let mut db = pool.acquire().await.unwrap();
    db.execute("set plan_cache_mode = force_generic_plan").await.unwrap();
    let statements = query_api::statements();
    assert!(statements.len() > 10);
    for (index, (name, sql)) in statements.into_iter().enumerate() {
        let parameters = (1..=30).rev().find(|number| sql.contains(&format!("${number}"))).unwrap_or(0);
        let nulls = vec!["null"; parameters].join(", ");
        db.execute(AssertSqlSafe(format!("prepare s{index} as {sql}"))).await.unwrap();
        let explain = format!("explain execute s{index}({nulls})");
        let lines: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(explain)).fetch_all(&mut *db).await.unwrap();
        let mut plan = String::new();
        for line in &lines {
            writeln!(plan, "{line}").unwrap();
        }
        let scans = |table: &&str| plan.contains(&format!("Seq Scan on {table}"));
        assert!(!LARGE.iter().any(scans), "{name}:\n{plan}");
        assert!(plan.contains("Index"), "{name}:\n{plan}");
        if name.starts_with("page") {
            // The index has the order: what is beyond the page is not read.
            assert!(!plan.lines().any(|line| line.contains("->  Sort")), "{name}:\n{plan}");
        }
    }
    months_are_read_as_needed(&mut db).await;
    let recorded: Vec<String> = sqlx::query_scalar(
        "explain select balance_after from transactions where account_id = 5 and recorded_at <= now()
         order by recorded_at desc, revision desc limit 1",
    )
    .fetch_all(&mut *db)
    .await
    .unwrap();
    let backward = recorded.iter().filter(|line| line.contains("Index Scan Backward using"));
    assert_eq!(backward.filter(|line| line.contains("recorded_at_revision_idx")).count(), 20, "{recorded:?}");
    drop(db);
    pool.close().await;
    admin.execute("drop database plans").await.unwrap();
}

/// What the statements about entries are asked, as they are asked by way of `query_api`: the ends of a range come before a month's first entry.
/// And what they read then.
const ASKED: [(&str, &str, &[&str]); 14] = [
    ("page", "'2025-04-01', -1, '2025-05-01', -1, 51", &["2025_04"]),
    ("page", "'2025-04-01', 330, '2025-05-01', -1, 51", &["2025_04"]),
    ("page", "'0001-01-01', -1, '2025-04-01', 330, 331", &["2025_01", "2025_02", "2025_03", "2025_04"]),
    ("page from the end", "'2025-04-01', -1, '2025-05-01', -1, 51", &["2025_04"]),
    ("page from the end", "'2025-04-01', -1, '2025-04-01', 380, 51", &["2025_04"]),
    ("page from the end", "'0001-01-01', -1, '10000-01-01', -1, 21", &["2026_08"]),
    ("page from the end", "'0001-01-01', -1, '2025-06-01', 505, 21", &["2025_05", "2025_06"]),
    (
        "page that fits",
        "'2025-04-01', -1, '2025-05-01', -1, 51, null, null, null, 1, null, null, null, '{completed}'",
        &["2025_04"],
    ),
    (
        "page that fits",
        "'2025-04-01', -1, '2025-06-01', -1, 201, '2025-04-03', '2025-05-02', null, null, null, null, 'x', null",
        &["2025_04", "2025_05"],
    ),
    (
        "page that fits, from the end",
        "'2025-04-01', -1, '2025-05-01', -1, 51, null, null, '{debit}', null, 100, 1, null, null",
        &["2025_04"],
    ),
    (
        "count of what fits",
        "'2025-04-01', -1, '2025-05-01', -1, 10001, null, null, null, 1, null, null, null, null",
        &["2025_04"],
    ),
    ("balance by booked time", "'{2025-04-15}', '{2025-04-01}', '{2025-04-01}'", &["2025_04"]),
    ("balance by booked time", "'{2025-04-30}', '{2025-04-01}', '{2025-05-01}'", &["2025_04", "2025_05"]),
    ("entries by place", "'{2025-04-01}', '{330}'", &["2025_04"]),
];

/// Statements are planned once for any values; what they do not need is left out when they are executed.
async fn months_are_read_as_needed(db: &mut PgConnection) {
    for (name, asked, expected) in ASKED {
        let (_, sql) = query_api::statements().into_iter().find(|(known, _)| *known == name).unwrap();
        let explain = format!(
            "prepare asked as {sql};
             explain (analyze, costs off, timing off) execute asked('{{5}}', {asked});
             deallocate asked"
        );
        let rows = db.fetch_all(AssertSqlSafe(explain)).await.unwrap();
        let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let mut touched: Vec<&str> = lines
            .iter()
            .filter(|line| !line.contains("never executed"))
            .filter_map(|line| line.split_once(" on transactions_")?.1.get(..7))
            .collect();
        touched.sort_unstable();
        assert_eq!(touched, expected, "{name}: {asked}\n{}", lines.join("\n"));
    }
}

#[tokio::test]
async fn a_list_costs_as_many_statements_as_one_of_its_elements() {
    const NESTED: &str = "query($user: ID!) { accounts(userId: $user, first: 12) { edges { node {
        id balanceAt(time: \"2030-01-01T00:00:00Z\") { amount }
        monthlyTotals(month: \"2026-11\") { closing }
        transactions(first: 5) { totalCount edges { node {
            amount counterpartyAccount { id } transfer { status } } } }
        debits: transactions(first: 5, filter: { type: DEBIT }) { totalCount totalCountExact edges { node { amount } } }
    } } } }";
    let daybook = Daybook::start_with(&LOGGED).await;
    let bank = daybook.operator("statements").await;
    let mut costs = Vec::new();
    for accounts in [1, 12] {
        let user = bank.user("Many").await;
        for _ in 0..accounts {
            let account = bank.open_with(&json!({ "user_id": user, "currency": "EUR" })).await;
            bank.deposit(&account, "1.00").await;
            bank.deposit(&account, "2.00").await;
        }
        // A new connection to Postgres makes a read at a position start anew: the least of some.
        let mut least = usize::MAX;
        for _ in 0..4 {
            let before = statements(&daybook);
            let data = bank.graphql(NESTED, json!({ "user": user })).await;
            assert_eq!(data["accounts"]["edges"].as_array().unwrap().len(), accounts);
            least = least.min(statements(&daybook) - before);
        }
        costs.push(least);
    }
    assert_eq!(costs[0], costs[1], "{costs:?}");
    assert!((1..=10).contains(&costs[0]), "{costs:?}");
}

#[tokio::test]
async fn newest_entries_are_kept_and_never_older_than_asked_for() {
    const LATEST: &str =
        "query($id: ID!) { account(id: $id) { latestTransactions { amount balanceAfter status } } }";
    let daybook = Daybook::start_with(&LOGGED).await;
    let bank = daybook.operator("latest").await;
    let (account, other) = (bank.open("EUR").await, bank.open("EUR").await);
    let latest = async || {
        bank.graphql(LATEST, json!({ "id": account })).await["account"]["latestTransactions"].clone()
    };
    for number in 1..=25 {
        bank.deposit(&account, "1.00").await;
        let rows = latest().await;
        assert_eq!(rows[0]["balanceAfter"], format!("{number}.00"));
        assert_eq!(rows.as_array().unwrap().len(), number.min(20));
    }
    assert!(entries_read(&daybook) > 0);
    // A debit is told as it stands, from pending to completed.
    let transfer = bank.transfer("latest-1", &account, &other, "5.00").await.transfer_id();
    assert_eq!(latest().await[0]["amount"], "5.00");
    bank.ended(&transfer).await;
    assert_eq!(latest().await[0]["status"], "COMPLETED");
    // Once nothing happens, Postgres is not asked for them any more.
    until("they are kept", std::time::Duration::from_secs(30), async || {
        let before = entries_read(&daybook);
        let rows = latest().await;
        assert_eq!((&rows[0]["balanceAfter"], rows.as_array().unwrap().len()), (&json!("20.00"), 20));
        (entries_read(&daybook) == before).then_some(())
    })
    .await;
}

/// Every statement is a line of the log.
const LOGGED: [&str; 4] = ["--log", "info,sqlx::query=debug", "--log-format", "json"];

/// How many statements have read entries, as the log tells.
fn entries_read(daybook: &Daybook) -> usize {
    daybook
        .said()
        .lines()
        .filter(|line| line.contains("sqlx::query") && line.contains("from transactions"))
        .count()
}

/// How many statements have read rows, as the log tells.
fn statements(daybook: &Daybook) -> usize {
    let tables = ["from accounts", "from transactions", "from transfers", "from monthly_totals"];
    let said = daybook.said();
    said.lines()
        .filter(|line| line.contains("sqlx::query") && tables.iter().any(|table| line.contains(table)))
        .count()
}
