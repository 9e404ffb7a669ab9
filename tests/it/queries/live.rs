//! Live updates by server-sent events. By WebSocket they are asked for in `clients`.

use std::time::Duration;

use futures::future::join_all;
use reqwest::Method;
use reqwest::header::ACCEPT;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::harness::{Client, euros, shared, text};

/// No event takes longer.
const EVENT_TIME_MAX: Duration = Duration::from_secs(30);

/// A stream of server-sent events.
struct Events {
    response: reqwest::Response,
    buffer: String,
}

#[derive(Clone, Debug)]
struct Event {
    name: String,
    id: Option<String>,
    data: Value,
}

impl Events {
    async fn of_account(bank: &Client, account: &str, after: Option<&str>) -> Self {
        let mut request = bank.request(Method::GET, &format!("/api/v1/accounts/{account}/activity"));
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        Self::open(request).await
    }

    async fn of_query(bank: &Client, query: &str, variables: Value) -> Self {
        let request = bank.request(Method::POST, "/graphql").header(ACCEPT, "text/event-stream");
        Self::open(request.json(&json!({ "query": query, "variables": variables }))).await
    }

    async fn open(request: reqwest::RequestBuilder) -> Self {
        let response = request.timeout(Duration::from_secs(300)).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, buffer: String::new() }
    }

    async fn next(&mut self) -> Event {
        timeout(EVENT_TIME_MAX, self.read()).await.expect("an event in time")
    }

    async fn read(&mut self) -> Event {
        loop {
            while let Some(end) = self.buffer.find("\n\n") {
                let text: String = self.buffer.drain(..end + 2).collect();
                let field = |name: &str| {
                    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
                };
                if let Some(name) = field("event") {
                    let data = field("data").unwrap_or_default();
                    let data = serde_json::from_str(data).unwrap_or(Value::Null);
                    return Event { name: name.to_owned(), id: field("id").map(str::to_owned), data };
                }
            }
            let chunk = self.response.chunk().await.unwrap().expect("the stream goes on");
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn entry(&mut self) -> Event {
        let event = self.next().await;
        assert_eq!(event.name, "entry", "{event:?}");
        event
    }
}

#[tokio::test]
async fn who_comes_back_misses_nothing_and_hears_nothing_twice() {
    let daybook = shared().await;
    let bank = daybook.operator("activity").await;
    let account = bank.open("EUR").await;
    bank.deposit(&account, "1.00").await;
    bank.balance(&account).await;

    let mut events = Events::of_account(&bank, &account, None).await;
    let start = events.next().await;
    assert_eq!(start.name, "position");
    bank.deposit(&account, "2.00").await;
    let second = events.entry().await;
    assert_eq!((&second.data["amount"], &second.data["balance_after"]), (&json!("2.00"), &json!("3.00")));
    drop(events);

    for number in 3..=6 {
        bank.deposit(&account, &format!("{number}.00")).await;
    }
    let mut events = Events::of_account(&bank, &account, second.id.as_deref()).await;
    assert_eq!(events.next().await.id, second.id);
    bank.deposit(&account, "7.00").await;
    let mut last = second;
    for number in 3..=7 {
        let entry = events.entry().await;
        assert_eq!(entry.data["amount"], format!("{number}.00"));
        let place = |event: &Event| event.id.clone().unwrap().parse::<u64>().unwrap();
        assert!(place(&entry) > place(&last));
        last = entry;
    }
    // From the very beginning, and from where the first one came.
    for (after, first) in [(Some("0".to_owned()), 1), (start.id, 2)] {
        let mut events = Events::of_account(&bank, &account, after.as_deref()).await;
        events.next().await;
        for number in first..=7 {
            assert_eq!(events.entry().await.data["amount"], format!("{number}.00"));
        }
    }
}

#[tokio::test]
async fn a_subscription_by_server_sent_events_speaks_graphql() {
    const UPDATES: &str = "subscription($id: ID!, $after: BigInt) { transferUpdated(id: $id, after: $after) { id status position } }";
    const ACTIVITY: &str = "subscription($id: ID!, $after: BigInt) {
        accountActivity(accountId: $id, after: $after) { amount type position transferId } }";
    let daybook = shared().await;
    let bank = daybook.operator("events").await;
    let (account, other) = (bank.open_with_euros("10.00").await, bank.open("EUR").await);
    let asked = bank.transfer("events-1", &account, &other, "4.00").await;
    let id = asked.transfer_id();
    let mut events = Events::of_query(&bank, UPDATES, json!({ "id": id })).await;
    let mut statuses = Vec::new();
    let position = loop {
        let event = events.next().await;
        assert_eq!(event.name, "next", "{event:?}");
        let update = &event.data["data"]["transferUpdated"];
        statuses.push(text(&update["status"]));
        if update["status"] == "COMPLETED" {
            break text(&update["position"]);
        }
    };
    assert!(statuses.windows(2).all(|pair| pair[0] == "PENDING"), "{statuses:?}");
    assert_eq!(events.next().await.name, "complete");
    // Nothing has happened since.
    let mut events = Events::of_query(&bank, UPDATES, json!({ "id": id, "after": position })).await;
    assert_eq!(events.next().await.name, "complete");
    // Everything has happened since.
    let mut events = Events::of_query(&bank, UPDATES, json!({ "id": id, "after": "0" })).await;
    assert_eq!(events.next().await.data["data"]["transferUpdated"]["status"], "COMPLETED");

    let mut events = Events::of_query(&bank, ACTIVITY, json!({ "id": account, "after": "0" })).await;
    for (amount, side) in [("10.00", "CREDIT"), ("4.00", "DEBIT")] {
        let entry = events.next().await.data["data"]["accountActivity"].clone();
        assert_eq!((&entry["amount"], &entry["type"]), (&json!(amount), &json!(side)));
    }
    // What is not there, and what is nobody's business.
    let mut events = Events::of_query(&bank, ACTIVITY, json!({ "id": "1" })).await;
    assert_eq!(events.next().await.data["errors"][0]["extensions"]["code"], "not_found");
    assert_eq!(events.next().await.name, "complete");
    let stranger = daybook.customer("123").await;
    stranger
        .send(stranger.request(Method::GET, &format!("/api/v1/accounts/{account}/activity")))
        .await
        .refuses(404, "account_not_found");
    for after in ["-1", "x", "1.0", ""] {
        let request = bank.request(Method::GET, &format!("/api/v1/accounts/{account}/activity"));
        bank.send(request.header("last-event-id", after)).await.refuses(400, "invalid_position");
    }
}

/// Entries of two accounts while transfers between them run, heard by many who each come and go.
#[tokio::test]
async fn many_subscribers_hear_the_same() {
    const TRANSFERS: usize = 40;
    let daybook = shared().await;
    let bank = daybook.operator("many").await;
    let (account, other) = (bank.open_with_euros("100.00").await, bank.open("EUR").await);
    bank.balance(&other).await;
    let listeners = (0..50).map(|number| {
        let (bank, other) = (bank.clone(), other.clone());
        async move {
            let mut events = Events::of_account(&bank, &other, Some("0")).await;
            events.next().await;
            let mut amounts = Vec::new();
            while amounts.len() < TRANSFERS {
                let entry = events.entry().await;
                amounts.push(text(&entry.data["amount"]));
                // Some lose their connection now and then.
                if number % 5 == 0 && amounts.len() % 7 == number % 7 {
                    events = Events::of_account(&bank, &other, entry.id.as_deref()).await;
                    events.next().await;
                }
            }
            amounts
        }
    });
    let payments = async {
        for number in 1..=TRANSFERS {
            let body = euros(&format!("{account}-{number}"), &account, &other, &format!("0.{number:02}"));
            bank.post(&format!("/api/v1/transactions/{account}/account"), &body).await.is(202);
        }
    };
    let (heard, ()) = futures::join!(join_all(listeners), payments);
    // Transfers arrive in an order of their own, which everybody hears alike.
    let mut sorted = heard[0].clone();
    sorted.sort();
    let all: Vec<String> = (1..=TRANSFERS).map(|number| format!("0.{number:02}")).collect();
    assert_eq!(sorted, all);
    assert!(heard.iter().all(|amounts| *amounts == heard[0]));
}
