//! Who asked to hear of something is told: signed, filtered, in order.

use std::collections::HashMap;

use eventstore::{AppendToStreamOptions, EventData, ReadStreamOptions};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::conformance::Foreign;
use crate::harness::{Client, Daybook, Endpoint, Post, Reply, log_client, shared, text};

/// Waits less than an operator's daybook before it posts again.
pub(super) const HASTY: &[&str] =
    &["--webhooks-allow-private", "--webhooks-retry-min", "50ms", "--webhooks-retry-max", "400ms"];

/// Registers a webhook; its id and secret.
pub(super) async fn register(client: &Client, body: &Value) -> (String, String) {
    let answer = client.post("/api/v1/webhooks", body).await.is(201);
    (text(&answer["webhook_id"]), text(&answer["secret"]))
}

pub(super) fn types(posts: &[Post]) -> Vec<String> {
    posts.iter().map(|post| text(&post.body()["type"])).collect()
}

#[tokio::test]
async fn a_webhook_is_told_what_it_asked_for_and_the_signature_is_right() {
    let daybook = Daybook::start_with(HASTY).await;
    let bank = daybook.operator("bank").await;
    let (from, to) = (bank.open_with_euros("10.00").await, bank.open("EUR").await);
    let (all, some, named) = (Endpoint::start().await, Endpoint::start().await, Endpoint::start().await);
    let (_, secret) = register(&bank, &json!({ "url": all.url() })).await;
    register(&bank, &json!({ "url": some.url(), "types": ["transfer.failed"] })).await;
    register(&bank, &json!({ "url": named.url(), "accounts": [to] })).await;

    let first = bank.transfer("first", &from, &to, "4.00").await.transfer_id();
    bank.ended(&first).await;
    let refused = bank.transfer("second", &from, &to, "400.00").await.refuses(400, "insufficient_funds");
    let told = all.told(3).await;

    let of = |posts: &[Post], kind: &str| -> Value {
        let found: Vec<_> = posts.iter().map(Post::body).filter(|body| body["type"] == kind).collect();
        assert_eq!(found.len(), 1, "{kind}: {found:?}");
        found[0]["data"].clone()
    };
    let received = of(&told, "money.received");
    assert_eq!(
        (&received["account_id"], &received["amount"], &received["balance_after"]),
        (&json!(to), &json!("4.00"), &json!("4.00"))
    );
    let completed = of(&told, "transfer.completed");
    assert_eq!((&completed["account_id"], &completed["transfer_id"]), (&json!(from), &json!(first)));
    let failed = of(&told, "transfer.failed");
    assert_eq!(
        (&failed["status"], &failed["reason"], &failed["transfer_id"]),
        (&json!("rejected"), &json!("insufficient_funds"), &refused["transfer_id"])
    );
    assert_eq!(types(&some.told(1).await), ["transfer.failed"]);
    assert_eq!(types(&named.told(1).await), ["money.received"]);

    // The official libraries of two languages find the signatures right, and changed bodies wrong.
    let file = daybook.dir().join("posts.jsonl");
    let lines: Vec<_> = told.iter().map(Post::line).collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    for (language, script) in [(Foreign::Python, "webhooks.py"), (Foreign::Node, "webhooks.mjs")] {
        let said = language.run(script, &[&secret, file.to_str().unwrap()]).await;
        assert_eq!(said.lines().collect::<Vec<_>>(), told.iter().map(Post::id).collect::<Vec<_>>());
    }

    let log = std::fs::read_dir(daybook.dir().join("log")).unwrap();
    for segment in log.filter_map(Result::ok).filter(|entry| entry.path().is_file()) {
        let bytes = std::fs::read(segment.path()).unwrap();
        let plain = secret.strip_prefix("whsec_").unwrap().as_bytes();
        assert!(!bytes.windows(plain.len()).any(|window| window == plain), "the secret stands in the log");
    }
    assert!(!daybook.said().contains(&secret), "the secret stands in the program's log lines");
}

#[tokio::test]
async fn a_customer_hears_of_its_own_accounts_only() {
    let daybook = Daybook::start_with(HASTY).await;
    let bank = daybook.operator("bank").await;
    let (alice, bob) = (bank.user("Alice").await, bank.user("Bob").await);
    let own = bank.open_with(&json!({ "currency": "EUR", "user_id": alice })).await;
    let other = bank.open_with(&json!({ "currency": "EUR", "user_id": bob })).await;
    let (hers, his) = (daybook.customer(&alice).await, daybook.customer(&bob).await);
    let endpoint = Endpoint::start().await;

    let body = json!({ "url": endpoint.url(), "user_id": bob });
    hers.post("/api/v1/webhooks", &body).await.refuses(403, "forbidden");
    let body = json!({ "url": endpoint.url(), "accounts": [other] });
    hers.post("/api/v1/webhooks", &body).await.refuses(400, "account_not_found");
    daybook.auditor().await.post("/api/v1/webhooks", &body).await.refuses(403, "forbidden");
    let (webhook, _) = register(&hers, &json!({ "url": endpoint.url() })).await;

    bank.deposit(&other, "5.00").await;
    bank.deposit(&own, "7.00").await;
    let transfer = his.transfer("gift", &other, &own, "1.00").await.transfer_id();
    his.ended(&transfer).await;
    let told = endpoint.told(2).await;
    assert!(told.iter().all(|post| post.body()["data"]["account_id"] == *own), "{told:?}");

    const QUERY: &str = "query($id: ID!) { webhook(id: $id) { id userId url status } }";
    let seen = hers.graphql(QUERY, json!({ "id": webhook })).await;
    assert_eq!(seen["webhook"]["userId"], *alice);
    assert_eq!(his.graphql(QUERY, json!({ "id": webhook })).await["webhook"], Value::Null);
    const LIST: &str = "query($user: ID) { webhooks(userId: $user) { edges { node { id } } } }";
    assert_eq!(his.graphql_error(LIST, json!({ "user": alice })).await, "forbidden");
    let path = format!("/api/v1/webhooks/{webhook}/disable");
    his.post(&path, &json!({})).await.refuses(404, "webhook_not_found");
    hers.post(&path, &json!({})).await.is(200);

    // Who is erased hears nothing more.
    let erase = bank.request(reqwest::Method::DELETE, &format!("/api/v1/users/{alice}"));
    bank.send(erase).await.is(200);
    assert_eq!(bank.graphql(QUERY, json!({ "id": webhook })).await["webhook"], Value::Null);
}

/// Whether a post fails depends on the post and the attempt, so that it comes through in the end.
fn flaky(post: &Post, attempts: &mut HashMap<String, u32>) -> Reply {
    let attempt = attempts.entry(post.id()).or_default();
    *attempt += 1;
    let dice =
        post.id().bytes().fold(*attempt, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    Reply::status(if *attempt < 4 && dice % 3 != 0 { 500 } else { 200 })
}

#[tokio::test]
async fn each_account_is_told_in_order_whatever_fails() {
    const ACCOUNTS: usize = 5;
    const ROUNDS: usize = 6;
    let daybook = Daybook::start_with(HASTY).await;
    let bank = daybook.operator("bank").await;
    let attempts = parking_lot::Mutex::new(HashMap::new());
    let endpoint = Endpoint::answering(move |post| flaky(post, &mut attempts.lock())).await;
    let mut accounts = Vec::new();
    for _ in 0..ACCOUNTS {
        accounts.push(bank.open("EUR").await);
    }
    register(&bank, &json!({ "url": endpoint.url(), "types": ["money.received"] })).await;
    for _ in 0..ROUNDS {
        for account in &accounts {
            bank.deposit(account, "1.00").await;
        }
    }
    let told = endpoint.told(ACCOUNTS * ROUNDS).await;
    assert_eq!(told.len(), ACCOUNTS * ROUNDS, "what was taken is not sent again");
    assert!(endpoint.posts().len() > told.len(), "nothing failed");
    for account in &accounts {
        let own = told.iter().map(Post::body).filter(|body| body["data"]["account_id"] == **account);
        let balances: Vec<_> = own.map(|body| text(&body["data"]["balance_after"])).collect();
        let expected: Vec<_> = (1..=ROUNDS).map(|round| format!("{round}.00")).collect();
        assert_eq!(balances, expected);
    }
}

#[tokio::test]
async fn a_threshold_is_told_once_each_time_it_is_crossed() {
    let daybook = Daybook::start_with(HASTY).await;
    let bank = daybook.operator("bank").await;
    let (from, to) = (bank.open_with_euros("100.00").await, bank.open("EUR").await);
    let endpoint = Endpoint::start().await;
    let asks = json!({ "url": endpoint.url(), "types": ["balance.below_threshold"] });
    bank.post("/api/v1/webhooks", &asks).await.refuses(400, "threshold_missing");
    let euros = |amount: &str| json!({ "amount": amount, "currency": "EUR" });
    let asks = |types: Value| json!({ "url": endpoint.url(), "types": types, "threshold": euros("50.00"), "accounts": [from] });
    register(&bank, &asks(json!(["balance.below_threshold", "transfer.completed"]))).await;
    // At the threshold is not below it; below it again is no news; above and below again is.
    for (key, amount) in [("a", "50.00"), ("b", "10.00"), ("c", "10.00")] {
        bank.ended(&bank.transfer(key, &from, &to, amount).await.transfer_id()).await;
    }
    bank.deposit(&from, "70.00").await;
    bank.ended(&bank.transfer("d", &from, &to, "60.00").await.transfer_id()).await;
    let told = endpoint.told(6).await;
    let below: Vec<_> =
        told.iter().map(Post::body).filter(|body| body["type"] == "balance.below_threshold").collect();
    let balances: Vec<_> = below.iter().map(|body| text(&body["data"]["balance"])).collect();
    assert_eq!(balances, ["40.00", "40.00"], "{told:?}");
    assert_eq!(below[0]["data"]["threshold"], "50.00");
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused() {
    let daybook = shared().await;
    let bank = daybook.operator("webhooks").await;
    for url in [
        "https://127.0.0.1:1/hook",
        "https://10.0.0.8/hook",
        "https://192.168.1.1/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/hook",
        "https://[fe80::1]/hook",
        "https://[::ffff:127.0.0.1]/hook",
        "https://localhost/hook",
        "https://2130706433/hook",
    ] {
        bank.post("/api/v1/webhooks", &json!({ "url": url })).await.refuses(400, "webhook_address_refused");
    }
    for url in ["http://shop.example/hook", "https://a:b@shop.example/hook", "shop.example", ""] {
        bank.post("/api/v1/webhooks", &json!({ "url": url })).await.refuses(400, "invalid_url");
    }
    let unknown = json!({ "url": "https://1.1.1.1/hook", "types": ["money.lost"] });
    bank.post("/api/v1/webhooks", &unknown).await.refuses(400, "invalid_type");
}

/// How many there are, of all or of one user.
async fn count(client: &Client, user: Option<&str>) -> usize {
    const LIST: &str = "query($user: ID) { webhooks(userId: $user) { edges { node { id } } } }";
    let data = client.graphql(LIST, json!({ "user": user })).await;
    data["webhooks"]["edges"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_registration_that_is_repeated_makes_one_webhook() {
    let daybook = Daybook::start_with(HASTY).await;
    let bank = daybook.operator("bank").await;
    let (account, endpoint) = (bank.open("EUR").await, Endpoint::start().await);
    let body = json!({ "idempotency_key": "hook-1", "url": endpoint.url(), "types": ["money.received"] });
    // At once, as when a client is too hasty, and again.
    let (one, two) = tokio::join!(bank.post("/api/v1/webhooks", &body), bank.post("/api/v1/webhooks", &body));
    assert!(one.is_replayed() ^ two.is_replayed(), "{} {}", one.body, two.body);
    let (one, two) = (one.is(201), two.is(201));
    let header = bank.request(reqwest::Method::POST, "/api/v1/webhooks").header("Idempotency-Key", "hook-1");
    let three =
        bank.send(header.json(&json!({ "url": endpoint.url(), "types": ["money.received"] }))).await.is(201);
    assert!(one == two && two == three, "{one} {two} {three}");
    assert_eq!(count(&bank, None).await, 1);
    bank.deposit(&account, "1.00").await;
    bank.deposit(&account, "2.00").await;
    let told = endpoint.told(2).await;
    assert_eq!(told.len(), 2, "told twice");

    let other = json!({ "idempotency_key": "hook-1", "url": endpoint.url() });
    bank.post("/api/v1/webhooks", &other).await.refuses(409, "idempotency_key_reused");
    // Somebody else's key is another.
    let desk = daybook.operator("desk").await;
    assert_ne!(desk.post("/api/v1/webhooks", &body).await.is(201)["webhook_id"], one["webhook_id"]);

    assert_eq!(count(&desk, None).await, 2);

    // The secret is shown again as long as nothing was done to the webhook.
    let path = format!("/api/v1/webhooks/{}", text(&one["webhook_id"]));
    bank.post(&format!("{path}/disable"), &json!({})).await.is(200);
    let touched = bank.post("/api/v1/webhooks", &body).await.is(201);
    assert_eq!(
        (&touched["webhook_id"], touched.get("secret"), &touched["position"]),
        (&one["webhook_id"], None, &one["position"])
    );
    assert_eq!(count(&bank, None).await, 2);
    bank.send(bank.request(reqwest::Method::DELETE, &path)).await.is(200);
    bank.post("/api/v1/webhooks", &body).await.refuses(409, "webhook_deleted");
}

#[tokio::test]
async fn deleting_a_webhook_again_finishes_what_was_cut_short() {
    let daybook = Daybook::start_with(HASTY).await;
    let bank = daybook.operator("bank").await;
    let endpoint = Endpoint::start().await;
    let (id, _) = register(&bank, &json!({ "url": endpoint.url() })).await;
    let shard = daybook.dir().join("keys/webhooks").join(&id[id.len() - 2..]);
    let key = shard.join(format!("{id}.key"));
    assert!(key.is_file());
    // The key cannot be destroyed while something else stands in its place.
    let aside = daybook.dir().join("aside");
    std::fs::rename(&key, &aside).unwrap();
    std::fs::create_dir(&key).unwrap();
    let delete = async || {
        let path = format!("/api/v1/webhooks/{id}");
        bank.request(reqwest::Method::DELETE, &path).send().await.unwrap().status().as_u16()
    };
    assert_eq!(delete().await, 500);
    std::fs::remove_dir(&key).unwrap();
    std::fs::rename(&aside, &key).unwrap();
    assert_eq!(delete().await, 200);
    assert!(!key.exists(), "its secrets can still be read");
    assert_eq!(delete().await, 200, "twice is the same as once");
}

#[tokio::test]
async fn a_user_who_had_twenty_webhooks_may_have_others() {
    let daybook = Daybook::start_with(HASTY).await;
    let bank = daybook.operator("bank").await;
    let user = bank.user("Alice").await;
    let hers = daybook.customer(&user).await;
    let body = json!({ "url": "http://127.0.0.1:1/hook" });
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(register(&hers, &body).await.0);
    }
    let keys = || keys_of_webhooks(&daybook);
    let before = keys();
    hers.post("/api/v1/webhooks", &body).await.refuses(409, "too_many_webhooks");
    let with_key = json!({ "url": "http://127.0.0.1:1/hook", "idempotency_key": "k" });
    hers.post("/api/v1/webhooks", &with_key).await.refuses(409, "too_many_webhooks");
    assert_eq!(keys(), before, "what is refused leaves a key behind");
    let path = format!("/api/v1/webhooks/{}", ids[7]);
    hers.send(hers.request(reqwest::Method::DELETE, &path)).await.is(200);
    register(&hers, &with_key).await;
    hers.post("/api/v1/webhooks", &body).await.refuses(409, "too_many_webhooks");
    register(&bank, &body).await;
    assert_eq!(keys(), 21);
}

/// Key files.
fn keys_of_webhooks(daybook: &Daybook) -> usize {
    let shards = std::fs::read_dir(daybook.dir().join("keys/webhooks")).unwrap();
    shards.map(|shard| std::fs::read_dir(shard.unwrap().path()).unwrap().count()).sum()
}

/// As left by a program that took no deleted webhook off the list, and by registrations that were cut short.
#[tokio::test]
async fn what_takes_room_for_nothing_makes_room() {
    let daybook = Daybook::start_with(HASTY).await;
    let bank = daybook.operator("bank").await;
    let user = bank.user("Alice").await;
    let log = log_client(daybook.log());
    let entries = (1..=20_u64).map(|id| {
        let entry = json!({ "webhook_id": (id << 22).to_string(), "user_id": user });
        EventData::json("$webhook", &entry).unwrap().id(Uuid::new_v4())
    });
    let entries: Vec<_> = entries.collect();
    log.append_to_stream("$webhooks", &AppendToStreamOptions::default(), entries).await.unwrap();
    let hers = daybook.customer(&user).await;
    register(&hers, &json!({ "url": "http://127.0.0.1:1/hook" })).await;
    let mut list = log.read_stream("$webhooks", &ReadStreamOptions::default()).await.unwrap();
    let mut removed = 0;
    while let Ok(Some(event)) = list.next().await {
        removed += usize::from(event.get_original_event().event_type == "$webhook-removed");
    }
    assert_eq!(removed, 20);
}

#[tokio::test]
async fn an_id_that_is_listed_and_never_began_is_unlisted_by_whose_it_is() {
    let daybook = Daybook::start_with(HASTY).await;
    let bank = daybook.operator("bank").await;
    let (alice, bob) = (bank.user("Alice").await, bank.user("Bob").await);
    let log = log_client(daybook.log());
    let entry = json!({ "webhook_id": "4194304", "user_id": alice });
    let entry = EventData::json("$webhook", &entry).unwrap().id(Uuid::new_v4());
    log.append_to_stream("$webhooks", &AppendToStreamOptions::default(), entry).await.unwrap();
    let count = async || {
        let mut list = log.read_stream("$webhooks", &ReadStreamOptions::default()).await.unwrap();
        let mut count = 0;
        while let Ok(Some(_)) = list.next().await {
            count += 1;
        }
        count
    };
    for (who, entries) in [(&bob, 1), (&alice, 2), (&alice, 2)] {
        let client = daybook.customer(who).await;
        let delete = client.request(reqwest::Method::DELETE, "/api/v1/webhooks/4194304");
        client.send(delete).await.refuses(404, "webhook_not_found");
        assert_eq!(count().await, entries);
    }
}

#[tokio::test]
async fn who_is_erased_has_no_webhook_and_leaves_no_mark_on_the_list() {
    let daybook = Daybook::start_with(HASTY).await;
    let bank = daybook.operator("bank").await;
    let (alice, bob) = (bank.user("Alice").await, bank.user("Bob").await);
    let erase = async |who: &str| {
        bank.send(bank.request(reqwest::Method::DELETE, &format!("/api/v1/users/{who}"))).await.is(200)
    };
    erase(&bob).await;
    let log = log_client(daybook.log());
    let mut list = log.read_stream("$webhooks", &ReadStreamOptions::default()).await.unwrap();
    assert!(list.next().await.is_err(), "Bob had none, and there is a list");

    let body = json!({ "url": "http://127.0.0.1:1/hook", "user_id": alice });
    register(&bank, &body).await;
    register(&bank, &json!({ "url": "http://127.0.0.1:1/hook" })).await;
    assert_eq!(keys_of_webhooks(&daybook), 2);
    erase(&alice).await;
    assert_eq!((count(&bank, Some(&alice)).await, count(&bank, None).await), (0, 1));
    assert_eq!(keys_of_webhooks(&daybook), 1);
    bank.post("/api/v1/webhooks", &body).await.refuses(400, "user_erased");
    erase(&alice).await;
}
