//! An account's newest entries, kept in the process and in Redis: as Postgres has them and never older than asked for, whatever becomes of
//! Redis.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::{join, join_all};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::harness::{
    Certificate, Client, Daybook, Line, Proxy, Redis, Separate, Target, scratch, shared, until,
};

/// What `latestTransactions` shows at most.
const LATEST: usize = 20;
/// More than Redis is left alone after it did not answer, with another test beside it.
const USED_AGAIN_WITHIN: Duration = Duration::from_secs(60);
const QUERY: &str = "query($id: ID!) { account(id: $id) {
    balance { amount }
    latestTransactions { ...entry }
    transactions(last: 20) { edges { node { ...entry } } } } }
  fragment entry on Transaction { id transferId type amount balanceAfter counterparty status description reference bookedAt }";

/// The newest entries, newest first. They are those that Postgres has, on an account that nobody changes meanwhile.
async fn newest(reader: &Client, account: &str) -> Vec<Value> {
    let data = reader.graphql(QUERY, json!({ "id": account })).await;
    let account = &data["account"];
    let newest = account["latestTransactions"].as_array().unwrap().clone();
    let edges = account["transactions"]["edges"].as_array().unwrap();
    let mut listed: Vec<Value> = edges.iter().rev().map(|edge| edge["node"].clone()).collect();
    for (newest, listed) in newest.iter().zip(&mut listed) {
        // A transfer may end between the two.
        if newest["status"] == "PENDING" || listed["status"] == "PENDING" {
            listed["status"] = newest["status"].clone();
        }
    }
    assert_eq!(newest, listed);
    if let Some(last) = newest.first() {
        assert_eq!(last["balanceAfter"], account["balance"]["amount"]);
    }
    newest
}

/// How often newest entries were known without asking Postgres.
async fn hits(url: &str) -> u64 {
    metric(url, "daybook_query_latest_total{result=\"hit\"}").await
}

async fn metric(url: &str, name: &str) -> u64 {
    let metrics = reqwest::get(format!("{url}/metrics")).await.unwrap().text().await.unwrap();
    metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0)
}

/// What holds wherever they are kept.
async fn are_told_as_they_are(bank: &Client, url: &str) {
    let (account, other) = (bank.open("EUR").await, bank.open("EUR").await);
    assert!(newest(bank, &account).await.is_empty());
    for number in 1..=LATEST + 3 {
        let transfer = match number % 3 {
            0 => {
                let asked = bank.transfer(&format!("{account}-{number}"), &account, &other, "0.50").await;
                asked.transfer_id()
            }
            _ => bank.deposit(&account, &format!("{number}.00")).await,
        };
        // Whoever reads at the position of what was done sees it, also who reads again.
        for _ in 0..3 {
            let newest = newest(bank, &account).await;
            assert_eq!(newest[0]["transferId"], transfer);
            assert_eq!(newest.len(), number.min(LATEST));
        }
        bank.ended(&transfer).await;
        let before = hits(url).await;
        until("the list is kept", USED_AGAIN_WITHIN, async || {
            let newest = newest(bank, &account).await;
            assert_eq!(
                (&newest[0]["transferId"], &newest[0]["status"]),
                (&json!(transfer), &json!("COMPLETED"))
            );
            (hits(url).await > before).then_some(())
        })
        .await;
    }
    // What is no entry changes nothing of them.
    bank.command(&account, "freeze").await.is(200);
    assert_eq!(newest(bank, &account).await.len(), LATEST);
    // What comes back is an entry, and what it was taken off by is reversed.
    let (payer, frozen) = (bank.open_with_euros("1.00").await, account);
    let refused = bank.transfer(&format!("{payer}-back"), &payer, &frozen, "1.00").await;
    bank.ended(&refused.transfer_id()).await;
    // Its answer has a position after all of that.
    bank.deposit(&other, "1.00").await;
    for _ in 0..3 {
        let newest = newest(bank, &payer).await;
        assert_eq!((&newest[0]["type"], &newest[1]["status"]), (&json!("CREDIT"), &json!("REVERSED")));
        assert_eq!(newest[0]["transferId"], newest[1]["transferId"]);
    }
}

#[tokio::test]
async fn newest_entries_kept_in_the_process_are_told_as_they_are() {
    let daybook = shared().await;
    are_told_as_they_are(&daybook.operator("newest").await, &daybook.url()).await;
}

#[tokio::test]
async fn newest_entries_kept_in_redis_are_told_as_they_are_to_each_bank_its_own() {
    let redis = Redis::start().await;
    let mut banks = Vec::new();
    for _ in 0..2 {
        banks.push(Daybook::start_with(&["--redis-url", &redis.url()]).await);
    }
    let first = banks[0].operator("newest").await;
    are_told_as_they_are(&first, &banks[0].url()).await;

    // Every bank's cash account has the same number, and as many entries here.
    let second = banks[1].operator("newest").await;
    let cash = "query { account(reference: \"settlement:cash:EUR\") { id } }";
    let mut cash_accounts = Vec::new();
    for (bank, daybook) in [(&first, &banks[0]), (&second, &banks[1])] {
        let customer = bank.open("EUR").await;
        while newest_of_cash(bank, cash).await.is_none_or(|(_, entries)| entries.len() < LATEST) {
            bank.deposit(&customer, "1.00").await;
        }
        let (id, entries) = newest_of_cash(bank, cash).await.unwrap();
        let before = hits(&daybook.url()).await;
        until("the list is kept", USED_AGAIN_WITHIN, async || {
            assert_eq!(newest(bank, &id).await, entries);
            (hits(&daybook.url()).await > before).then_some(())
        })
        .await;
        cash_accounts.push((id, entries));
    }
    assert_eq!(cash_accounts[0].0, cash_accounts[1].0);
    assert_ne!(cash_accounts[0].1, cash_accounts[1].1);
    let keys = redis.keys().await;
    let cash_key = |key: &&String| key.ends_with(&format!(":newest:{}", cash_accounts[0].0));
    let of_cash: Vec<&String> = keys.iter().filter(cash_key).collect();

    // Nothing stays for ever.
    for key in &keys {
        let said = redis.ask(&format!("TTL {key}")).await.unwrap();
        let seconds: i64 = said.strip_prefix(':').unwrap().parse().unwrap();
        assert!((1..=3_600).contains(&seconds), "{key}: {seconds}");
    }
    // What is no list is none, and neither is one that is right for another row.
    let [one, other] = &of_cash[..] else { panic!("{of_cash:?}") };
    assert_eq!(redis.ask(&format!("COPY {one} {other} REPLACE")).await.as_deref(), Some(":1"));
    for (bank, (id, entries)) in [&first, &second].into_iter().zip(&cash_accounts) {
        assert_eq!(newest(bank, id).await, *entries);
    }
    for key in &of_cash {
        assert_eq!(redis.ask(&format!("SET {key} nonsense")).await.as_deref(), Some("+OK"));
    }
    for (bank, (id, entries)) in [&first, &second].into_iter().zip(&cash_accounts) {
        assert_eq!(newest(bank, id).await, *entries);
    }
}

async fn newest_of_cash(bank: &Client, query: &str) -> Option<(String, Vec<Value>)> {
    let data = bank.graphql(query, Value::Null).await;
    let id = data["account"]["id"].as_str()?.to_owned();
    let entries = newest(bank, &id).await;
    Some((id, entries))
}

#[tokio::test]
async fn newest_entries_are_kept_in_a_redis_that_is_reached_by_tls() {
    let (dir, certificate) = (scratch(), Certificate::new());
    let place = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (chain, key) = (place("chain.pem"), place("key.pem"));
    std::fs::write(&chain, certificate.pem()).unwrap();
    std::fs::write(&key, certificate.key_pem()).unwrap();
    let (redis, url) = Redis::start_secure(&chain, &key).await;
    let trust = vec!["env".to_owned(), format!("SSL_CERT_FILE={chain}")];
    let daybook = Daybook::start_within(trust, scratch(), &["--redis-url", &url]).await;
    let bank = daybook.operator("tls").await;
    let account = bank.open_with_euros("1.00").await;
    until("the list is kept", USED_AGAIN_WITHIN, async || {
        assert_eq!(newest(&bank, &account).await.len(), 1);
        (hits(&daybook.url()).await > 0).then_some(())
    })
    .await;
    assert!(!redis.keys().await.is_empty());
}

/// A pair of accounts between which one worker moves money, and reads what it wrote, by both query processes.
async fn moves_and_reads(number: usize, banks: [Client; 2], read: &AtomicUsize, stop: &CancellationToken) {
    let [bank, elsewhere] = &banks;
    let accounts = [bank.open_with_euros("100.00").await, bank.open_with_euros("100.00").await];
    let mut before = None;
    for turn in 0.. {
        if stop.is_cancelled() {
            break;
        }
        let (from, to) = (&accounts[turn % 2], &accounts[(turn + 1) % 2]);
        let asked = bank.transfer(&format!("{from}-{turn}"), from, to, "0.01").await;
        elsewhere.reads_at(asked.position());
        for reader in if (turn + number).is_multiple_of(2) { [bank, elsewhere] } else { [elsewhere, bank] } {
            // What was just taken off it, and before that what the transfer before brought.
            let newest = newest(reader, from).await;
            assert_eq!(newest[0]["transferId"], asked.transfer_id());
            if let Some(before) = &before {
                assert_eq!(newest[1]["transferId"], *before);
            }
        }
        assert_eq!(bank.ended(&asked.transfer_id()).await["status"], "completed");
        // Everything of the account is final now: this list may be kept.
        newest(elsewhere, from).await;
        newest(bank, from).await;
        before = Some(asked.transfer_id());
        read.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn redis_may_be_emptied_killed_cut_off_slow_and_full_and_nobody_reads_what_is_not() {
    let mut redis = Redis::start().await;
    let line = Proxy::to(Target::Tcp(redis.address().to_owned()));
    let mut daybook = Separate::start(1, 2).await;
    let url = format!("redis://{}", line.address());
    for query in &mut daybook.queries {
        query.stop().await;
        query.with("--redis-url", &url);
        query.start().await;
    }
    let urls = [daybook.queries[0].url(), daybook.queries[1].url()];
    let (read, stop) = (AtomicUsize::new(0), CancellationToken::new());
    let mut workers = Vec::new();
    for number in 0..4 {
        let name = format!("worker-{number}");
        let banks = [daybook.operator(&name, 0, 0).await, daybook.operator(&name, 0, 1).await];
        workers.push(moves_and_reads(number, banks, &read, &stop));
    }
    let more = async |count: usize| {
        let wanted = read.load(Ordering::SeqCst) + count;
        until("reads go on", Duration::from_secs(90), async || {
            (read.load(Ordering::SeqCst) >= wanted).then_some(())
        })
        .await;
    };
    // Both use what is in Redis, after each of these.
    let used = async |redis: &Redis| {
        for url in &urls {
            let before = hits(url).await;
            until("Redis is used", USED_AGAIN_WITHIN, async || (hits(url).await > before).then_some(()))
                .await;
        }
        assert!(!redis.keys().await.is_empty());
    };
    let troubles = async {
        used(&redis).await;
        for _ in 0..5 {
            redis.flush().await;
            more(4).await;
        }
        used(&redis).await;
        redis.kill();
        more(20).await;
        redis.restart().await;
        used(&redis).await;
        redis.pause();
        more(20).await;
        redis.wake();
        used(&redis).await;
        for trouble in [Line::Stalled, Line::Mute, Line::Slow(Duration::from_millis(150)), Line::Cut] {
            line.set(trouble);
            more(20).await;
            line.set(Line::Open);
            used(&redis).await;
        }
        // One that is full throws away what it likes, or takes nothing.
        for policy in ["allkeys-random", "noeviction"] {
            redis.ask(&format!("CONFIG SET maxmemory-policy {policy}")).await.unwrap();
            redis.ask("CONFIG SET maxmemory 1").await.unwrap();
            more(20).await;
            redis.ask("CONFIG SET maxmemory 0").await.unwrap();
            used(&redis).await;
        }
        stop.cancel();
    };
    join(join_all(workers), troubles).await;
    let reads = read.load(Ordering::SeqCst);
    const MANY: &str = "{ accounts(first: 20) { edges { node { id latestTransactions { id } } } } }";
    for (number, query) in daybook.queries.iter().enumerate() {
        let bank = daybook.operator("many", 0, number).await;
        until("Redis answers", USED_AGAIN_WITHIN, async || {
            let accounts = bank.graphql(MANY, Value::Null).await["accounts"]["edges"].take();
            for account in accounts.as_array().unwrap() {
                let mine = format!("{}-", account["node"]["id"].as_str().unwrap());
                let entries = account["node"]["latestTransactions"].as_array().unwrap();
                assert!(entries.iter().all(|entry| entry["id"].as_str().unwrap().starts_with(&mine)));
            }
            (metric(&query.url(), "daybook_query_redis_up").await == 1).then_some(())
        })
        .await;
        assert!(metric(&query.url(), "daybook_query_redis_failures_total").await > 0);
        // Once each time, and not by every request; on a busy machine it may be slow by itself, too.
        let said = query.said();
        let away = said.matches("Redis does not answer").count();
        assert!((6..=reads / 4).contains(&away), "{away} times, {reads} reads: {said}");
        assert!(said.matches("Redis answers again").count() + 1 >= away, "{said}");
    }
    daybook.check().await;
    daybook.stop().await;
}
