//! Reading at a position: every question that can be asked waits for it, within a bound, and says so when it does not come.

use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::Method;
use reqwest::header::ACCEPT;
use serde_json::{Value, json};

use crate::harness::{Answer, Client, POSITION, Separate, shared};

/// No log gets there.
const FAR: u64 = i64::MAX.unsigned_abs();
/// How long a read waits, and how much longer an answer may take on a busy machine.
const WAIT: Duration = Duration::from_secs(5);
const WAIT_MAX: Duration = Duration::from_secs(20);
/// What says nothing about the books. Everything else that is described, or is added here, has to wait.
const NOT_OF_THE_BOOKS: [&str; 4] = ["/health/live", "/health/ready", "/metrics", "/api/v1/openapi.json"];
/// What answers questions and is not described by OpenAPI.
const UNDESCRIBED: [&str; 1] = ["/graphql"];

/// Every path that is asked with GET, with something in place of its parameters.
async fn read_paths(bank: &Client) -> Vec<String> {
    let described = bank.send(bank.request(Method::GET, "/api/v1/openapi.json")).await.is(200);
    let paths = described["paths"].as_object().unwrap();
    let read = paths.iter().filter(|(_, methods)| methods.get("get").is_some()).map(|(path, _)| path.clone());
    let filled = read.map(|path| {
        // Those that need to be asked for something.
        let asked =
            if path == "/api/v1/transactions/{id}/download" { "?from=2026-01&to=2026-01" } else { "" };
        let filled = path
            .split('/')
            .map(|segment| match segment {
                "{month}" => "2026-01",
                parameter if parameter.starts_with('{') => "4611686018427387904",
                segment => segment,
            })
            .collect::<Vec<_>>()
            .join("/");
        filled + asked
    });
    filled.collect()
}

/// Asks at a position that does not come. The answer, if it came neither too early nor too late.
async fn ask(bank: &Client, method: Method, path: &str, body: Option<Value>, accept: &str) -> Answer {
    let request = bank.request(method, path).header(POSITION, FAR).header(ACCEPT, accept);
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    let started = Instant::now();
    let answer = bank.send(request).await;
    let waited = started.elapsed();
    assert!(waited >= WAIT && waited < WAIT_MAX, "{path} waited for {waited:?}: {}", answer.body);
    answer
}

#[track_caller]
fn is_behind(path: &str, answer: Answer) {
    assert_eq!(answer.header("retry-after"), Some("1"), "{path}");
    let body = answer.refuses(503, "projection_behind");
    assert!(body["detail"].as_str().unwrap().contains(&FAR.to_string()), "{path}: {body}");
}

#[tokio::test]
async fn every_read_waits_for_a_position_and_says_that_it_did_not_come() {
    let daybook = shared().await;
    let bank = daybook.operator("far ahead").await;
    let paths = read_paths(&bank).await;
    assert!(paths.len() >= 8, "{paths:?}");
    let described = paths.iter().filter(|path| !NOT_OF_THE_BOOKS.contains(&path.as_str()));
    let reads = join_all(described.map(async |path| {
        is_behind(path, ask(&bank, Method::GET, path, None, "application/json").await);
    }));
    let query = json!({ "query": "{ position }" });
    let queries = join_all(UNDESCRIBED.map(async |path| {
        let answer = ask(&bank, Method::POST, path, Some(query.clone()), "application/json").await.is(200);
        assert_eq!(answer["errors"][0]["extensions"]["code"], "projection_behind", "{path}: {answer}");
    }));
    let streams = async {
        let subscription = json!({ "query": "subscription { accountActivity(accountId: \"1\") { id } }" });
        let answer = ask(&bank, Method::POST, "/graphql", Some(subscription), "text/event-stream").await;
        is_behind("POST /graphql as events", answer);
        let answer =
            ask(&bank, Method::GET, "/graphql?query=%7Bposition%7D", None, "text/event-stream").await;
        is_behind("GET /graphql as events", answer);
    };
    tokio::join!(reads, queries, streams);
    // These have nothing to wait for.
    for path in NOT_OF_THE_BOOKS {
        let started = Instant::now();
        let answer = bank.request(Method::GET, path).header(POSITION, FAR).send().await.unwrap();
        assert!(answer.status().is_success() && started.elapsed() < WAIT, "{path}");
    }
}

#[tokio::test]
async fn a_position_that_is_none_is_refused_by_every_read() {
    let daybook = shared().await;
    let bank = daybook.operator("no position").await;
    for path in read_paths(&bank).await.iter().map(String::as_str).chain(UNDESCRIBED) {
        for wrong in ["-1", "1.5", "", "99999999999999999999"] {
            let request = bank.request(Method::GET, path).header(POSITION, wrong);
            bank.send(request).await.refuses(400, "invalid_position");
        }
    }
}

#[tokio::test]
async fn a_further_connection_to_the_same_postgres_has_nothing_read_again() {
    let mut daybook = Separate::start(1, 1).await;
    let bank = daybook.operator("many at once", 0, 0).await;
    let account = bank.open_with_euros("1.00").await;
    // Fewer connections than questions are open, and all that may be are needed.
    let read = async || assert_eq!(bank.balance(&account).await, "1.00");
    join_all((0..200).map(|_| read())).await;
    let metrics = daybook.queries[0].anybody().request(Method::GET, "/metrics").send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(!metrics.contains("daybook_query_reads_again_total"), "{metrics}");
    daybook.stop().await;
}
