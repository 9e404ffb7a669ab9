//! A bank with old months, and everything that can be asked about them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Client, Daybook, text, until};

const MONTHS: [&str; 3] = ["2024-01", "2024-02", "2024-03"];
/// On each account in each month; with pages of fifty one is not enough.
const ROWS: usize = 70;
const WAIT_MAX: std::time::Duration = std::time::Duration::from_secs(30);

const ENTRY: &str = "cursor node { id transferId reference type status amount currency balanceAfter counterparty description bookedAt recordedAt
    revision transfer { id status } counterpartyAccount { id } }";

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
        // Something newer, so that the old months' entries are not the newest ones.
        client.deposit_crowns(&accounts[0], "4.20").await;
        client.funds(&accounts[0]).await;
        Self { client, accounts }
    }

    /// The answers to everything, as they came.
    pub(super) async fn answers(&self) -> Vec<(String, String)> {
        let mut answers = Vec::new();
        for account in &self.accounts {
            for month in MONTHS.map(Some).into_iter().chain([None]) {
                for filter in filters() {
                    for backward in [false, true] {
                        self.pages(&mut answers, account, month, &filter, backward).await;
                    }
                }
            }
            for month in MONTHS {
                self.rest_pages(&mut answers, account, month).await;
            }
            let across = format!(
                "{{ account(id: \"{account}\") {{ balance {{ amount }}
                    latestTransactions {{ id amount status balanceAfter bookedAt }}
                    transactions(from: \"2024-01-20T00:00:00Z\", to: \"2024-03-03T00:00:00Z\", first: 200) {{
                        edges {{ {ENTRY} }} totalCount totalCountExact pageInfo {{ hasNextPage }} }}
                    statement(month: \"2024-02\") {{ opening closing }} }} }}"
            );
            self.ask(&mut answers, &across).await;
            let recorded = self.recorded_times(account).await;
            let booked = [
                "2023-12-31T00:00:00Z",
                "2024-01-31T23:59:59Z",
                "2024-02-15T00:00:00Z",
                "2026-01-01T00:00:00Z",
            ];
            let times = booked.iter().map(|time| (*time, "BOOKED"));
            for (time, by) in times.chain(recorded.iter().map(|time| (&**time, "RECORDED"))) {
                let query = format!(
                    "{{ account(id: \"{account}\") {{ balanceAt(time: \"{time}\", by: {by}) {{ amount currency }} }} }}"
                );
                self.ask(&mut answers, &query).await;
            }
        }
        for time in ["2024-01-31T00:00:00Z", "2024-02-15T12:00:00Z", "2024-03-31T23:00:00Z"] {
            let query = format!(
                "{{ trialBalance(asOf: \"{time}\") {{ currency customers settlement inTransit total }} }}"
            );
            self.ask(&mut answers, &query).await;
        }
        answers
    }

    /// When some of the account's entries were recorded.
    async fn recorded_times(&self, account: &str) -> Vec<String> {
        let query = "query($id: ID!) { account(id: $id) { transactions(first: 200) { edges { node { recordedAt } } } } }";
        let data = self.client.graphql(query, json!({ "id": account })).await;
        let edges = data["account"]["transactions"]["edges"].as_array().unwrap().clone();
        edges.iter().step_by(37).map(|edge| text(&edge["node"]["recordedAt"])).collect()
    }

    async fn ask(&self, answers: &mut Vec<(String, String)>, query: &str) -> Value {
        let request = self.client.request(Method::POST, "/graphql").json(&json!({ "query": query }));
        let answer = request.send().await.unwrap().text().await.unwrap();
        let value: Value = serde_json::from_str(&answer).unwrap();
        assert!(value.get("errors").is_none(), "{query}: {answer}");
        answers.push((query.to_owned(), answer));
        value
    }

    async fn pages(
        &self,
        answers: &mut Vec<(String, String)>,
        account: &str,
        month: Option<&str>,
        filter: &str,
        backward: bool,
    ) {
        let (size, cursor, more, next) = if backward {
            ("last", "before", "hasPreviousPage", "startCursor")
        } else {
            ("first", "after", "hasNextPage", "endCursor")
        };
        let month = month.map(|month| format!("month: \"{month}\",")).unwrap_or_default();
        let mut place = String::new();
        loop {
            let query = format!(
                "{{ account(id: \"{account}\") {{ transactions({month} {filter} {size}: 90 {place}) {{
                    edges {{ {ENTRY} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
                    totalCount totalCountExact }} }} }}"
            );
            let page = self.ask(answers, &query).await["data"]["account"]["transactions"]["pageInfo"].take();
            if page[more] == false {
                return;
            }
            place = format!(", {cursor}: {}", page[next]);
        }
    }

    async fn rest_pages(&self, answers: &mut Vec<(String, String)>, account: &str, month: &str) {
        let mut after = String::new();
        loop {
            let path = format!("/api/v1/transactions/{account}/month/{month}?first=30{after}");
            let answer = self.client.request(Method::GET, &path).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            let answer = answer.text().await.unwrap();
            let next = serde_json::from_str::<Value>(&answer).unwrap()["next"].take();
            answers.push((path, answer));
            let Value::String(next) = next else { return };
            after = format!("&after={next}");
        }
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
        "description": row.is_multiple_of(5).then(|| format!("Nájem č. {row}")),
    })
}

fn filters() -> Vec<String> {
    [
        "type: DEBIT",
        "status: REVERSED",
        "status: PENDING",
        "status: COMPLETED, amountMin: \"110.00\", amountMax: \"150.00\"",
        "text: \"NÁJEM\"",
        "text: \"najem\"",
        "text: \"2024-02-1-1\"",
    ]
    .iter()
    .map(|filter| format!("filter: {{ {filter} }},"))
    .chain([String::new()])
    .collect()
}
