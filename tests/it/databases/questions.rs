//! Everything that can be asked, asked of two read sides of one log.

use serde_json::{Value, json};

use super::bank::Bank;
use crate::harness::{Client, Daybook, last_event, text};

const ACCOUNT: &str = "query($id: ID!, $time: DateTime!, $month: String!) { account(id: $id) {
    id reference userId user { id name } type currency status openedAt balance { amount currency } available { amount }
    inTransit { amount } overdraftLimit { amount }
    booked: balanceAt(time: $time) { amount } recorded: balanceAt(time: $time, by: RECORDED) { amount }
    monthlyTotals(month: $month) { opening closing totalDebits totalCredits count }
    latestTransactions { id amount status counterpartyAccount { id balance { amount } user { id } }
        transfer { id status from to timeline { step at } deadLetter { standing transferStatus } } } } }";
const ENTRIES: &str = "query($id: ID!, $month: String, $filter: TransactionFilter, $first: Int, $after: String, $last: Int, $before: String) {
    account(id: $id) {
        transactions(month: $month, filter: $filter, first: $first, after: $after, last: $last, before: $before) {
            edges { cursor node { id transferId type status amount balanceAfter counterparty bookedAt recordedAt revision } }
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount totalCountExact } } }";
const ACCOUNTS: &str = "query($user: ID, $first: Int, $after: String) { accounts(userId: $user, first: $first, after: $after) {
    edges { cursor node { id balance { amount } transactions(first: 3) { totalCount edges { node { amount status } } } } }
    pageInfo { hasNextPage endCursor } } }";
const TRANSFER: &str = "query($id: ID!) { transfer(id: $id) {
    id status amount failureReason requestedAt completedAt timeline { step at } from to currency }
    deadLetter(transferId: $id) { standing transferStatus step reason transfer { id status } history { event at } } }";
const WHOLE: &str = "query($time: DateTime!) {
    now: trialBalance { currency customers settlement inTransit total }
    then: trialBalance(asOf: $time) { currency customers settlement inTransit total }
    projections { name version lag } webhooks { edges { node { id url } } } }";
const REFERENCES: &str =
    "{ one: account(reference: \"account-1\") { id } two: account(reference: \"account-2\") { id }
    three: account(reference: \"account-3\") { id } nobody: account(reference: \"nobody\") { id } }";
const LETTERS: &str = "query($standing: DeadLetterStanding, $first: Int, $after: String) {
    deadLetters(standing: $standing, first: $first, after: $after) {
        edges { cursor node { transferId standing transferStatus } } pageInfo { hasNextPage endCursor } } }";
const STUCK: &str =
    "query($first: Int, $after: String) { stuckTransfers(olderThanSeconds: 0, first: $first, after: $after) {
    edges { cursor node { transfer { id status } step parked } } pageInfo { hasNextPage endCursor } } }";

/// Two read sides of one log.
pub(super) struct Both<'a> {
    pub(super) one: &'a Client,
    pub(super) several: &'a Client,
}

impl Both<'_> {
    /// The same answer from both, at the same position.
    pub(super) async fn answer(&self, query: &str, variables: Value) -> Value {
        let (one, several) = tokio::join!(
            self.one.graphql(query, variables.clone()),
            self.several.graphql(query, variables.clone())
        );
        assert_eq!(one, several, "{query} {variables}");
        one
    }

    async fn get(&self, path: &str) -> Value {
        let (one, several) = tokio::join!(self.one.get(path), self.several.get(path));
        assert_eq!((one.status, &one.body), (several.status, &several.body), "{path}");
        one.body
    }

    /// Every page of a list in either direction; how many elements it has.
    async fn pages(&self, query: &str, variables: &Value, list: &str, size: usize, backward: bool) -> usize {
        let (size_name, cursor_name, more, next) = if backward {
            ("last", "before", "hasPreviousPage", "startCursor")
        } else {
            ("first", "after", "hasNextPage", "endCursor")
        };
        let (mut count, mut variables) = (0, variables.clone());
        variables[size_name] = json!(size);
        loop {
            let data = self.answer(query, variables.clone()).await;
            let page = data.pointer(list).unwrap();
            count += page["edges"].as_array().unwrap().len();
            if page["pageInfo"][more] == false {
                return count;
            }
            variables[cursor_name] = page["pageInfo"][next].clone();
        }
    }

    /// Brings both to the last event of the ledger. What others write into the log, such as checkpoints, does not reach everybody.
    pub(super) async fn catch_up(&self, daybook: &Daybook) {
        let last = last_event(daybook.log()).await;
        self.one.reads_at(last);
        self.several.reads_at(last);
    }

    /// Asks everything of both.
    pub(super) async fn agree(&self, bank: &Bank) {
        let time = "2030-01-01T00:00:00Z";
        let opened = self
            .answer("query($id: ID!) { account(id: $id) { openedAt } }", json!({ "id": bank.accounts[0] }));
        let month: String = text(&opened.await["account"]["openedAt"]).chars().take(7).collect();
        for id in &bank.accounts {
            self.answer(ACCOUNT, json!({ "id": id, "time": time, "month": month })).await;
            self.get(&format!("/api/v1/accounts/{id}")).await;
            self.get(&format!("/api/v1/transactions/{id}/month/{month}?first=3")).await;
            let all = json!({ "id": id, "month": month });
            for backward in [false, true] {
                self.pages(ENTRIES, &all, "/account/transactions", 6, backward).await;
                let mut fitting = 0;
                for status in ["PENDING", "COMPLETED", "REVERSED"] {
                    let filter = json!({ "id": id, "filter": { "status": status } });
                    fitting += self.pages(ENTRIES, &filter, "/account/transactions", 4, backward).await;
                }
                assert_eq!(fitting, self.pages(ENTRIES, &all, "/account/transactions", 200, backward).await);
            }
        }
        for id in bank.in_euros() {
            let filter = json!({ "status": "COMPLETED", "type": "DEBIT", "amountMin": "1.50" });
            self.pages(ENTRIES, &json!({ "id": id, "filter": filter }), "/account/transactions", 1, false)
                .await;
        }
        for id in &bank.transfers {
            self.answer(TRANSFER, json!({ "id": id })).await;
            self.get(&format!("/api/v1/transactions/{id}/status")).await;
            self.get(&format!("/api/v1/deadletters/{id}")).await;
        }
        let users = json!({ "user": bank.user });
        assert_eq!(self.pages(ACCOUNTS, &users, "/accounts", 3, false).await, 10);
        assert!(self.pages(ACCOUNTS, &json!({}), "/accounts", 4, false).await > 14);
        self.pages(STUCK, &json!({}), "/stuckTransfers", 3, false).await;
        for standing in [json!(null), json!("PARKED"), json!("ENDED"), json!("RETRIED")] {
            self.pages(LETTERS, &json!({ "standing": standing }), "/deadLetters", 1, false).await;
        }
        self.get(&format!("/api/v1/users/{}", bank.user)).await;
        self.get("/api/v1/deadletters?standing=parked").await;
        self.answer(REFERENCES, json!({})).await;
        self.answer(WHOLE, json!({ "time": time })).await;
    }
}
