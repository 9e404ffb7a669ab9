use std::fmt::Write;
use std::time::{Duration, Instant};

use async_graphql::parser::parse_query;
use async_graphql::{Executor, Response};

use super::executor::written_out_fits;
use super::*;
use crate::QueryOptions;

/// Runs a query without a scope: what passes validation then fails as unauthenticated.
async fn run(query: &str) -> Response {
    Bounded::new(&QueryOptions::default()).execute(query.into()).await
}

async fn code(query: &str) -> String {
    code_of(run(query).await)
}

fn code_of(response: Response) -> String {
    let response = serde_json::to_value(response).unwrap();
    response["errors"][0]["extensions"]["code"].as_str().unwrap_or("none").to_owned()
}

#[test]
fn the_schema_has_every_name_that_clients_use() {
    let sdl = sdl();
    for line in [
        "account(id: ID, reference: String): Account",
        "): AccountConnection!",
        "user(id: ID!): User",
        "transfer(id: ID!): Transfer",
        "): [TrialBalance!]!",
        "projections: [Projection!]!",
        "): Transfer!",
        "): Transaction!",
        "balanceAt(",
        "latestTransactions: [Transaction!]!",
        "monthlyTotals(",
        "statement(",
        "type: TransactionType!",
        "inTransit: Money!",
        "overdraftLimit: Money!",
        "totalCount: Int!",
        "timeline: [TimelineStep!]!",
        "deadLetter: DeadLetter\n",
        "deadLetter(transferId: ID!): DeadLetter",
        "): DeadLetterConnection!",
        "): StuckTransferConnection!",
        "history: [DeadLetterHistory!]!",
    ] {
        assert!(sdl.contains(line), "{line}\n{sdl}");
    }
    assert!(!sdl.contains("nodes:"));
}

#[tokio::test]
async fn errors_have_codes() {
    assert_eq!(code("{ account(id: 1) { id } }").await, "unauthenticated");
    assert_eq!(code("{ account(id: 1) { nothing } }").await, "bad_user_input");
    assert_eq!(code("{ account(").await, "bad_user_input");
    assert_eq!(code("query A { __typename } query B { __typename }").await, "bad_user_input");
    assert_eq!(code("subscription { transferUpdated(id: 1) { id } }").await, "bad_user_input");
}

#[tokio::test]
async fn pages_within_pages_are_too_complex() {
    let pages = |accounts, entries| {
        format!(
            "{{ accounts(first: {accounts}) {{ edges {{ node {{ \
               transactions(first: {entries}) {{ edges {{ node {{ id amount transfer {{ id status }} }} }} }} }} }} }} }}"
        )
    };
    assert_eq!(code(&pages(25, 50)).await, "unauthenticated");
    assert_eq!(code(&pages(200, 200)).await, "query_too_complex");
    let nested = "counterpartyAccount { transactions(first: 200) { edges { node { ";
    let bomb = format!(
        "{{ account(id: 1) {{ transactions(first: 200) {{ edges {{ node {{ {} id {} }} }} }} }} }}",
        nested.repeat(2),
        "} } } }".repeat(2)
    );
    assert_eq!(code(&bomb).await, "query_too_complex");
    let aliases = (0..30).fold(String::new(), |mut text, index| {
        write!(text, "t{index}: trialBalance {{ total }} ").unwrap();
        text
    });
    assert_eq!(code(&format!("{{ {aliases} }}")).await, "query_too_complex");
}

#[tokio::test]
async fn nesting_has_a_limit() {
    let nested = "transactions(first: 1) { edges { node { counterpartyAccount { ";
    let query = |levels: usize| {
        format!("{{ account(id: 1) {{ {} id {} }} }}", nested.repeat(levels), "} } } }".repeat(levels))
    };
    assert_eq!(code(&query(3)).await, "unauthenticated");
    assert_eq!(code(&query(4)).await, "query_too_deep");
}

#[tokio::test]
async fn tools_may_introspect() {
    let of_type = "ofType { kind name ".repeat(9);
    let close = "}".repeat(9);
    let query = format!(
        "{{ __schema {{ types {{ fields {{ args {{ type {{ kind name {of_type} {close} }} }} }} }} }} }}"
    );
    let response = run(&query).await;
    assert!(response.is_ok(), "{:?}", response.errors);
}

#[tokio::test]
async fn fragments_cannot_blow_up() {
    let mut bomb = "{ account(id: 1) { ...f0 } } ".to_owned();
    for level in 0..30 {
        write!(bomb, "fragment f{level} on Account {{ ...f{next} ...f{next} }} ", next = level + 1).unwrap();
    }
    bomb.push_str("fragment f30 on Account { id }");
    let start = Instant::now();
    assert_eq!(code(&bomb).await, "bad_user_input");
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn circles_and_long_chains_of_fragments_are_refused() {
    let fits = |query: &str| written_out_fits(&parse_query(query).unwrap());
    assert!(!fits("{ a { ...x } } fragment x on A { b { ...y } } fragment y on A { ...x }"));
    let mut chain = "{ ...f0 } ".to_owned();
    for level in 0..2_000 {
        write!(chain, "fragment f{level} on Query {{ ...f{} }} ", level + 1).unwrap();
    }
    assert!(!fits(&chain));
    assert!(fits(
        "{ account(id: 1) { ...x } } fragment x on Account { id ...y } fragment y on Account { type }"
    ));
}

#[tokio::test]
async fn without_introspection_the_schema_is_not_told() {
    let options = QueryOptions { introspection: false, ..QueryOptions::default() };
    let bounded = Bounded::new(&options);
    for query in [
        "{ __schema { types { name } } }",
        "{ ... { __type(name: \"Account\") { name } } }",
        "{ ...all } fragment all on Query { schema: __schema { description } }",
    ] {
        assert_eq!(code_of(bounded.execute(query.into()).await), "introspection_disabled", "{query}");
    }
    // What a client needs to tell types apart stays.
    assert!(bounded.execute("{ __typename }".into()).await.is_ok());
}

#[tokio::test]
async fn a_query_is_sent_once_and_then_by_its_hash() {
    let bounded = Bounded::new(&QueryOptions::default());
    let ask = async |query: &str, hash: &str| {
        let request = serde_json::json!({
            "query": query, "extensions": { "persistedQuery": { "version": 1, "sha256Hash": hash } } });
        bounded.execute(serde_json::from_value::<async_graphql::Request>(request).unwrap()).await
    };
    let query = "{ __typename }";
    let hash = "7f56e67dd21ab3f30d1ff8b7bed08893f0a0db86449836189b361dd1e56ddb4b";
    assert_eq!(code_of(ask("", hash).await), "PERSISTED_QUERY_NOT_FOUND");
    assert_eq!(code_of(ask("{ other: __typename }", hash).await), "bad_user_input");
    assert_eq!(code_of(ask("", "no hash").await), "bad_user_input");
    assert!(ask(query, hash).await.is_ok());
    assert!(ask("", hash).await.is_ok());
    // A document that is refused is not kept.
    let deep = "{a(x:".to_owned() + &"[".repeat(100);
    use sha2::Digest;
    let hash: String = sha2::Sha256::digest(&deep).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(code_of(ask(&deep, &hash).await), "bad_user_input");
    assert_eq!(code_of(ask("", &hash).await), "PERSISTED_QUERY_NOT_FOUND");
}
