//! What an operator does over and over.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Answer, Client, text};
use super::wait::until;

/// How long a transfer may take from its 202 to its end in the read models.
const TRANSFER_TIME_MAX: Duration = Duration::from_secs(30);

impl Client {
    /// Registers a user; the id.
    pub(crate) async fn user(&self, name: &str) -> String {
        text(&self.post("/api/v1/users", &json!({ "name": name })).await.is(201)["user_id"])
    }

    /// Opens an account of this currency; its id.
    pub(crate) async fn open(&self, currency: &str) -> String {
        self.open_with(&json!({ "currency": currency })).await
    }

    pub(crate) async fn open_with(&self, body: &Value) -> String {
        text(&self.post("/api/v1/accounts", body).await.is(201)["account_id"])
    }

    /// An EUR account with this much on it.
    pub(crate) async fn open_with_euros(&self, amount: &str) -> String {
        let account = self.open("EUR").await;
        self.deposit(&account, amount).await;
        account
    }

    /// Euros in cash; the transfer's id.
    pub(crate) async fn deposit(&self, account: &str, amount: &str) -> String {
        let key = format!("deposit-{}", next());
        let body = json!({ "idempotency_key": key, "amount": amount, "currency": "EUR" });
        let answer = self.post(&format!("/api/v1/accounts/{account}/deposits"), &body).await.is(202);
        assert_eq!(answer["status"], "completed", "{answer}");
        text(&answer["transfer_id"])
    }

    /// Asks for a transfer of euros.
    pub(crate) async fn transfer(&self, key: &str, from: &str, to: &str, amount: &str) -> Answer {
        let body = euros(key, from, to, amount);
        self.post(&format!("/api/v1/transactions/{from}/account"), &body).await
    }

    /// Gives an account a command without a body.
    pub(crate) async fn command(&self, account: &str, command: &str) -> Answer {
        let path = format!("/api/v1/accounts/{account}/{command}");
        self.send(self.request(reqwest::Method::POST, &path)).await
    }

    /// Waits until a transfer has ended; its status as the REST route shows it.
    pub(crate) async fn ended(&self, transfer_id: &str) -> Value {
        let path = format!("/api/v1/transactions/{transfer_id}/status");
        until("the transfer ends", TRANSFER_TIME_MAX, async || {
            let status = self.get(&path).await.is(200);
            (status["status"] != "pending").then_some(status)
        })
        .await
    }

    /// What is on an account, and what may be taken off it.
    pub(crate) async fn funds(&self, account: &str) -> (String, String) {
        let account = self.get(&format!("/api/v1/accounts/{account}")).await.is(200);
        (text(&account["balance"]), text(&account["available"]))
    }

    pub(crate) async fn balance(&self, account: &str) -> String {
        self.funds(account).await.0
    }

    /// Books a cent for each day on each of so many accounts from elsewhere, of their own if the name is new.
    pub(crate) async fn import(&self, name: &str, accounts: usize, days: &[&str]) {
        let row = |account: usize, day: &&str| {
            json!({ "reference": format!("{name}-{account}-{day}"), "account_reference": format!("{name}-{account}"), "booked_on": day,
                    "direction": "credit", "amount": "0.01", "currency": "EUR", "settlement": "cash" })
        };
        let rows: Vec<Value> =
            (0..accounts).flat_map(|account| days.iter().map(move |day| row(account, day))).collect();
        let answer = self.post("/api/v1/import", &json!({ "rows": rows })).await.is(200);
        assert_eq!(answer["booked"], rows.len(), "{answer}");
    }

    /// An account's entries in the order of booking, through as many pages as it takes.
    pub(crate) async fn entries(&self, account: &str) -> Vec<Value> {
        const QUERY: &str = "query($id: ID!, $after: String) { account(id: $id) {
            transactions(first: 200, after: $after) {
                edges { node { transferId type status amount balanceAfter counterparty reference } }
                pageInfo { hasNextPage endCursor } totalCount } } }";
        let mut entries = Vec::new();
        let mut after = Value::Null;
        loop {
            let data = self.graphql(QUERY, json!({ "id": account, "after": after })).await;
            let page = &data["account"]["transactions"];
            entries.extend(page["edges"].as_array().unwrap().iter().map(|edge| edge["node"].clone()));
            if page["pageInfo"]["hasNextPage"] == false {
                assert_eq!(page["totalCount"], entries.len());
                return entries;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
    }

    /// The trial balance of each currency, which must add up.
    pub(crate) async fn trial_balance(&self) -> Value {
        let data = self
            .graphql("{ trialBalance { currency customers settlement inTransit total } }", Value::Null)
            .await;
        let sums = data["trialBalance"].as_array().unwrap();
        assert!(!sums.is_empty());
        for sum in sums {
            let total = sum["total"].as_str().unwrap();
            assert!(total.chars().all(|c| c == '0' || c == '.'), "the books do not add up: {sum}");
        }
        data["trialBalance"].clone()
    }
}

/// The body of a transfer of euros.
pub(crate) fn euros(key: &str, from: &str, to: &str, amount: &str) -> Value {
    json!({ "idempotency_key": key, "from_account": from, "to_account": to, "amount": amount, "currency": "EUR" })
}

/// An amount's text in its currency's smallest unit: it has exactly the currency's digits.
pub(crate) fn cents(amount: &str) -> i64 {
    amount.replace('.', "").parse().unwrap()
}

fn next() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
