//! A bank with old months, and everything that can be asked about them.

use ledger_core::{Currency, Money};
use ledger_streams::{Context, EventStore, Ledger, LedgerOptions, TransferRequest};
use serde_json::{Value, json};

use crate::harness::{Client, Daybook, text, until};

pub(super) const MONTHS: [&str; 3] = ["2024-01", "2024-02", "2024-03"];
/// On each account in each month; more than a page of the month's.
const ROWS: usize = 40;
const WAIT_MAX: std::time::Duration = std::time::Duration::from_secs(30);

/// Entries of a page.
const PAGE: usize = 100;

const ENTRY: &str = "cursor node { id transferId reference type status amount currency balanceAfter counterparty description bookedAt recordedAt
    revision transfer { id status } counterpartyAccount { id } }";
const INFO: &str =
    "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount totalCountExact";
const FILTERS: [&str; 9] = [
    "type: DEBIT",
    "status: REVERSED",
    "status: PENDING",
    "status: COMPLETED, amountMin: \"110.00\", amountMax: \"150.00\"",
    "text: \"NÁJEM\"",
    "text: \"najem\"",
    "text: \"NáJEM č. 1\"",
    "text: \"žižkov\"",
    "text: \"2024-02-1-1\"",
];

/// What was asked, and what was answered.
pub(super) type Answers = Vec<(String, Value)>;

/// Accounts with old months; the first has a new one as well.
pub(super) struct Bank {
    pub(super) client: Client,
    pub(super) accounts: Vec<String>,
}

impl Bank {
    /// Three accounts from elsewhere, and the two of the bank on the other side.
    pub(super) async fn found(daybook: &Daybook) -> Self {
        let client = daybook.operator("archive").await;
        for (number, month) in MONTHS.iter().enumerate() {
            for account in 0..3 {
                let rows: Vec<Value> = (0..ROWS).map(|row| old_row(number, month, account, row)).collect();
                let answer = client.post("/api/v1/import", &json!({ "rows": rows })).await.is(200);
                assert_eq!(answer["booked"], ROWS, "{answer}");
            }
        }
        let mut accounts = Vec::new();
        for account in 0..3 {
            let data = client
                .graphql(
                    "query($reference: String!) { account(reference: $reference) { id } }",
                    json!({ "reference": format!("old-{account}") }),
                )
                .await;
            accounts.push(text(&data["account"]["id"]));
        }
        let settlement = &client.entries(&accounts[0]).await[0]["counterparty"];
        accounts.push(text(settlement));
        comes_back(daybook, &client, &accounts[0], "2024-02-10T08:00:00Z").await;
        // Something newer, so that the old months' entries are not the newest ones.
        client.deposit_crowns(&accounts[0], "4.20").await;
        client.funds(&accounts[0]).await;
        Self { client, accounts }
    }

    /// The answers to everything that can be asked about old months.
    pub(super) async fn answers(&self, client: &Client) -> Answers {
        let mut answers = Answers::new();
        for account in self.accounts.iter().filter(|account| **account != self.accounts[2]) {
            for range in ["month: \"2024-02\", first: 40", "last: 40"] {
                ask(client, &mut answers, &self.filtered(account, range)).await;
            }
            for backward in [false, true] {
                pages(client, &mut answers, account, "", PAGE, backward).await;
                let debits = "month: \"2024-02\", filter: { type: DEBIT },";
                pages(client, &mut answers, account, debits, 10, backward).await;
            }
            rest_pages(client, &mut answers, account, "2024-02").await;
            self.balances(client, &mut answers, account).await;
        }
        let times = ["2024-01-31T00:00:00Z", "2024-02-15T12:00:00Z", "2024-03-31T23:00:00Z"];
        let balances = times.iter().enumerate().map(|(number, time)| {
            format!("at{number}: trialBalance(asOf: \"{time}\") {{ currency customers settlement inTransit total }}\n")
        });
        ask(client, &mut answers, &format!("{{ {} }}", balances.collect::<String>())).await;
        answers
    }

    fn filtered(&self, account: &str, range: &str) -> String {
        let lists = FILTERS.iter().enumerate().map(|(number, filter)| {
            format!(
                "fitting{number}: transactions({range}, filter: {{ {filter} }}) {{
                    edges {{ cursor node {{ id status amount reference }} }} {INFO} }}\n"
            )
        });
        format!("{{ account(id: \"{account}\") {{ {} }} }}", lists.collect::<String>())
    }

    async fn balances(&self, client: &Client, answers: &mut Answers, account: &str) {
        let across = format!(
            "{{ account(id: \"{account}\") {{ balance {{ amount }}
                latestTransactions {{ id amount status balanceAfter bookedAt }}
                transactions(from: \"2024-01-20T00:00:00Z\", to: \"2024-03-03T00:00:00Z\", first: 200) {{
                    edges {{ {ENTRY} }} {INFO} }}
                statement(month: \"2024-02\") {{ opening closing count }}
                monthlyTotals(month: \"2024-02\") {{ opening closing totalDebits totalCredits count }} }} }}"
        );
        let entries = ask(client, answers, &across).await["account"]["transactions"]["edges"].take();
        let recorded =
            entries.as_array().unwrap().iter().step_by(37).map(|edge| text(&edge["node"]["recordedAt"]));
        let booked =
            ["2023-12-31T00:00:00Z", "2024-01-31T23:59:59Z", "2024-02-15T00:00:00Z", "2026-01-01T00:00:00Z"];
        let times = booked.into_iter().map(|time| (time.to_owned(), "BOOKED"));
        let balances =
            times.chain(recorded.map(|time| (time, "RECORDED"))).enumerate().map(|(number, (time, by))| {
                format!("at{number}: balanceAt(time: \"{time}\", by: {by}) {{ amount currency }}\n")
            });
        let query = format!("{{ account(id: \"{account}\") {{ {} }} }}", balances.collect::<String>());
        ask(client, answers, &query).await;
    }

    /// An entry of an old month that comes now.
    pub(super) async fn comes_late(&self, reference: &str) {
        let mut row = old_row(1, "2024-02", 1, 33);
        row["reference"] = json!(reference);
        let answer = self.client.post("/api/v1/import", &json!({ "rows": [row] })).await.is(200);
        assert_eq!(answer["booked"], 1, "{answer}");
        let account = &self.accounts[1];
        until("it is in the read models", WAIT_MAX, async || {
            let entries = self.client.entries(account).await;
            entries.iter().any(|entry| entry["reference"] == reference).then_some(())
        })
        .await;
    }
}

/// Money leaves an account at a time long ago for one that takes nothing, and comes back. Nobody can ask for that by the API.
async fn comes_back(daybook: &Daybook, client: &Client, from: &str, booked_at: &str) {
    let closed = client.open("CZK").await;
    client.command(&closed, "close").await.is(200);
    let request = TransferRequest {
        client: "long ago".to_owned(),
        idempotency_key: "comes back".to_owned(),
        from: from.parse().unwrap(),
        to: closed.parse().unwrap(),
        amount: Money::new(1_234, Currency::from_code("CZK").unwrap()),
        description: Some("To nobody".to_owned()),
        reference: None,
        already_booked: false,
    };
    let context = Context {
        correlation_id: request.stream(),
        causation_id: None,
        actor: "operator:archive".into(),
        booked_at: booked_at.parse().unwrap(),
    };
    let log = EventStore::connect(daybook.log()).unwrap();
    let ledger = Ledger::open(log.clone(), &LedgerOptions::default()).await.unwrap();
    let mut asked = ledger.request_transfer(&request, &context).await.unwrap().unwrap();
    ledger.drive(&mut asked.run).await.unwrap();
    let ended = client.ended(&asked.transfer_id.to_string()).await;
    assert_eq!((&ended["status"], &ended["failure_reason"]), (&json!("failed"), &json!("account_closed")));
    log.close().await;
}

/// Fields that were waited for come in another order each time, so what is compared is the value and not the text.
async fn ask(client: &Client, answers: &mut Answers, query: &str) -> Value {
    let data = client.graphql(query, Value::Null).await;
    answers.push((query.to_owned(), data.clone()));
    data
}

async fn pages(
    client: &Client,
    answers: &mut Answers,
    account: &str,
    which: &str,
    size: usize,
    backward: bool,
) {
    let (count, cursor, more, next) = if backward {
        ("last", "before", "hasPreviousPage", "startCursor")
    } else {
        ("first", "after", "hasNextPage", "endCursor")
    };
    let mut place = String::new();
    loop {
        let query = format!(
            "{{ account(id: \"{account}\") {{ transactions({which} {count}: {size} {place}) {{ edges {{ {ENTRY} }} {INFO} }} }} }}"
        );
        let page = ask(client, answers, &query).await["account"]["transactions"]["pageInfo"].take();
        if page[more] == false {
            return;
        }
        place = format!(", {cursor}: {}", page[next]);
    }
}

async fn rest_pages(client: &Client, answers: &mut Answers, account: &str, month: &str) {
    let mut after = String::new();
    loop {
        let path = format!("/api/v1/transactions/{account}/month/{month}?first=30{after}");
        let answer = client.get(&path).await.is(200);
        let next = answer["next"].clone();
        answers.push((path, answer));
        let Value::String(next) = next else { return };
        after = format!("&after={next}");
    }
}

impl Client {
    async fn deposit_crowns(&self, account: &str, amount: &str) {
        let key = format!("crowns-{account}-{amount}");
        let body = json!({ "idempotency_key": key, "amount": amount, "currency": "CZK" });
        self.post(&format!("/api/v1/accounts/{account}/deposits"), &body).await.is(202);
    }
}

/// Every third is a debit; every fifth has a word in its text.
fn old_row(number: usize, month: &str, account: usize, row: usize) -> Value {
    let day = row % 28 + 1;
    json!({
        "reference": format!("{month}-{account}-{row}"),
        "account_reference": format!("old-{account}"),
        "booked_on": format!("{month}-{day:02}"),
        "direction": if row % 3 == 1 { "debit" } else { "credit" },
        "amount": format!("{}.{row:02}", 100 + number * 10 + row),
        "currency": "CZK",
        "settlement": "cash",
        "description": row.is_multiple_of(5).then(|| format!("Nájem č. {row}, ŽIžkov İ")),
    })
}
