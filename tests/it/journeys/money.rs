//! A customer's life with the bank.

use reqwest::Method;
use serde_json::json;

use crate::harness::{POSITION, shared, text};

#[tokio::test]
async fn a_customers_money_moves_and_every_book_shows_it() {
    let daybook = shared().await;
    let bank = daybook.operator("money").await;
    let jana = json!({
        "name": "Jana Nováková", "email": "jana@example.org", "phone": "+420 1", "ssn": "785203/1234",
        "date_of_birth": "1978-02-03",
    });
    let user = text(&bank.post("/api/v1/users", &jana).await.is(201)["user_id"]);

    let checking = bank.open_with(&json!({ "user_id": user, "currency": "EUR" })).await;
    let savings = bank.open_with(&json!({ "user_id": user, "currency": "EUR", "type": "savings" })).await;
    let deposit = bank.deposit(&checking, "100.00").await;

    // Jana herself moves money.
    let customer = daybook.customer(&user).await;
    let asked = json!({
        "idempotency_key": "rainy day", "from_acc": checking, "to_acct": savings, "amount": "40.25", "currency": "EUR",
        "description": "for a rainy day",
    });
    let answer = customer.post(&format!("/api/v1/transactions/{checking}/account"), &asked).await;
    assert!(!answer.is_replayed());
    let position = answer.header(POSITION).map(str::to_owned);
    let accepted = answer.is(202);
    let position = position.unwrap();
    assert_eq!(accepted["position"].to_string(), position);
    assert_eq!(accepted["status"], "pending");
    let transfer = text(&accepted["transfer_id"]);

    // The position of the 202 is enough to see the transfer, whoever asks.
    let path = format!("/api/v1/transactions/{transfer}/status");
    let auditor = daybook.auditor().await;
    let seen = auditor.send(auditor.request(Method::GET, &path).header(POSITION, &position)).await.is(200);
    assert_eq!(seen["from_account"], checking);
    assert_eq!(seen["to_account"], savings);
    assert_eq!((&seen["amount"], &seen["currency"]), (&json!("40.25"), &json!("EUR")));

    let ended = customer.ended(&transfer).await;
    assert_eq!(ended["status"], "completed");
    assert_eq!(ended["description"], "for a rainy day");
    assert!(ended.get("failure_reason").is_none(), "{ended}");
    assert!(ended["completed_at"].as_str() >= ended["requested_at"].as_str());
    let month = ended["requested_at"].as_str().unwrap()[..7].to_owned();

    let data = customer
        .graphql(
            "query($checking: ID!, $savings: ID!, $transfer: ID!, $user: ID!, $month: String!) {
                checking: account(id: $checking) {
                    type status userId balance { amount currency } available { amount } inTransit { amount }
                    transactions(month: $month) {
                        totalCount
                        edges { node { type amount balanceAfter counterparty status description transferId } }
                    }
                    monthlyTotals(month: $month) { opening closing totalDebits totalCredits count }
                }
                savings: account(id: $savings) {
                    type balance { amount }
                    latestTransactions { type amount balanceAfter counterparty status transfer { id status } }
                    statement(month: $month) { month opening closing totalDebits totalCredits count }
                }
                transfer(id: $transfer) { from to amount status failureReason timeline { step } }
                user(id: $user) { name email phone ssn dateOfBirth erased }
                accounts(userId: $user) { edges { node { id } } }
            }",
            json!({ "checking": checking, "savings": savings, "transfer": transfer, "user": user, "month": month }),
        )
        .await;
    let cash = &data["checking"]["transactions"]["edges"][0]["node"]["counterparty"];
    assert_eq!(
        data,
        json!({
            "checking": {
                "type": "CHECKING", "status": "OPEN", "userId": user,
                "balance": { "amount": "59.75", "currency": "EUR" },
                "available": { "amount": "59.75" },
                "inTransit": { "amount": "0.00" },
                "transactions": { "totalCount": 2, "edges": [
                    { "node": { "type": "CREDIT", "amount": "100.00", "balanceAfter": "100.00", "counterparty": cash,
                                "status": "COMPLETED", "description": null, "transferId": deposit } },
                    { "node": { "type": "DEBIT", "amount": "40.25", "balanceAfter": "59.75", "counterparty": savings,
                                "status": "COMPLETED", "description": "for a rainy day", "transferId": transfer } },
                ] },
                "monthlyTotals":
                    { "opening": "0.00", "closing": "59.75", "totalDebits": "40.25", "totalCredits": "100.00", "count": 2 },
            },
            "savings": {
                "type": "SAVINGS", "balance": { "amount": "40.25" },
                "latestTransactions": [
                    { "type": "CREDIT", "amount": "40.25", "balanceAfter": "40.25", "counterparty": checking,
                      "status": "COMPLETED", "transfer": { "id": transfer, "status": "COMPLETED" } },
                ],
                "statement": { "month": month, "opening": "0.00", "closing": "40.25", "totalDebits": "0.00",
                               "totalCredits": "40.25", "count": 1 },
            },
            "transfer": {
                "from": checking, "to": savings, "amount": "40.25", "status": "COMPLETED", "failureReason": null,
                "timeline": [
                    { "step": "REQUESTED" }, { "step": "DEBITED" }, { "step": "CREDITED" }, { "step": "COMPLETED" },
                ],
            },
            "user": { "name": "Jana Nováková", "email": "jana@example.org", "phone": "+420 1", "ssn": "785203/1234",
                      "dateOfBirth": "1978-02-03", "erased": false },
            "accounts": { "edges": [{ "node": { "id": checking } }, { "node": { "id": savings } }] },
        })
    );
    let euros = bank.trial_balance().await;
    let euros = euros.as_array().unwrap().iter().find(|sum| sum["currency"] == "EUR").unwrap();
    assert_eq!(euros["total"], "0.00");

    // The same by REST, page by page.
    let path = format!("/api/v1/transactions/{checking}/month/{month}");
    let first = customer.get(&format!("{path}?first=1")).await.is(200);
    assert_eq!((&first["opening"], &first["closing"]), (&json!("0.00"), &json!("59.75")));
    assert_eq!((&first["total_debits"], &first["total_credits"]), (&json!("40.25"), &json!("100.00")));
    assert_eq!(first["count"], 2);
    assert_eq!(first["transactions"].as_array().unwrap().len(), 1);
    assert_eq!(first["transactions"][0]["transfer_id"], deposit);
    let next = first["next"].as_str().unwrap();
    let second = customer.get(&format!("{path}?first=1&after={next}")).await.is(200);
    assert_eq!(second["transactions"].as_array().unwrap().len(), 1);
    assert_eq!(second["transactions"][0]["transfer_id"], transfer);
    assert_eq!(second["transactions"][0]["balance_after"], "59.75");
    assert!(second.get("next").is_none(), "{second}");
    assert_eq!(
        customer.get(&format!("/api/v1/transactions/{checking}/month/1999-12")).await.is(200)["count"],
        0
    );
}

#[tokio::test]
async fn an_erased_users_details_are_gone_and_the_accounts_stay() {
    let daybook = shared().await;
    let bank = daybook.operator("erasure").await;
    let karel = json!({ "name": "Karel Gott", "email": "karel@example.org", "ssn": "390714/001" });
    let user = text(&bank.post("/api/v1/users", &karel).await.is(201)["user_id"]);
    let path = format!("/api/v1/users/{user}");
    let account = bank.open_with(&json!({ "user_id": user, "currency": "EUR" })).await;
    bank.deposit(&account, "7.00").await;

    let seen = bank.get(&path).await.is(200);
    assert_eq!((&seen["name"], &seen["ssn"]), (&json!("Karel Gott"), &json!("390714/001")));
    assert_eq!((&seen["erased"], &seen["phone"]), (&json!(false), &json!(null)));
    assert_eq!(daybook.customer(&user).await.get(&path).await.is(200)["email"], "karel@example.org");
    daybook.auditor().await.get(&path).await.refuses(403, "forbidden");

    let moved = json!({ "name": "Karel G.", "phone": "+420 2" });
    bank.send(bank.request(Method::PUT, &path).json(&moved)).await.is(200);
    let seen = bank.get(&path).await.is(200);
    assert_eq!((&seen["name"], &seen["phone"]), (&json!("Karel G."), &json!("+420 2")));
    assert_eq!((&seen["email"], &seen["ssn"]), (&json!(null), &json!(null)));

    bank.send(bank.request(Method::DELETE, &path)).await.is(200);
    let seen = bank.get(&path).await.is(200);
    assert_eq!(seen["erased"], true);
    assert!(seen["erased_at"].is_string(), "{seen}");
    for detail in ["name", "email", "phone", "ssn", "date_of_birth"] {
        assert_eq!(seen[detail], json!(null), "{detail}");
    }
    let data =
        bank.graphql("query($id: ID!) { user(id: $id) { id name erased } }", json!({ "id": user })).await;
    assert_eq!(data["user"], json!({ "id": user, "name": null, "erased": true }));
    assert_eq!(bank.balance(&account).await, "7.00");

    // Twice is the same as once; nothing can be written about the user any more.
    bank.send(bank.request(Method::DELETE, &path)).await.is(200);
    bank.send(bank.request(Method::PUT, &path).json(&moved)).await.refuses(400, "user_erased");
    let another = json!({ "user_id": user, "currency": "EUR" });
    bank.post("/api/v1/accounts", &another).await.refuses(400, "user_erased");
}
