//! GraphQL clients that nobody here wrote: graphql-request, graphql-ws and graphql-sse for Node.

use std::path::Path;

use crate::conformance::Foreign;
use crate::harness::shared;
use serde_json::json;

/// Runs every query of `docs/graphql.md`, and subscriptions that lose their connection.
#[tokio::test]
async fn a_client_of_another_language_runs_what_is_documented() {
    let daybook = shared().await;
    let bank = daybook.operator("foreign client").await;
    let user = bank.user("Nora").await;
    let account = bank.open_with(&json!({ "user_id": user, "currency": "EUR" })).await;
    let other = bank.open("EUR").await;
    bank.deposit(&account, "10.00").await;
    let transfer = bank.transfer("foreign-1", &account, &other, "4.00").await.transfer_id();
    bank.ended(&transfer).await;
    let documented = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/graphql.md");
    let said = Foreign::Node
        .run(
            "graphql.mjs",
            &[&daybook.url(), bank.token(), documented.to_str().unwrap(), &user, &account, &other, &transfer],
        )
        .await;
    assert!(said.contains("all answered"), "{said}");
}
