//! Which entries are wanted.

use serde_json::{Value, json};

use crate::harness::{Client, euros, shared, text};

const ENTRIES: &str = "query($id: ID!, $month: String, $from: DateTime, $to: DateTime, $filter: TransactionFilter,
                             $first: Int, $after: String, $last: Int, $before: String) {
    account(id: $id) {
        transactions(month: $month, from: $from, to: $to, filter: $filter, first: $first, after: $after, last: $last, before: $before) {
            edges { cursor node { amount type status description bookedAt } }
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount totalCountExact } } }";

async fn page(bank: &Client, account: &str, mut arguments: Value) -> Value {
    arguments["id"] = json!(account);
    bank.graphql(ENTRIES, arguments).await["account"]["transactions"].clone()
}

fn amounts(page: &Value) -> Vec<String> {
    page["edges"].as_array().unwrap().iter().map(|edge| text(&edge["node"]["amount"])).collect()
}

/// An account with deposits of 1 to 12 euros, and payments of 1 to 4 to another.
async fn account(bank: &Client) -> (String, String) {
    let (account, other) = (bank.open("EUR").await, bank.open("EUR").await);
    for number in 1..=12 {
        bank.deposit(&account, &format!("{number}.00")).await;
    }
    for number in 1..=4 {
        let mut body = euros(&format!("{account}-{number}"), &account, &other, &format!("{number}.00"));
        body["description"] = json!(format!("Rent, part {number} of 100%"));
        let asked = bank.post(&format!("/api/v1/transactions/{account}/account"), &body).await;
        asked.clone().is(202);
        assert_eq!(bank.ended(&asked.transfer_id()).await["status"], "completed");
    }
    (account, other)
}

#[tokio::test]
async fn entries_are_filtered_by_everything_they_have() {
    let daybook = shared().await;
    let bank = daybook.operator("filters").await;
    let (account, other) = account(&bank).await;
    let rent = ["1.00", "2.00", "3.00", "4.00"];
    for (filter, expected) in [
        (json!({ "type": "DEBIT" }), &rent[..]),
        (json!({ "counterparty": other }), &rent[..]),
        (json!({ "text": "rent, PART" }), &rent[..]),
        (json!({ "text": "0%" }), &rent[..]),
        (json!({ "text": "part 3" }), &["3.00"][..]),
        (json!({ "text": "part _" }), &[][..]),
        (json!({ "type": "CREDIT", "amountMin": "10.00", "amountMax": "11.00" }), &["10.00", "11.00"][..]),
        (json!({ "amountMin": "4.00", "amountMax": "4.00" }), &["4.00", "4.00"][..]),
        (json!({ "status": "COMPLETED", "type": "DEBIT" }), &rent[..]),
        (json!({ "status": "PENDING" }), &[][..]),
        (json!({ "status": "REVERSED" }), &[][..]),
    ] {
        let found = page(&bank, &account, json!({ "filter": filter })).await;
        assert_eq!(amounts(&found), expected, "{filter}");
        assert_eq!(found["totalCount"], expected.len(), "{filter}");
        assert_eq!(found["totalCountExact"], true, "{filter}");
    }
    for refused in [
        json!({ "amountMin": "1.0" }),
        json!({ "amountMax": "ten" }),
        json!({ "text": "" }),
        json!({ "text": "x".repeat(101) }),
        json!({ "counterparty": "nobody" }),
    ] {
        let arguments = json!({ "id": account, "filter": refused });
        assert_eq!(bank.graphql_error(ENTRIES, arguments).await, "bad_user_input", "{refused}");
    }
}

#[tokio::test]
async fn filtered_pages_go_both_ways_and_end_where_they_should() {
    let daybook = shared().await;
    let bank = daybook.operator("filtered pages").await;
    let (account, _) = account(&bank).await;
    let credits = json!({ "type": "CREDIT", "amountMin": "3.00" });
    let all: Vec<String> = (3..=12).map(|number| format!("{number}.00")).collect();
    // Forward.
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let found = page(&bank, &account, json!({ "filter": credits, "first": 4, "after": after })).await;
        assert_eq!((&found["totalCount"], &found["totalCountExact"]), (&json!(10), &json!(true)));
        assert_eq!(found["pageInfo"]["hasPreviousPage"], !after.is_null());
        seen.extend(amounts(&found));
        if found["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = found["pageInfo"]["endCursor"].clone();
        // What comes meanwhile, and does not fit, moves nothing.
        bank.deposit(&account, "1.50").await;
    }
    assert_eq!(seen, all);
    // And backward.
    let (mut seen, mut before) = (Vec::new(), Value::Null);
    loop {
        let found = page(&bank, &account, json!({ "filter": credits, "last": 4, "before": before })).await;
        assert_eq!(found["pageInfo"]["hasNextPage"], !before.is_null());
        seen.splice(0..0, amounts(&found));
        if found["pageInfo"]["hasPreviousPage"] == false {
            break;
        }
        before = found["pageInfo"]["startCursor"].clone();
    }
    assert_eq!(seen, all);
}

#[tokio::test]
async fn a_range_of_time_has_its_first_instant_and_not_its_last() {
    let daybook = shared().await;
    let bank = daybook.operator("ranges").await;
    let account = bank.open("EUR").await;
    for number in 1..=5 {
        bank.deposit(&account, &format!("{number}.00")).await;
    }
    let all = page(&bank, &account, json!({})).await;
    let time = |index: usize| all["edges"][index]["node"]["bookedAt"].clone();
    let found = page(&bank, &account, json!({ "from": time(1), "to": time(3) })).await;
    assert_eq!(amounts(&found), ["2.00", "3.00"]);
    assert_eq!((&found["totalCount"], &found["totalCountExact"]), (&json!(2), &json!(true)));
    assert_eq!(amounts(&page(&bank, &account, json!({ "from": time(3) })).await), ["4.00", "5.00"]);
    let filtered = json!({ "to": time(3), "filter": { "amountMin": "2.00" } });
    assert_eq!(amounts(&page(&bank, &account, filtered).await), ["2.00", "3.00"]);
    let month = text(&time(0))[..7].to_owned();
    let within = page(&bank, &account, json!({ "month": month, "from": time(4) })).await;
    assert_eq!(amounts(&within), ["5.00"]);
    let elsewhere = page(&bank, &account, json!({ "month": "2001-01", "from": time(4) })).await;
    assert!(amounts(&elsewhere).is_empty());
}
