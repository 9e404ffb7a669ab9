//! Account pages from a large history: GraphQL and REST by a real `daybook serve query`, and the same statements by pgbench beside them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;

use crate::reader::{Answers, Ask, Reads, mixed, run as read};
use crate::server::Server;
use crate::yardstick::{Asking, Found, pgbench, socket};
use crate::{Plan, machine};

const CLIENTS: usize = 32;
const MONTHS: u64 = 12;
/// What an account has in a month; a page shows fewer.
const ENTRIES: u64 = 60;
const PAGE: usize = 50;
/// Accounts that lie beside each other.
const BLOCK: u64 = 1_000;
const FILL: &str = include_str!("pages.sql");
const LARGE: [&str; 4] = ["accounts", "transactions", "transfers", "monthly_totals"];
/// How long caches are warmed.
const WARM_UP: Duration = Duration::from_secs(10);

/// As docs/graphql.md shows a month.
const QUERY: &str = "query Page($account: ID!, $month: String!) { account(id: $account) { id reference type currency status \
     balance { amount currency } available { amount } transactions(month: $month, first: 50) { edges { cursor node { id transferId type \
     amount balanceAfter counterparty status description bookedAt } } pageInfo { hasNextPage endCursor } } } }";

/// Fills the read models, then asks.
pub async fn run(plan: &Plan) {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let bank = Server::start(dir, &["--roles", "projector"]).await;
    let (host, _) = socket(dir).expect("the private Postgres");
    let url = format!("postgres://daybook@localhost/daybook?host={host}");
    let accounts = plan.pages_rows.div_ceil(MONTHS * ENTRIES * BLOCK).max(1) * BLOCK;
    println!(
        "\n## Account pages, {} transactions of {accounts} accounts in Postgres, {CLIENTS} clients",
        accounts * MONTHS * ENTRIES
    );
    let filling = Instant::now();
    let mut db = PgConnection::connect(&url).await.unwrap();
    fill(&mut db, accounts / BLOCK).await;
    println!("  filled in {:.0} s", filling.elapsed().as_secs_f64());
    print_plans(&mut db).await;
    db.close().await.unwrap();

    let query = Server::query(dir, &bank, &url).await;
    let measured = Measured { dir, bank: &bank, query: &query, accounts };
    let seconds = plan.seconds.clamp(5, 30);
    let page = measured.scripts(&["accounts by id", "page"]);
    let month = measured.scripts(&["account by id", "totals of a month", "page"]);
    let (graphql, rest) = (measured.graphql(), measured.rest());
    for ask in [&graphql, &rest] {
        measured.ask(ask, WARM_UP, None).await;
    }
    for (name, scripts, ask) in [
        ("GraphQL: account with balance and page", &page, &graphql),
        ("REST: month with totals", &month, &rest),
    ] {
        println!("  {name}");
        let bare = measured.bare(scripts, seconds, None);
        let answers = measured.ask(ask, Duration::from_secs(seconds), None).await;
        println!("    {:.0} % of the bare SQL's requests/s", 100.0 * answers.rate() / bare);
        for share in [2, 4] {
            let rate = answers.rate() as u64 / share;
            println!("    at a fixed rate, {rate} pages/s");
            measured.bare(scripts, seconds, Some(rate));
            measured.ask(ask, Duration::from_secs(seconds), Some(rate)).await;
        }
    }
    query.stop();
    bank.stop();
}

async fn fill(db: &mut PgConnection, blocks: u64) {
    db.execute(AssertSqlSafe(FILL.replace("{blocks}", &blocks.to_string()))).await.unwrap();
    for table in LARGE {
        db.execute(AssertSqlSafe(format!("vacuum (analyze) {table}"))).await.unwrap();
    }
    db.execute("checkpoint").await.unwrap();
}

/// Looks at the plan of every statement that reads these tables. With `BENCH_PAGES_PLANS` set, prints them.
async fn print_plans(db: &mut PgConnection) {
    db.execute("set plan_cache_mode = force_generic_plan").await.unwrap();
    let statements = query_api::statements();
    let shown = std::env::var_os("BENCH_PAGES_PLANS").is_some();
    for (index, (name, sql)) in statements.iter().enumerate() {
        let parameters = (1..=30).rev().find(|number| sql.contains(&format!("${number}"))).unwrap_or(0);
        let nulls = vec!["null"; parameters].join(", ");
        db.execute(AssertSqlSafe(format!("prepare plan{index} as {sql}"))).await.unwrap();
        let explain = AssertSqlSafe(format!("explain execute plan{index}({nulls})"));
        let lines: Vec<String> = sqlx::query_scalar(explain).fetch_all(&mut *db).await.unwrap();
        let plan = lines.join("\n    ");
        if shown {
            println!("  {name}\n    {plan}");
        }
        assert!(!LARGE.iter().any(|table| plan.contains(&format!("Seq Scan on {table}"))), "{name}:\n{plan}");
    }
    println!("  plans of {} statements: none scans a table", statements.len());
}

/// What is measured.
struct Measured<'a> {
    dir: &'a Path,
    /// The event store, and Postgres below it.
    bank: &'a Server,
    query: &'a Server,
    accounts: u64,
}

impl Measured<'_> {
    /// Scripts for pgbench that run the product's statements, one for each month.
    fn scripts(&self, names: &[&str]) -> Vec<PathBuf> {
        let statements = query_api::statements();
        let script = |month: u64| {
            let mut script = format!(
                "\\set number random(0, {})\n\\set id 250000000000000000 + :number * 4096\n",
                self.accounts - 1
            );
            for name in names {
                let (_, sql) = statements.iter().find(|(known, _)| known == name).expect("a statement");
                let first = format!("'{}-01'::date", month_name(month));
                let end = format!("'{}-01'::date", month_name(month + 1));
                let more = (PAGE + 1).to_string();
                let values: &[&str] = match *name {
                    "account by id" => &[":id"],
                    "accounts by id" => &["array[:id]::bigint[]"],
                    "totals of a month" => &["array[:id]::bigint[]", &format!("array[{first}]")],
                    _ => &["array[:id]::bigint[]", &first, "(-1)::bigint", &end, "(-1)::bigint", &more],
                };
                let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
                let bound = values
                    .iter()
                    .enumerate()
                    .rev()
                    .fold(line, |sql, (place, value)| sql.replace(&format!("${}", place + 1), value));
                writeln!(script, "{bound};").unwrap();
            }
            let path = self.dir.join(format!("{}-{month}.sql", names.len()));
            std::fs::write(&path, script).unwrap();
            path
        };
        (0..MONTHS).map(script).collect()
    }

    fn head(&self, start: &str) -> String {
        format!(
            "{start} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n",
            self.query.address, self.query.token
        )
    }

    fn graphql(&self) -> (Ask, (&'static str, usize)) {
        let (accounts, head) = (self.accounts, self.head("POST /graphql"));
        let ask: Ask = Arc::new(move |number, request| {
            let (account, month) = pick(number, accounts);
            let body = format!(
                r#"{{"query":"{QUERY}","variables":{{"account":"{account}","month":"{}"}}}}"#,
                month_name(month)
            );
            let rest = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
            request.extend([&head, &rest, &body].into_iter().flat_map(|part| part.bytes()));
        });
        (ask, (r#""cursor":"#, PAGE))
    }

    fn rest(&self) -> (Ask, (&'static str, usize)) {
        let accounts = self.accounts;
        let head = self.head("GET /api/v1/transactions/ACCOUNT/month/MONTH");
        let ask: Ask = Arc::new(move |number, request| {
            let (account, month) = pick(number, accounts);
            let head = head.replacen("ACCOUNT", &account.to_string(), 1);
            request.extend_from_slice(head.replacen("MONTH", &month_name(month), 1).as_bytes());
            request.extend_from_slice(b"\r\n");
        });
        (ask, (r#""transfer_id":"#, PAGE))
    }

    async fn ask(
        &self,
        (ask, expected): &(Ask, (&'static str, usize)),
        duration: Duration,
        rate: Option<u64>,
    ) -> Answers {
        let reads = Reads {
            address: self.query.address,
            ask: Arc::clone(ask),
            connections: CLIENTS,
            duration,
            rate,
            expected: *expected,
        };
        let own = machine::own_cpu();
        let (daybook, postgres) = (machine::cpu(self.query.pid()), machine::cpu(self.bank.pid()));
        let answers = read(reads).await;
        let cores = |before: f64, after: f64| (after - before) / answers.seconds;
        if duration != WARM_UP {
            print_line("daybook ", answers.rate(), &answers.latency);
            println!(
                "      cores used: daybook {:.2}, Postgres {:.2}, load generator {:.2}; {:.1} KB an answer",
                cores(daybook.total(), machine::cpu(self.query.pid()).total()),
                cores(postgres.children, machine::cpu(self.bank.pid()).children),
                cores(own, machine::own_cpu()),
                answers.bytes as f64 / answers.count as f64 / 1e3
            );
        }
        answers
    }

    /// Pages a second by pgbench.
    fn bare(&self, scripts: &[PathBuf], seconds: u64, rate: Option<u64>) -> f64 {
        let found = pgbench(self.dir, scripts, &Asking { protocol: "prepared", seconds, rate });
        let Found { rate, latency } = found.expect("pgbench");
        print_line("bare SQL", rate, &latency);
        rate
    }
}

fn print_line(name: &str, rate: f64, latency: &Histogram<u64>) {
    let ms = |quantile| latency.value_at_quantile(quantile) as f64 / 1e3;
    println!(
        "    {name} {rate:>7.0}/s   p50 {:.2} ms, p99 {:.2} ms, max {:.1} ms",
        ms(0.5),
        ms(0.99),
        ms(1.0)
    );
}

/// Whose account and which month a number asks for.
fn pick(number: u64, accounts: u64) -> (u64, u64) {
    let mixed = mixed(number);
    (250_000_000_000_000_000 + (mixed >> 8) % accounts * 4096, mixed % MONTHS)
}

/// The months of `pages.sql`.
fn month_name(number: u64) -> String {
    let month = 10 + number;
    format!("{}-{:02}", 2025 + month / 12, month % 12 + 1)
}
