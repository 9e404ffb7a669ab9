use std::fmt::Write;
use std::time::{Duration, Instant};

use async_graphql::parser::parse_query;
use async_graphql::{Executor, Response};

use super::executor::written_out_fits;
use super::*;

/// Runs a query without a scope: what passes validation then fails as unauthenticated.
async fn run(query: &str) -> Response {
    let bounded = Bounded::new(build(), Duration::from_secs(5));
    bounded.execute(query.into()).await
}

async fn code(query: &str) -> String {
    let response = serde_json::to_value(run(query).await).unwrap();
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
        "transferUpdated(id: ID!): Transfer!",
        "accountActivity(accountId: ID!): Transaction!",
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
