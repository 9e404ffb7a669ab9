//! Long lists, page by page.

use serde_json::{Value, json};

use crate::harness::{Client, shared, text};

const ENTRIES: &str = "query($id: ID!, $first: Int, $after: String, $last: Int, $before: String) {
    account(id: $id) { transactions(first: $first, after: $after, last: $last, before: $before) {
        edges { cursor node { amount } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount } } }";

async fn page(bank: &Client, account: &str, mut arguments: Value) -> Value {
    arguments["id"] = json!(account);
    bank.graphql(ENTRIES, arguments).await["account"]["transactions"].clone()
}

/// The page's amounts: deposit number n is of n cents.
fn cents(page: &Value) -> Vec<u32> {
    let amount = |edge: &Value| text(&edge["node"]["amount"]).strip_prefix("0.").unwrap().parse().unwrap();
    page["edges"].as_array().unwrap().iter().map(amount).collect()
}

fn more(page: &Value) -> (bool, bool) {
    let info = &page["pageInfo"];
    (info["hasPreviousPage"].as_bool().unwrap(), info["hasNextPage"].as_bool().unwrap())
}

#[tokio::test]
async fn pages_neither_skip_nor_repeat_while_entries_arrive() {
    let daybook = shared().await;
    let bank = daybook.operator("paging").await;
    let account = bank.open("EUR").await;
    let deposit = async |numbers: std::ops::RangeInclusive<u32>| {
        for number in numbers {
            bank.deposit(&account, &format!("0.{number:02}")).await;
        }
    };

    assert!(cents(&page(&bank, &account, json!({})).await).is_empty());
    deposit(1..=12).await;
    let first = page(&bank, &account, json!({ "first": 5 })).await;
    assert_eq!((cents(&first), more(&first)), ((1..=5).collect(), (false, true)));
    assert_eq!(first["totalCount"], 12);
    let cursors: Vec<_> = first["edges"].as_array().unwrap().iter().map(|edge| &edge["cursor"]).collect();
    assert_eq!(*cursors[0], first["pageInfo"]["startCursor"]);
    assert_eq!(*cursors[4], first["pageInfo"]["endCursor"]);

    // The newest page, then the one before it, with entries arriving in between.
    let newest = page(&bank, &account, json!({ "last": 4 })).await;
    assert_eq!((cents(&newest), more(&newest)), ((9..=12).collect(), (true, false)));
    deposit(13..=15).await;
    let before =
        page(&bank, &account, json!({ "last": 4, "before": newest["pageInfo"]["startCursor"] })).await;
    assert_eq!((cents(&before), more(&before)), ((5..=8).collect(), (true, true)));
    assert_eq!(before["totalCount"], 15);

    let second = page(&bank, &account, json!({ "first": 5, "after": first["pageInfo"]["endCursor"] })).await;
    assert_eq!((cents(&second), more(&second)), ((6..=10).collect(), (true, true)));
    deposit(16..=17).await;
    let third = page(&bank, &account, json!({ "first": 50, "after": second["pageInfo"]["endCursor"] })).await;
    assert_eq!((cents(&third), more(&third)), ((11..=17).collect(), (true, false)));
    let end = page(&bank, &account, json!({ "first": 5, "after": third["pageInfo"]["endCursor"] })).await;
    assert_eq!((cents(&end), more(&end)), (vec![], (true, false)));
    deposit(18..=18).await;
    let grown = page(&bank, &account, json!({ "first": 5, "after": third["pageInfo"]["endCursor"] })).await;
    assert_eq!(cents(&grown), [18]);

    // Both bounds; any entry's cursor will do. And no page at all.
    let between = json!({ "after": cursors[0], "before": cursors[4], "first": 10 });
    assert_eq!(cents(&page(&bank, &account, between).await), [2, 3, 4]);
    assert!(cents(&page(&bank, &account, json!({ "first": 0 })).await).is_empty());

    let latest = bank
        .graphql(
            "query($id: ID!) { account(id: $id) { latestTransactions { balanceAfter } } }",
            json!({ "id": account }),
        )
        .await;
    let latest = latest["account"]["latestTransactions"].as_array().unwrap();
    assert_eq!((latest.len(), &latest[0]["balanceAfter"]), (18, &json!("1.71")));
}

#[tokio::test]
async fn a_query_beyond_the_limits_is_refused() {
    let daybook = shared().await;
    let bank = daybook.operator("limits").await;
    let account = bank.open("EUR").await;
    for arguments in [
        json!({ "first": 1_000 }),
        json!({ "first": 201 }),
        json!({ "first": -1 }),
        json!({ "last": 201 }),
        json!({ "first": 1, "last": 1 }),
        json!({ "after": "no cursor" }),
        json!({ "before": "AAAA" }),
    ] {
        let mut variables = arguments.clone();
        variables["id"] = json!(account);
        assert_eq!(bank.graphql_error(ENTRIES, variables).await, "bad_user_input", "{arguments}");
    }

    let variables = json!({ "id": account });
    let hop = "transactions(first: 1) { edges { node { counterpartyAccount { ";
    let deep =
        format!("query($id: ID!) {{ account(id: $id) {{ {}id{} }} }}", hop.repeat(6), " } } } }".repeat(6));
    assert_eq!(bank.graphql_error(&deep, variables.clone()).await, "query_too_deep");
    let hop = "transactions(first: 200) { edges { node { counterpartyAccount { ";
    let complex =
        format!("query($id: ID!) {{ account(id: $id) {{ {}id{} }} }}", hop.repeat(2), " } } } }".repeat(2));
    assert_eq!(bank.graphql_error(&complex, variables.clone()).await, "query_too_complex");
    let circle = "query($id: ID!) { account(id: $id) { ...a } } fragment a on Account { ...b } fragment b on Account { ...a }";
    assert_eq!(bank.graphql_error(circle, variables.clone()).await, "bad_user_input");
    for query in
        ["{", "{ nothing }", "query($id: ID!) { account(id: $id) { nothing } }", "mutation { pay }", ""]
    {
        let variables = if query.contains("$id") { variables.clone() } else { Value::Null };
        assert_eq!(bank.graphql_error(query, variables).await, "bad_user_input", "{query}");
    }
    for query in [
        "{ account { id } }",
        r#"{ account(id: "x") { id } }"#,
        r#"{ account(id: "1", reference: "r") { id } }"#,
    ] {
        assert_eq!(bank.graphql_error(query, Value::Null).await, "bad_user_input", "{query}");
    }
    // The daybook is none the worse for it.
    assert_eq!(bank.balance(&account).await, "0.00");
}

#[tokio::test]
async fn a_users_accounts_come_in_pages() {
    const ACCOUNTS: &str = "query($user: ID!, $first: Int, $after: String) {
        accounts(userId: $user, first: $first, after: $after) {
            edges { node { id userId } } pageInfo { hasNextPage endCursor } } }";
    let daybook = shared().await;
    let bank = daybook.operator("account pages").await;
    let user = bank.user("Many").await;
    let mut opened = Vec::new();
    for _ in 0..5 {
        opened.push(bank.open_with(&json!({ "user_id": user, "currency": "EUR" })).await);
    }
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    for size in [2, 2, 1] {
        let variables = json!({ "user": user, "first": 2, "after": after });
        let page = bank.graphql(ACCOUNTS, variables).await["accounts"].clone();
        let edges = page["edges"].as_array().unwrap();
        assert_eq!(edges.len(), size);
        assert!(edges.iter().all(|edge| edge["node"]["userId"] == *user));
        seen.extend(edges.iter().map(|edge| text(&edge["node"]["id"])));
        assert_eq!(page["pageInfo"]["hasNextPage"], seen.len() < opened.len());
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(seen, opened);
    let too_many = json!({ "user": user, "first": 201 });
    assert_eq!(bank.graphql_error(ACCOUNTS, too_many).await, "bad_user_input");
}
