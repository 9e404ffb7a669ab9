//! Every no has a name.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Client, euros, shared, text};

/// What is asked, and what must come back.
type Case = (&'static str, reqwest::RequestBuilder, u16, &'static str);

async fn all_refused(caller: &Client, cases: Vec<Case>) {
    for (name, request, status, code) in cases {
        let answer = caller.send(request).await;
        assert_eq!(
            (answer.status, answer.body["code"].as_str()),
            (status, Some(code)),
            "{name}: {}",
            answer.body
        );
    }
}

#[tokio::test]
async fn every_refused_transfer_says_why() {
    let daybook = shared().await;
    let bank = daybook.operator("refusals").await;
    let (a, b) = (bank.open_with_euros("10.00").await, bank.open("EUR").await);
    let frozen = bank.open_with_euros("5.00").await;
    bank.command(&frozen, "freeze").await.is(200);
    let closed = bank.open("EUR").await;
    bank.command(&closed, "close").await.is(200);
    let (yen, yen_too) = (bank.open("JPY").await, bank.open("JPY").await);
    let nobody = "4611686018427387904";

    let mut number = 0;
    let mut asked = |from: &str, change: Value| {
        number += 1;
        let mut body = euros(&format!("k{number}"), from, &b, "1.00");
        let members = body.as_object_mut().unwrap();
        for (name, value) in change.as_object().unwrap() {
            members.insert(name.clone(), value.clone());
        }
        members.retain(|_, value| !value.is_null());
        bank.request(Method::POST, &format!("/api/v1/transactions/{from}/account")).json(&body)
    };
    let yens = |amount: &str| json!({ "to_account": yen_too, "amount": amount, "currency": "JPY" });
    let cases: Vec<Case> = vec![
        ("more than there is", asked(&a, json!({ "amount": "10.01" })), 400, "insufficient_funds"),
        ("from a frozen account", asked(&frozen, json!({})), 400, "account_frozen"),
        ("from a closed account", asked(&closed, json!({})), 400, "account_closed"),
        ("from no account", asked(nobody, json!({})), 400, "account_not_found"),
        ("to no account", asked(&a, json!({ "to_account": nobody })), 400, "account_not_found"),
        ("of another currency", asked(&a, json!({ "currency": "USD" })), 400, "currency_mismatch"),
        ("to another currency", asked(&a, json!({ "to_account": yen })), 400, "currency_mismatch"),
        ("to itself", asked(&a, json!({ "to_account": a })), 400, "same_account"),
        (
            "from another account than the path's",
            asked(&a, json!({ "from_account": b })),
            400,
            "account_mismatch",
        ),
        ("too few digits", asked(&a, json!({ "amount": "10" })), 400, "invalid_amount"),
        ("a digit short", asked(&a, json!({ "amount": "10.5" })), 400, "invalid_amount"),
        ("a digit too many", asked(&a, json!({ "amount": "10.500" })), 400, "invalid_amount"),
        ("digits of yen", asked(&yen, yens("10.50")), 400, "invalid_amount"),
        ("negative", asked(&a, json!({ "amount": "-1.00" })), 400, "invalid_amount"),
        ("nothing", asked(&a, json!({ "amount": "0.00" })), 400, "invalid_amount"),
        ("a number", asked(&a, json!({ "amount": 10 })), 400, "invalid_amount"),
        ("a float", asked(&a, json!({ "amount": 10.5 })), 400, "invalid_amount"),
        ("an object", asked(&a, json!({ "amount": { "minor": 1 } })), 400, "invalid_amount"),
        ("a comma", asked(&a, json!({ "amount": "1,00" })), 400, "invalid_amount"),
        ("a sign", asked(&a, json!({ "amount": "+1.00" })), 400, "invalid_amount"),
        ("a space", asked(&a, json!({ "amount": " 1.00" })), 400, "invalid_amount"),
        ("no digits", asked(&a, json!({ "amount": "" })), 400, "invalid_amount"),
        ("an exponent", asked(&a, json!({ "amount": "1e2" })), 400, "invalid_amount"),
        ("beyond 64 bits", asked(&a, json!({ "amount": "92233720368547758.08" })), 400, "invalid_amount"),
        ("no money we know", asked(&a, json!({ "currency": "EURO" })), 400, "invalid_currency"),
        ("without a key", asked(&a, json!({ "idempotency_key": null })), 400, "missing_idempotency_key"),
        ("an empty key", asked(&a, json!({ "idempotency_key": "" })), 400, "invalid_idempotency_key"),
        (
            "a long key",
            asked(&a, json!({ "idempotency_key": "k".repeat(256) })),
            400,
            "invalid_idempotency_key",
        ),
        ("a long text", asked(&a, json!({ "description": "d".repeat(141) })), 400, "invalid_description"),
        ("a text with a bell", asked(&a, json!({ "description": "\u{7}" })), 400, "invalid_description"),
        ("a long reference", asked(&a, json!({ "reference": "r".repeat(65) })), 400, "invalid_reference"),
        ("an unknown field", asked(&a, json!({ "to": b })), 400, "invalid_body"),
        ("without a destination", asked(&a, json!({ "to_account": null })), 400, "invalid_body"),
        ("without a currency", asked(&a, json!({ "currency": null })), 400, "invalid_body"),
        ("a destination that is no id", asked(&a, json!({ "to_account": "b" })), 400, "invalid_body"),
        ("a source that is no id", asked("a", json!({ "from_account": null })), 400, "invalid_id"),
        (
            "a source beyond all ids",
            asked(&"9".repeat(20), json!({ "from_account": null })),
            400,
            "invalid_id",
        ),
        ("a key that is a number", asked(&a, json!({ "idempotency_key": 1 })), 400, "invalid_body"),
        ("destination twice", asked(&a, json!({ "to_acct": b })), 400, "invalid_body"),
    ];
    all_refused(&bank, cases).await;
    assert_eq!(bank.balance(&a).await, "10.00");
    assert_eq!(bank.balance(&b).await, "0.00");
    assert_eq!(bank.entries(&frozen).await.len(), 1);
}

#[tokio::test]
async fn what_is_no_request_is_a_precise_problem() {
    let daybook = shared().await;
    let bank = daybook.operator("no requests").await;
    let account = bank.open("EUR").await;
    let path = &format!("/api/v1/transactions/{account}/account");
    let post = |path: &str| bank.request(Method::POST, path);
    let json =
        |path: &str, body: &str| post(path).header("content-type", "application/json").body(body.to_owned());
    let good = euros("k", &account, &account, "1.00").to_string();
    let large = json!({ "idempotency_key": "k".repeat(20_000) }).to_string();
    let deep = "[".repeat(10_000);

    let cases: Vec<Case> = vec![
        ("no JSON", json(path, "{"), 400, "malformed_json"),
        ("words", json(path, "hello"), 400, "malformed_json"),
        ("nothing", json(path, ""), 400, "malformed_json"),
        (
            "not UTF-8",
            post(path).header("content-type", "application/json").body(vec![b'{', b'"', 0xff]),
            400,
            "malformed_json",
        ),
        ("an array", json(path, &format!("[{good}]")), 400, "invalid_body"),
        ("arrays all the way down", json(path, &deep), 400, "invalid_body"),
        ("a string", json(path, r#""transfer""#), 400, "invalid_body"),
        ("null", json(path, "null"), 400, "invalid_body"),
        ("an empty object", json(path, "{}"), 400, "invalid_body"),
        ("a member twice", json(path, r#"{"currency":"EUR","currency":"EUR"}"#), 400, "invalid_body"),
        (
            "as a form",
            post(path).header("content-type", "application/x-www-form-urlencoded").body("a=b"),
            415,
            "unsupported_media_type",
        ),
        (
            "as text",
            post(path).header("content-type", "text/plain").body(good.clone()),
            415,
            "unsupported_media_type",
        ),
        ("as nothing", post(path).body(good.clone()), 415, "unsupported_media_type"),
        ("too much", json(path, &large), 413, "body_too_large"),
        ("an unknown route", post("/api/v1/nowhere"), 404, "not_found"),
        ("an unknown page", post("/nowhere"), 404, "not_found"),
        ("another method", bank.request(Method::PUT, path), 405, "method_not_allowed"),
        ("reading what is written", bank.request(Method::GET, path), 405, "method_not_allowed"),
        ("an account that is no id", bank.request(Method::GET, "/api/v1/accounts/a"), 400, "invalid_id"),
        ("an account not there", bank.request(Method::GET, "/api/v1/accounts/1"), 404, "account_not_found"),
        ("a path not UTF-8", bank.request(Method::GET, "/api/v1/accounts/%ff"), 400, "invalid_path"),
        ("writing to such a path", post("/api/v1/accounts/%ff/freeze"), 400, "invalid_path"),
        (
            "a transfer not there",
            bank.request(Method::GET, "/api/v1/transactions/1/status"),
            404,
            "transfer_not_found",
        ),
        ("a user not there", bank.request(Method::GET, "/api/v1/users/1"), 404, "user_not_found"),
        ("erasing nobody", bank.request(Method::DELETE, "/api/v1/users/1"), 404, "user_not_found"),
        ("freezing nothing", post("/api/v1/accounts/1/freeze"), 404, "account_not_found"),
        (
            "a month that is none",
            bank.request(Method::GET, &format!("/api/v1/transactions/{account}/month/2026-13")),
            400,
            "invalid_month",
        ),
        (
            "a page too long",
            bank.request(Method::GET, &format!("/api/v1/transactions/{account}/month/2026-01?first=201")),
            400,
            "invalid_page",
        ),
        (
            "a cursor not ours",
            bank.request(Method::GET, &format!("/api/v1/transactions/{account}/month/2026-01?after=x")),
            400,
            "invalid_cursor",
        ),
        (
            "an unknown parameter",
            bank.request(Method::GET, &format!("/api/v1/transactions/{account}/month/2026-01?last=1")),
            400,
            "invalid_query",
        ),
        (
            "a position that is none",
            bank.request(Method::GET, &format!("/api/v1/accounts/{account}"))
                .header("x-daybook-position", "-1"),
            400,
            "invalid_position",
        ),
        (
            "a position to come",
            bank.request(Method::GET, &format!("/api/v1/accounts/{account}"))
                .header("x-daybook-position", u64::MAX),
            503,
            "projection_behind",
        ),
    ];
    all_refused(&bank, cases).await;
    // Nothing of all that has harmed anybody.
    assert_eq!(bank.balance(&account).await, "0.00");
}

#[tokio::test]
async fn accounts_and_users_have_refusals_of_their_own() {
    let daybook = shared().await;
    let bank = daybook.operator("other refusals").await;
    let opened = |change: Value| {
        let mut body = json!({ "currency": "EUR" });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        bank.request(Method::POST, "/api/v1/accounts").json(&body)
    };
    let registered = |body: Value| bank.request(Method::POST, "/api/v1/users").json(&body);
    let (rich, poor) = (bank.open_with_euros("3.00").await, bank.open("EUR").await);
    bank.open_with(&json!({ "currency": "EUR", "reference": "taken by refusals" })).await;
    let at = |account: &str, command: &str| {
        bank.request(Method::POST, &format!("/api/v1/accounts/{account}/{command}"))
    };
    let cash = |amount: &str| json!({ "idempotency_key": amount, "amount": amount, "currency": "EUR" });
    let dollars = json!({ "idempotency_key": "usd", "amount": "1.00", "currency": "USD" });
    let entry = &bank
        .graphql(
            "query($id: ID!) { account(id: $id) { latestTransactions { counterparty } } }",
            json!({ "id": rich }),
        )
        .await["account"]["latestTransactions"][0];
    let settlement = &text(&entry["counterparty"]);

    let cases: Vec<Case> = vec![
        ("a reference twice", opened(json!({ "reference": "taken by refusals" })), 409, "reference_taken"),
        (
            "a reference of the bank's own",
            opened(json!({ "reference": "settlement:cash:EUR" })),
            400,
            "invalid_reference",
        ),
        ("an unknown holder", opened(json!({ "user_id": "1" })), 400, "user_not_found"),
        ("an unknown currency", opened(json!({ "currency": "eur" })), 400, "invalid_currency"),
        ("an unknown type", opened(json!({ "type": "settlement" })), 400, "invalid_body"),
        ("a negative limit", opened(json!({ "overdraft_limit": "-1.00" })), 400, "invalid_amount"),
        ("a user without a name", registered(json!({})), 400, "invalid_body"),
        ("a user with an empty name", registered(json!({ "name": "" })), 400, "invalid_name"),
        (
            "an address without an @",
            registered(json!({ "name": "N", "email": "nowhere" })),
            400,
            "invalid_email",
        ),
        ("no day", registered(json!({ "name": "N", "date_of_birth": "1978-02-30" })), 400, "invalid_body"),
        ("closed with money on it", at(&rich, "close"), 400, "balance_not_zero"),
        ("thawed without frost", at(&poor, "unfreeze"), 400, "account_not_frozen"),
        ("cash in another currency", at(&poor, "deposits").json(&dollars), 400, "currency_mismatch"),
        ("cash for nobody", at("1", "deposits").json(&cash("1.00")), 404, "account_not_found"),
        ("no cash", at(&poor, "deposits").json(&cash("0.00")), 400, "invalid_amount"),
        ("more cash than there is", at(&rich, "withdrawals").json(&cash("3.01")), 400, "insufficient_funds"),
        ("freezing the bank", at(settlement, "freeze"), 400, "settlement_account"),
        ("closing the bank", at(settlement, "close"), 400, "settlement_account"),
    ];
    all_refused(&bank, cases).await;
}

#[tokio::test]
async fn nobody_reaches_into_accounts_of_others() {
    let daybook = shared().await;
    let bank = daybook.operator("access").await;
    let mut users = Vec::new();
    for name in ["Mine", "Theirs"] {
        let user = bank.user(name).await;
        let account = bank.open_with(&json!({ "user_id": user, "currency": "EUR" })).await;
        bank.deposit(&account, "10.00").await;
        users.push((user, account));
    }
    let [(me, mine), (they, theirs)] = users.as_slice() else { unreachable!() };
    let third = bank.transfer("third", theirs, &bank.open("EUR").await, "1.00").await.transfer_id();
    bank.ended(&third).await;

    // Without a token, or with none of ours.
    let anybody = daybook.anybody();
    for path in ["/api/v1/accounts/1", "/graphql", "/api/v1/nowhere"] {
        let answer = anybody.get(path).await;
        assert!(answer.header("www-authenticate").is_some());
        answer.refuses(401, "unauthenticated");
        let forged = anybody.request(Method::GET, path).bearer_auth("a.b.c");
        anybody.send(forged).await.refuses(401, "token_invalid");
    }
    for open in ["/health/live", "/health/ready", "/metrics", "/graphiql", "/api/v1/openapi.json"] {
        anybody.get(open).await.is(200);
    }

    // A customer sees and moves what is theirs, and cannot tell the rest from nothing.
    let customer = daybook.customer(me).await;
    assert_eq!(customer.balance(mine).await, "10.00");
    for path in [format!("/api/v1/accounts/{theirs}"), format!("/api/v1/transactions/{theirs}/month/2026-01")]
    {
        customer.get(&path).await.refuses(404, "account_not_found");
    }
    customer.get(&format!("/api/v1/transactions/{third}/status")).await.refuses(404, "transfer_not_found");
    customer.get(&format!("/api/v1/users/{they}")).await.refuses(404, "user_not_found");
    let data = customer
        .graphql(
            "query($a: ID!, $t: ID!) { account(id: $a) { id } transfer(id: $t) { id } }",
            json!({ "a": theirs, "t": third }),
        )
        .await;
    assert_eq!(data, json!({ "account": null, "transfer": null }));
    for query in
        ["{ trialBalance { total } }", "{ projections { name } }", "{ accounts { edges { node { id } } } }"]
    {
        assert_eq!(customer.graphql_error(query, Value::Null).await, "forbidden", "{query}");
    }
    customer.transfer("stolen", theirs, mine, "1.00").await.refuses(403, "forbidden");
    let cash = json!({ "idempotency_key": "c", "amount": "1.00", "currency": "EUR" });
    customer.post(&format!("/api/v1/accounts/{theirs}/withdrawals"), &cash).await.refuses(403, "forbidden");
    customer.post(&format!("/api/v1/accounts/{mine}/deposits"), &cash).await.refuses(403, "forbidden");
    customer.post("/api/v1/accounts", &json!({ "currency": "EUR" })).await.refuses(403, "forbidden");
    customer.command(mine, "freeze").await.refuses(403, "forbidden");
    let given = customer.transfer("given", mine, theirs, "1.00").await.transfer_id();
    assert_eq!(customer.ended(&given).await["status"], "completed");

    // An auditor reads everything and writes nothing.
    let auditor = daybook.auditor().await;
    auditor.trial_balance().await;
    auditor.get(&format!("/api/v1/accounts/{theirs}")).await.is(200);
    auditor.transfer("audited", theirs, mine, "1.00").await.refuses(403, "forbidden");
    auditor.post("/api/v1/users", &json!({ "name": "N" })).await.refuses(403, "forbidden");
    auditor.post("/api/v1/accounts", &json!({ "currency": "EUR" })).await.refuses(403, "forbidden");
    auditor.post("/api/v1/import", &json!({ "rows": [] })).await.refuses(403, "forbidden");
    auditor.post(&format!("/api/v1/accounts/{mine}/deposits"), &cash).await.refuses(403, "forbidden");
    for command in ["freeze", "unfreeze", "close"] {
        auditor.command(mine, command).await.refuses(403, "forbidden");
    }
    assert_eq!(bank.entries(theirs).await.len(), 3);
}
