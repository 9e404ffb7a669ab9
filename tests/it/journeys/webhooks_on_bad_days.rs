//! Endpoints that fail, are slow, or lie; and a daybook that is killed.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use super::webhooks::{HASTY, register};
use crate::conformance::Foreign;
use crate::harness::{Certificate, Client, Daybook, Endpoint, Post, Reply, scratch, text, until};

const DELIVERIES: &str = "query($id: ID!, $first: Int, $after: String) { webhook(id: $id) { status disabledReason
    deliveries(first: $first, after: $after) {
        edges { node { messageId type attempt status error delivered position } } pageInfo { hasNextPage endCursor } } } }";

/// How long something that has to happen may take on a busy machine.
const HAPPENS_WITHIN: Duration = Duration::from_secs(30);

async fn webhook(client: &Client, id: &str) -> Value {
    client.graphql(DELIVERIES, json!({ "id": id })).await["webhook"].clone()
}

/// Waits until a webhook is disabled; why.
async fn disabled(client: &Client, id: &str) -> String {
    until("the webhook is disabled", HAPPENS_WITHIN, async || {
        let webhook = webhook(client, id).await;
        (webhook["status"] == "DISABLED").then(|| text(&webhook["disabledReason"]))
    })
    .await
}

#[tokio::test]
async fn a_slow_and_a_dead_endpoint_delay_nobody_else() {
    let daybook = Daybook::start_with(&[HASTY, &["--webhooks-timeout", "2s"]].concat()).await;
    let bank = daybook.operator("bank").await;
    let account = bank.open("EUR").await;
    let slow = Endpoint::answering(|_| Reply { after: Duration::from_secs(60), ..Reply::status(200) }).await;
    let (failing, healthy) = (Endpoint::answering(|_| Reply::status(500)).await, Endpoint::start().await);
    let dead = format!("http://127.0.0.1:{}/hook", unused_port().await);
    let received = |url: &str| json!({ "url": url, "types": ["money.received"] });
    for url in [&slow.url(), &failing.url(), &dead, &healthy.url()] {
        register(&bank, &received(url)).await;
    }
    for round in 1..=10 {
        let asked = Instant::now();
        bank.deposit(&account, "1.00").await;
        healthy.told(round).await;
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    }
    assert!(slow.taken().is_empty() && failing.taken().is_empty());

    // When they are well again, they get all of it, in order.
    failing.answer(|_| Reply::status(200));
    let told = failing.told(10).await;
    let balances: Vec<_> = told.iter().map(|post| text(&post.body()["data"]["balance_after"])).collect();
    assert_eq!(balances, (1..=10).map(|n| format!("{n}.00")).collect::<Vec<_>>());
}

async fn unused_port() -> u16 {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn a_daybook_that_is_killed_in_the_middle_misses_nothing() {
    const ROUNDS: usize = 30;
    let mut daybook = Daybook::start_with(HASTY).await;
    let mut bank = daybook.operator("bank").await;
    let mut accounts = Vec::new();
    for _ in 0..3 {
        accounts.push(bank.open("EUR").await);
    }
    let endpoint =
        Endpoint::answering(|_| Reply { after: Duration::from_millis(30), ..Reply::status(200) }).await;
    register(&bank, &json!({ "url": endpoint.url(), "types": ["money.received"] })).await;
    for round in 0..ROUNDS {
        for account in &accounts {
            bank.deposit(account, "1.00").await;
        }
        if round % 10 == 9 {
            daybook.kill();
            daybook.restart().await;
            bank = daybook.operator("bank").await;
        }
    }
    let told = endpoint.told(accounts.len() * ROUNDS).await;
    for account in &accounts {
        // What came twice came with the same id; without repetitions all of it is there, in order.
        let mut seen = HashSet::new();
        let own = told.iter().filter(|post| post.body()["data"]["account_id"] == **account);
        let once = own.filter(|post| seen.insert(post.id()));
        let balances: Vec<_> = once.map(|post| text(&post.body()["data"]["balance_after"])).collect();
        assert_eq!(balances, (1..=ROUNDS).map(|n| format!("{n}.00")).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn while_a_secret_is_rotated_both_sign() {
    let overlap = Duration::from_secs(4);
    let daybook = Daybook::start_with(&[HASTY, &["--webhooks-secret-overlap", "4s"]].concat()).await;
    let bank = daybook.operator("bank").await;
    let (account, endpoint) = (bank.open("EUR").await, Endpoint::start().await);
    let (id, old) = register(&bank, &json!({ "url": endpoint.url(), "types": ["money.received"] })).await;
    bank.deposit(&account, "1.00").await;
    endpoint.told(1).await;
    let rotating = Instant::now();
    let new = bank.post(&format!("/api/v1/webhooks/{id}/rotate-secret"), &json!({})).await.is(200);
    let rotated = Instant::now();
    bank.deposit(&account, "1.00").await;
    let both = endpoint.told(2).await.pop().unwrap();
    assert!(both.at - rotating < overlap, "too slow a machine to see the overlap");
    until("the old secret has had its time", HAPPENS_WITHIN, async || {
        (rotated.elapsed() > overlap).then_some(())
    })
    .await;
    bank.deposit(&account, "1.00").await;
    let told = endpoint.told(3).await;
    let signatures: Vec<_> = told.iter().map(|post| post.signatures().len()).collect();
    assert_eq!(signatures, [1, 2, 1]);

    // The receiver's library takes the middle one with either secret.
    verify(&daybook, &told[..2], &old).await;
    verify(&daybook, &told[1..], &text(&new["secret"])).await;
}

async fn verify(daybook: &Daybook, posts: &[Post], secret: &str) {
    let file = daybook.dir().join("posts.jsonl");
    let lines: Vec<_> = posts.iter().map(Post::line).collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    Foreign::Python.run("webhooks.py", &[secret, file.to_str().unwrap()]).await;
}

#[tokio::test]
async fn a_webhook_that_fails_for_long_is_disabled_and_goes_on_when_enabled() {
    let daybook = Daybook::start_with(&[HASTY, &["--webhooks-disable-after", "2s"]].concat()).await;
    let bank = daybook.operator("bank").await;
    let (account, endpoint) = (bank.open("EUR").await, Endpoint::answering(|_| Reply::status(500)).await);
    let (id, _) = register(&bank, &json!({ "url": endpoint.url(), "types": ["money.received"] })).await;
    bank.deposit(&account, "1.00").await;
    let reason = disabled(&bank, &id).await;
    assert!(reason.contains("2 seconds") && reason.contains("500"), "{reason}");
    let posts = endpoint.posts().len();
    bank.deposit(&account, "1.00").await;

    endpoint.answer(|_| Reply::status(200));
    bank.post(&format!("/api/v1/webhooks/{id}/enable"), &json!({})).await.is(200);
    let told = endpoint.told(2).await;
    assert_eq!(endpoint.posts().len(), posts + 2, "nothing was posted while it was disabled");
    let balances: Vec<_> = told.iter().map(|post| text(&post.body()["data"]["balance_after"])).collect();
    assert_eq!(balances, ["1.00", "2.00"]);

    // The log of deliveries has every attempt, newest first.
    let webhook = until("deliveries are noted", HAPPENS_WITHIN, async || {
        let webhook = webhook(&bank, &id).await;
        (webhook["deliveries"]["edges"].as_array().unwrap().len() == posts + 2).then_some(webhook)
    })
    .await;
    assert_eq!((&webhook["status"], &webhook["disabledReason"]), (&json!("ENABLED"), &Value::Null));
    let nodes: Vec<_> =
        webhook["deliveries"]["edges"].as_array().unwrap().iter().map(|edge| &edge["node"]).collect();
    let newest = nodes[0];
    assert_eq!(
        (&newest["delivered"], &newest["status"], &newest["error"]),
        (&json!(true), &json!(200), &Value::Null)
    );
    assert_eq!(newest["messageId"], told[1].id());
    let oldest = nodes[nodes.len() - 1];
    assert_eq!(
        (&oldest["delivered"], &oldest["status"], &oldest["attempt"]),
        (&json!(false), &json!(500), &json!(1))
    );
    let page = bank.graphql(DELIVERIES, json!({ "id": id, "first": 1 })).await;
    let page = &page["webhook"]["deliveries"];
    assert_eq!((&page["edges"][0]["node"], &page["pageInfo"]["hasNextPage"]), (newest, &json!(true)));
    let next = json!({ "id": id, "first": 1, "after": page["pageInfo"]["endCursor"] });
    assert_eq!(&bank.graphql(DELIVERIES, next).await["webhook"]["deliveries"]["edges"][0]["node"], nodes[1]);
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_not_asked_again() {
    let daybook = Daybook::start_with(HASTY).await;
    let bank = daybook.operator("bank").await;
    let (account, endpoint) = (bank.open("EUR").await, Endpoint::answering(|_| Reply::status(410)).await);
    let (id, _) = register(&bank, &json!({ "url": endpoint.url(), "types": ["money.received"] })).await;
    bank.deposit(&account, "1.00").await;
    assert_eq!(disabled(&bank, &id).await, "the endpoint answered 410 Gone");
    // Deleted, it is as if it had never been.
    let path = format!("/api/v1/webhooks/{id}");
    bank.send(bank.request(reqwest::Method::DELETE, &path)).await.is(200);
    assert_eq!(webhook(&bank, &id).await, Value::Null);
    bank.post(&format!("{path}/enable"), &json!({})).await.refuses(404, "webhook_not_found");
}

#[tokio::test]
async fn retry_after_is_respected_and_redirects_are_not_followed() {
    let daybook = Daybook::start_with(HASTY).await;
    let bank = daybook.operator("bank").await;
    let (account, elsewhere) = (bank.open("EUR").await, Endpoint::start().await);
    let asks = |post: &Post, busy: Reply| if post.path == "/hook" { busy } else { Reply::status(200) };
    let busy = Endpoint::answering(move |post| {
        asks(post, Reply { headers: vec![("retry-after", "2".to_owned())], ..Reply::status(503) })
    })
    .await;
    let location = elsewhere.url();
    let redirecting = Endpoint::answering(move |_| Reply {
        headers: vec![("location", location.clone())],
        ..Reply::status(307)
    })
    .await;
    for url in [busy.url(), redirecting.url()] {
        register(&bank, &json!({ "url": url, "types": ["money.received"] })).await;
    }
    bank.deposit(&account, "1.00").await;
    let times = until("it is asked twice", HAPPENS_WITHIN, async || {
        let posts = busy.posts();
        (posts.len() >= 2).then(|| posts[1].at - posts[0].at)
    })
    .await;
    assert!(times >= Duration::from_secs(2), "{times:?}");
    until("it redirects twice", HAPPENS_WITHIN, async || (redirecting.posts().len() >= 2).then_some(()))
        .await;
    assert!(elsewhere.posts().is_empty());
}

#[tokio::test]
async fn what_was_told_is_told_again_from_a_position() {
    let daybook = Daybook::start_with(HASTY).await;
    let bank = daybook.operator("bank").await;
    let (account, endpoint) = (bank.open("EUR").await, Endpoint::start().await);
    // Before it was registered, too.
    bank.deposit(&account, "1.00").await;
    let (id, _) = register(&bank, &json!({ "url": endpoint.url(), "types": ["money.received"] })).await;
    for _ in 0..3 {
        bank.deposit(&account, "1.00").await;
    }
    let told = endpoint.told(3).await;
    let ids: Vec<_> = told.iter().map(Post::id).collect();
    let path = format!("/api/v1/webhooks/{id}/replay");
    let from = told[0].body()["data"]["position"].as_u64().unwrap();
    bank.post(&path, &json!({ "from_position": from })).await.is(200);
    let posts = until("two are told again", HAPPENS_WITHIN, async || {
        let taken = endpoint.taken();
        (taken.len() >= 5).then_some(taken)
    })
    .await;
    assert_eq!(posts.iter().skip(3).map(Post::id).collect::<Vec<_>>(), ids[1..]);

    bank.post(&path, &json!({ "from_position": 0 })).await.is(200);
    let posts = until("all are told again", HAPPENS_WITHIN, async || {
        let taken = endpoint.taken();
        (taken.len() >= 9).then_some(taken)
    })
    .await;
    let again: Vec<_> = posts.iter().skip(5).map(Post::id).collect();
    assert_eq!((again.len(), &again[1..]), (4, &ids[..]), "the first before it was registered");
    bank.post(&path, &json!({ "from_position": u64::MAX >> 1 })).await.refuses(400, "position_ahead");
}

#[tokio::test]
async fn an_address_is_looked_at_again_whenever_it_is_called() {
    let place = crate::harness::scratch();
    let dir = place.path().to_str().unwrap();
    let arguments = ["up", "--http", "127.0.0.1:0", "--esdb", "off", "--data-dir", dir];
    let hasty = ["--webhooks-retry-min", "50ms", "--webhooks-retry-max", "400ms"];
    let with = |more: &[&str]| {
        crate::harness::Program::new(
            &[&arguments, &hasty[..], more].concat(),
            place.path().join("journey.log"),
        )
    };
    let mut open = with(&["--webhooks-allow-private"]);
    open.start().await;
    let bank = open.operator(place.path()).await;
    let (account, endpoint) = (bank.open("EUR").await, Endpoint::start().await);
    let mut ids = Vec::new();
    let (without_tls, not_public) = (
        "http is not allowed; a webhook's URL must begin with https://",
        "is not an address of the public internet",
    );
    for (scheme, host, reason) in [
        ("http", "localhost", without_tls),
        ("http", "127.0.0.1", without_tls),
        ("http", "2130706433", without_tls),
        ("https", "localhost", not_public),
        ("https", "127.0.0.1", not_public),
    ] {
        let url = format!("{scheme}://{host}:{}/hook", endpoint.port());
        let (id, _) = register(&bank, &json!({ "url": url, "types": ["money.received"] })).await;
        ids.push((id, reason));
    }
    bank.deposit(&account, "1.00").await;
    endpoint.told(3).await;
    open.stop().await;

    // The names still lead there; that is not allowed any more.
    let mut closed = with(&[]);
    closed.start().await;
    let bank = closed.operator(place.path()).await;
    bank.deposit(&account, "1.00").await;
    for (id, reason) in ids {
        let mut last = Value::Null;
        until(&format!("a post is refused: {reason}"), HAPPENS_WITHIN, async || {
            last = webhook(&bank, &id).await["deliveries"]["edges"][0]["node"]["error"].clone();
            last.as_str()?.ends_with(reason).then_some(())
        })
        .await;
    }
    assert_eq!(endpoint.posts().len(), 3);
    closed.stop().await;
}

#[tokio::test]
async fn a_secure_endpoint_is_told_if_its_certificate_can_be_trusted() {
    let (trusted, untrusted) = (Certificate::new(), Certificate::new());
    let dir = scratch();
    let file = dir.path().join("trusted.pem");
    std::fs::write(&file, trusted.pem()).unwrap();
    let trust = vec!["env".to_owned(), format!("SSL_CERT_FILE={}", file.display())];
    let daybook = Daybook::start_within(trust, dir, HASTY).await;
    let bank = daybook.operator("bank").await;
    let account = bank.open("EUR").await;
    let (good, bad) = (Endpoint::secure(&trusted).await, Endpoint::secure(&untrusted).await);
    assert!(good.url().starts_with("https://"));
    let received = |url: String| json!({ "url": url, "types": ["money.received"] });
    register(&bank, &received(good.url())).await;
    let (doubtful, _) = register(&bank, &received(bad.url())).await;
    bank.deposit(&account, "1.00").await;
    assert_eq!(good.told(1).await[0].body()["data"]["account_id"], *account);

    let reason = until("the failure is in the log of deliveries", HAPPENS_WITHIN, async || {
        let seen = webhook(&bank, &doubtful).await;
        seen["deliveries"]["edges"][0]["node"]["error"].as_str().map(str::to_owned)
    })
    .await;
    assert!(reason.contains("certificate"), "{reason}");
    assert!(bad.posts().is_empty(), "nothing is told to who cannot say who he is");
}

/// Rows of the delivery log, by a condition.
async fn noted(database: &mut PgConnection, condition: &str) -> i64 {
    let count = format!("select count(*) from webhook_deliveries where {condition}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(database).await.unwrap()
}

#[tokio::test]
async fn a_delivery_that_the_database_refuses_does_not_hold_up_the_log() {
    let daybook = Daybook::start_with(HASTY).await;
    let bank = daybook.operator("bank").await;
    let (fine, refused) = (bank.open("EUR").await, bank.open("EUR").await);
    let mut database = PgConnection::connect(&daybook.database_url()).await.unwrap();
    let check = format!("alter table webhook_deliveries add check (account_id <> {refused})");
    sqlx::query(sqlx::AssertSqlSafe(check)).execute(&mut database).await.unwrap();
    let endpoint = Endpoint::start().await;
    register(&bank, &json!({ "url": endpoint.url(), "types": ["money.received"] })).await;
    for round in 0..5 {
        for account in [&refused, &fine] {
            bank.deposit(account, "1.00").await;
        }
        endpoint.told(2 * (round + 1)).await;
    }
    until("the others are noted", HAPPENS_WITHIN, async || {
        (noted(&mut database, "true").await == 5).then_some(())
    })
    .await;
    until("what was refused is counted", HAPPENS_WITHIN, async || {
        let metrics = reqwest::get(format!("{}/metrics", daybook.url())).await.unwrap().text().await.unwrap();
        metrics.contains("daybook_webhook_posts_not_noted_total 5").then_some(())
    })
    .await;
    database.close().await.unwrap();
}

#[tokio::test]
async fn the_delivery_log_is_bounded_whoever_was_there_to_count() {
    let mut daybook = Daybook::start_with(HASTY).await;
    let bank = daybook.operator("bank").await;
    let endpoint = Endpoint::start().await;
    let (many, _) = register(&bank, &json!({ "url": endpoint.url() })).await;
    let (gone, _) = register(&bank, &json!({ "url": endpoint.url() })).await;
    bank.send(bank.request(reqwest::Method::DELETE, &format!("/api/v1/webhooks/{gone}"))).await.is(200);
    assert_eq!(webhook(&bank, &gone).await, Value::Null);
    let mut database = PgConnection::connect(&daybook.database_url()).await.unwrap();
    for (id, rows) in [(&many, 10_007), (&gone, 3)] {
        let insert = format!(
            "insert into webhook_deliveries
               (webhook_id, message_id, type, account_id, position, attempt, at, millis, delivered)
             select {id}, 'msg', 'money.received', 1, n, 1, now(), 1, true from generate_series(1, {rows}) n"
        );
        sqlx::query(sqlx::AssertSqlSafe(insert)).execute(&mut database).await.unwrap();
    }
    database.close().await.unwrap();
    daybook.stop().await;
    daybook.restart().await;
    let mut database = PgConnection::connect(&daybook.database_url()).await.unwrap();
    until("it is swept", HAPPENS_WITHIN, async || {
        let left = [&many, &gone].map(|id| format!("webhook_id = {id}"));
        let left = (noted(&mut database, &left[0]).await, noted(&mut database, &left[1]).await);
        (left == (10_000, 0)).then_some(())
    })
    .await;
    // The newest are kept.
    assert_eq!(noted(&mut database, "position <= 7").await, 0);
    database.close().await.unwrap();
}
