//! What tells webhooks, on a real node: backlogs, restarts, two at once.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::Utc;
use eventstore_node::{ExpectedRevision, Node, NodeOptions, ProposedEvent, StreamAppend};
use ledger_core::account::{AccountCredited, AccountEvent};
use ledger_core::statement::{StatementEvent, StatementIssued};
use ledger_core::webhook::{NotificationType, Settings, WebhookCommand};
use ledger_core::{AccountId, Currency, Event, Metadata, Money, TransferId, WebhookId, stream};
use ledger_streams::{Context, EventStore, KeyStore, Ledger, LedgerOptions};
use notifications::{NotificationOptions, QUEUE_MAX};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::harness::{Endpoint, Post, Reply, until};

/// Far more than telling, failing and taking over need.
const PATIENCE: Duration = Duration::from_secs(60);

struct Bank {
    node: Node,
    ledger: Ledger,
    keys: KeyStore,
    dir: TempDir,
}

/// Notifications at work.
struct Teller {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Teller {
    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// As `kill -9` would end it: nothing is saved, nothing given back.
    async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::from_code("EUR").unwrap())
}

fn account(number: usize) -> AccountId {
    AccountId::from_i64(10_000_000_000 + i64::try_from(number).unwrap()).unwrap()
}

async fn open(node: &Node) -> Ledger {
    Ledger::open(EventStore::Embedded(node.clone()), &LedgerOptions::default()).await.unwrap()
}

impl Bank {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let node = Node::open(NodeOptions::new(dir.path())).unwrap();
        let keys = KeyStore::open(&dir.path().join("keys")).unwrap();
        Self { ledger: open(&node).await, node, keys, dir }
    }

    /// Tells whoever asked, as a process of its own would.
    async fn teller(&self) -> Teller {
        self.teller_that_waits_for_keys(Duration::from_millis(500)).await
    }

    async fn teller_that_waits_for_keys(&self, disable_keyless_after: Duration) -> Teller {
        let (ledger, keys, stop) = (open(&self.node).await, self.keys.clone(), CancellationToken::new());
        let options = NotificationOptions {
            allow_private: true,
            retry_min: Duration::from_millis(20),
            retry_max: Duration::from_millis(200),
            disable_keyless_after,
            ..NotificationOptions::default()
        };
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let shutdown = stop.clone();
        let task = tokio::spawn(async move {
            notifications::run(ledger, keys, options, || ready.send(()).unwrap(), shutdown).await.unwrap();
        });
        is_ready.await.unwrap();
        Teller { task, stop }
    }

    async fn register(&self, endpoint: &Endpoint) -> WebhookId {
        self.register_url(endpoint.url()).await
    }

    async fn register_url(&self, url: String) -> WebhookId {
        let webhook_id = self.ledger.new_webhook_id().unwrap();
        let (_, secret) = self.keys.create_secret(webhook_id).unwrap();
        let types = vec![NotificationType::MoneyReceived, NotificationType::StatementIssued];
        let settings = Settings { url, types, accounts: vec![], threshold: None };
        let register = WebhookCommand::Register { webhook_id, user_id: None, settings, secret };
        self.command(webhook_id, &register).await;
        webhook_id
    }

    async fn command(&self, id: WebhookId, command: &WebhookCommand) {
        let context = Context {
            correlation_id: stream::webhook(id).into(),
            causation_id: None,
            actor: "test".into(),
            booked_at: Utc::now(),
        };
        self.ledger.webhook(id, command, &context).await.unwrap().unwrap();
    }

    /// Events as the ledger would have written them, each account's in the order of their numbers.
    async fn append(&self, events: Vec<(String, Event)>) {
        let propose = |stream: &str, event: &Event| {
            let metadata = Metadata {
                correlation_id: Cow::Borrowed(stream),
                causation_id: None,
                actor: "test".into(),
                booked_at: Utc::now(),
                version: event.version(),
            };
            StreamAppend {
                stream: stream.into(),
                expected: ExpectedRevision::Any,
                follows: None,
                events: vec![ProposedEvent {
                    id: Uuid::new_v4(),
                    event_type: Cow::Borrowed(event.name()),
                    is_json: true,
                    data: Bytes::from(event.encode().unwrap()),
                    metadata: Bytes::from(serde_json::to_vec(&metadata).unwrap()),
                }],
            }
        };
        let batch = events.iter().map(|(stream, event)| propose(stream, event)).collect();
        self.node.append(batch).await.unwrap();
    }

    /// Money on each of so many accounts, so many times, after `before` such times.
    async fn credits(&self, accounts: usize, before: usize, times: usize) {
        for time in before..before + times {
            let credit = |number| {
                let amount = eur(1);
                let credited = AccountCredited {
                    transfer_id: TransferId::from_i64(1).unwrap(),
                    counterparty: account(accounts),
                    amount,
                    balance_after: eur(i64::try_from(time).unwrap() + 1),
                    description: None,
                    reference: None,
                    forced: false,
                };
                (stream::account(account(number)), Event::Account(AccountEvent::Credited(credited)))
            };
            self.append((0..accounts).map(credit).collect()).await;
        }
    }
}

/// What each account was told, repetitions left out: its balances in order.
fn balances(posts: &[Post]) -> HashMap<String, Vec<String>> {
    let (mut seen, mut balances) = (HashSet::new(), HashMap::<String, Vec<String>>::new());
    for post in posts.iter().filter(|post| seen.insert(post.id())) {
        let data = &post.body()["data"];
        let text = |name: &str| data[name].as_str().unwrap().to_owned();
        balances.entry(text("account_id")).or_default().push(text("balance_after"));
    }
    balances
}

fn all_in_order(posts: &[Post], accounts: usize, times: usize) {
    let expected: Vec<_> = (1..=times).map(|time| eur(i64::try_from(time).unwrap()).amount()).collect();
    let told = balances(posts);
    assert_eq!(told.len(), accounts);
    for (account, balances) in told {
        assert_eq!(balances, expected, "account {account}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_that_no_queue_holds_is_told_whole_and_in_order() {
    const ACCOUNTS: usize = 50;
    let times = 5 * QUEUE_MAX / ACCOUNTS;
    let (bank, endpoint) = (Bank::new().await, Endpoint::start().await);
    bank.register(&endpoint).await;
    bank.credits(ACCOUNTS, 0, times).await;
    let teller = bank.teller().await;
    // And what comes while it catches up.
    bank.credits(ACCOUNTS, times, 10).await;
    let told = endpoint.told(ACCOUNTS * (times + 10)).await;
    all_in_order(&told, ACCOUNTS, times + 10);
    assert_eq!(told.len(), ACCOUNTS * (times + 10), "nothing was told twice");
    teller.stop().await;

    // What was told is not told again by the next.
    let teller = bank.teller().await;
    bank.credits(ACCOUNTS, times + 10, 1).await;
    let told = endpoint.told(ACCOUNTS * (times + 11)).await;
    assert_eq!(told.len(), ACCOUNTS * (times + 11));
    teller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_was_down_gets_what_came_meanwhile() {
    const ACCOUNTS: usize = 20;
    const TIMES: usize = 150;
    let (bank, healthy) = (Bank::new().await, Endpoint::start().await);
    let down = Endpoint::answering(|_| Reply::status(503)).await;
    bank.register(&down).await;
    bank.register(&healthy).await;
    let teller = bank.teller().await;
    bank.credits(ACCOUNTS, 0, TIMES).await;
    all_in_order(&healthy.told(ACCOUNTS * TIMES).await, ACCOUNTS, TIMES);
    assert!(down.taken().is_empty());
    down.answer(|_| Reply::status(200));
    let told = down.told(ACCOUNTS * TIMES).await;
    all_in_order(&told, ACCOUNTS, TIMES);
    teller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_told_is_not_lost_with_the_process() {
    let bank = Bank::new().await;
    let endpoint = Endpoint::answering(|_| Reply::status(503)).await;
    bank.register(&endpoint).await;
    let teller = bank.teller().await;
    bank.credits(3, 0, 20).await;
    let head = bank.node.head();
    until("everybody else is further on, as saved", PATIENCE, async || {
        (bank.ledger.load_checkpoint("notifications").await.unwrap() >= head).then_some(())
    })
    .await;
    teller.kill().await;
    assert!(endpoint.taken().is_empty());
    endpoint.answer(|_| Reply::status(200));
    let teller = bank.teller().await;
    all_in_order(&endpoint.told(60).await, 3, 20);
    teller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_one_tells_and_the_other_takes_over() {
    let bank = Bank::new().await;
    let endpoint =
        Endpoint::answering(|_| Reply { after: Duration::from_millis(5), ..Reply::status(200) }).await;
    bank.register(&endpoint).await;
    let (first, second) = (bank.teller().await, bank.teller().await);
    bank.credits(4, 0, 50).await;
    let told = endpoint.told(200).await;
    assert_eq!(told.len(), 200, "both told");
    bank.credits(4, 50, 50).await;
    first.kill().await;
    let told = endpoint.told(400).await;
    all_in_order(&told, 4, 100);
    second.stop().await;
    // Who stops in good order does not make the next wait.
    let third = bank.teller().await;
    bank.credits(4, 100, 1).await;
    endpoint.told(404).await;
    third.stop().await;
}

#[tokio::test]
async fn a_statement_that_was_issued_is_told() {
    let (bank, endpoint) = (Bank::new().await, Endpoint::start().await);
    bank.register(&endpoint).await;
    let teller = bank.teller().await;
    let issued = StatementIssued {
        account_id: account(1),
        month: "2026-11".into(),
        issue: 1,
        opening: eur(0),
        closing: eur(10),
        total_debits: eur(0),
        total_credits: eur(10),
        count: 1,
        position: 1,
        files: vec![],
    };
    let event = Event::Statement(StatementEvent::Issued(issued));
    bank.append(vec![(stream::statement(account(1)), event)]).await;
    let told = endpoint.told(1).await;
    let body = told[0].body();
    assert_eq!((&body["type"], &body["data"]["month"]), (&"statement.issued".into(), &"2026-11".into()));
    teller.stop().await;
}

#[tokio::test]
async fn a_webhook_whose_key_is_gone_is_disabled() {
    let (bank, endpoint) = (Bank::new().await, Endpoint::start().await);
    let id = bank.register(&endpoint).await;
    std::fs::remove_dir_all(bank.dir.path().join("keys/webhooks")).unwrap();
    let teller = bank.teller().await;
    bank.credits(1, 0, 1).await;
    let reason = until("it is disabled", PATIENCE, async || {
        let webhook = bank.ledger.view_webhook(id).await.unwrap().webhook.unwrap();
        match webhook.status {
            ledger_core::webhook::WebhookStatus::Disabled(reason) => Some(reason),
            _ => None,
        }
    })
    .await;
    assert_eq!(reason, "its signing key is gone");
    assert!(endpoint.posts().is_empty(), "nothing leaves unsigned");
    teller.stop().await;
}

#[tokio::test]
async fn a_key_that_is_late_is_waited_for() {
    let (bank, endpoint) = (Bank::new().await, Endpoint::start().await);
    let id = bank.register(&endpoint).await;
    let (keys, elsewhere) = (bank.dir.path().join("keys/webhooks"), bank.dir.path().join("not mounted yet"));
    std::fs::rename(&keys, &elsewhere).unwrap();
    let teller = bank.teller_that_waits_for_keys(2 * PATIENCE).await;
    bank.credits(1, 0, 1).await;
    let head = bank.node.head();
    until("everybody else is further on, as saved", PATIENCE, async || {
        (bank.ledger.load_checkpoint("notifications").await.unwrap() >= head).then_some(())
    })
    .await;
    std::fs::rename(&elsewhere, &keys).unwrap();
    endpoint.told(1).await;
    let webhook = bank.ledger.view_webhook(id).await.unwrap().webhook.unwrap();
    assert_eq!(webhook.status, ledger_core::webhook::WebhookStatus::Enabled);
    teller.stop().await;
}

/// An endpoint by hand: when each connection was made, and when it was given up.
#[derive(Default)]
struct Visits {
    begun: Vec<Instant>,
    ended: Vec<Instant>,
}

/// Says this to every post, and no more.
async fn mute(says: &'static str) -> (String, Arc<Mutex<Visits>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let visits = Arc::<Mutex<Visits>>::default();
    let noted = Arc::clone(&visits);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            noted.lock().begun.push(Instant::now());
            let noted = Arc::clone(&noted);
            tokio::spawn(async move {
                let mut buffer = [0; 4_096];
                while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {
                    // A sender that has gone is seen by the next read.
                    let _ = stream.write_all(says.as_bytes()).await;
                }
                noted.lock().ended.push(Instant::now());
            });
        }
    });
    (url, visits)
}

#[tokio::test]
async fn an_answer_without_an_end_is_an_answer() {
    let bank = Bank::new().await;
    let (url, visits) = mute("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n").await;
    bank.register_url(url).await;
    let teller = bank.teller().await;
    bank.credits(1, 0, 2).await;
    until("the second is told", PATIENCE, async || (visits.lock().begun.len() == 2).then_some(())).await;
    let apart = {
        let visits = visits.lock();
        visits.begun[1] - visits.begun[0]
    };
    assert!(apart < NotificationOptions::default().timeout, "{apart:?}");
    teller.stop().await;
}

/// One whose lease another took gives up what it has under way, before that one begins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_account_is_told_by_two_at_once() {
    let bank = Bank::new().await;
    let (url, visits) = mute("").await;
    bank.register_url(url).await;
    let (first, second) = (bank.teller().await, bank.teller().await);
    bank.credits(1, 0, 1).await;
    until("it is told", PATIENCE, async || (visits.lock().begun.len() == 1).then_some(())).await;
    // Somebody takes the lease, and is never heard of again.
    let lost = Instant::now();
    let stranger = serde_json::json!({ "holder": Uuid::new_v4() });
    let event = ProposedEvent {
        id: Uuid::new_v4(),
        event_type: Cow::Borrowed("$lease"),
        is_json: true,
        data: Bytes::from(stranger.to_string()),
        metadata: Bytes::from_static(b"{}"),
    };
    let stream = "$lease-notifications".into();
    let taken = StreamAppend { stream, expected: ExpectedRevision::Any, follows: None, events: vec![event] };
    bank.node.append(vec![taken]).await.unwrap();
    until("it is told again", PATIENCE, async || (visits.lock().begun.len() == 2).then_some(())).await;
    let (ended, begun) = {
        let visits = visits.lock();
        (visits.ended[0], visits.begun[1])
    };
    assert!(ended < begun, "both were under way");
    let within = ended - lost;
    assert!(within < Duration::from_secs(5), "{within:?}: longer than any lease");
    first.kill().await;
    second.kill().await;
}
