//! Clients that ask on and on while things go wrong, each patient until it is answered. What must be true of all of it afterwards, the
//! checker knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::harness::{Answer, Client, euros, until};

const CLIENTS: usize = 8;
/// Accounts that pay and are paid. The last one may be overdrawn, and is: it has nothing at first.
const ACCOUNTS: usize = 6;
/// Of these, what is paid to the first comes back; the second has next to nothing.
const FROZEN: usize = ACCOUNTS;
const POOR: usize = ACCOUNTS + 1;
const DEPOSIT: &str = "10000.00";
/// How long clients may go without being answered.
const ANSWERED_WITHIN: Duration = Duration::from_secs(90);
/// How long a client waits before it asks again when it was not even told when.
const PATIENCE: Duration = Duration::from_millis(100);
/// Wishes between two looks at what has become of one.
const LOOK_EVERY: usize = 4;

/// What somebody asked for.
#[derive(Clone, Debug)]
struct Wish {
    path: String,
    body: Value,
}

/// Everything that was asked of one daybook in all its lives.
pub(super) struct Load {
    accounts: Arc<[String]>,
    asked: Vec<Wish>,
    rounds: usize,
}

impl Load {
    /// Opens the accounts.
    pub(super) async fn prepare(bank: &Client) -> Self {
        let mut accounts = Vec::new();
        for _ in 1..ACCOUNTS {
            accounts.push(bank.open_with_euros(DEPOSIT).await);
        }
        accounts.push(bank.open_with(&json!({ "currency": "EUR", "overdraft_limit": DEPOSIT })).await);
        accounts.push(bank.open("EUR").await);
        bank.command(&accounts[FROZEN], "freeze").await.is(200);
        accounts.push(bank.open_with_euros("0.10").await);
        Self { accounts: accounts.into(), asked: Vec::new(), rounds: 0 }
    }

    /// Offers load to all of these for as long as `outage` takes. Each client repeats what is not answered, for as long as it takes.
    pub(super) async fn through(&mut self, banks: &[Client], outage: impl AsyncFnOnce(&Acknowledged)) {
        self.rounds += 1;
        let acknowledged = Acknowledged::default();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let name = format!("{}-{number}", self.rounds);
                let (bank, accounts) = (banks[number % banks.len()].clone(), Arc::clone(&self.accounts));
                tokio::spawn(ask_on(bank, accounts, name, number, acknowledged.clone()))
            })
            .collect();
        outage(&acknowledged).await;
        acknowledged.enough.cancel();
        for client in clients {
            self.asked.extend(client.await.unwrap());
        }
    }

    /// Asks everything again, which must change nothing.
    pub(super) async fn ask_again(&self, bank: &Client) {
        for wishes in self.asked.chunks(CLIENTS) {
            let answers = wishes.iter().map(|wish| bank.post(&wish.path, &wish.body));
            for answer in futures::future::join_all(answers).await {
                assert!(answer.is_replayed(), "{answer:?}");
            }
        }
    }
}

/// How many wishes were answered so far.
#[derive(Clone, Default)]
pub(super) struct Acknowledged {
    count: Arc<AtomicUsize>,
    unanswered: Arc<AtomicUsize>,
    enough: CancellationToken,
}

impl Acknowledged {
    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// How often a client had to ask again.
    pub(super) fn unanswered(&self) -> usize {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// Waits for so many more.
    pub(super) async fn more(&self, wanted: usize) {
        let goal = self.count() + wanted;
        until("wishes are answered", ANSWERED_WITHIN, async || (self.count() >= goal).then_some(())).await;
    }
}

async fn ask_on(
    bank: Client,
    accounts: Arc<[String]>,
    name: String,
    client: usize,
    acknowledged: Acknowledged,
) -> Vec<Wish> {
    let mut asked = Vec::new();
    for number in 0.. {
        if acknowledged.enough.is_cancelled() {
            break;
        }
        let wish = wish(&name, client, number, &accounts);
        asked.push(wish.clone());
        let answer = answered(&bank, &wish, &acknowledged).await;
        acknowledged.count.fetch_add(1, Ordering::Relaxed);
        if number % LOOK_EVERY == 0 {
            // The checker knows whether it is true.
            let _ = bank.try_get(&format!("/api/v1/transactions/{}/status", answer.transfer_id())).await;
            let _ = bank.try_get(&format!("/api/v1/accounts/{}", accounts[client % accounts.len()])).await;
        }
    }
    asked
}

async fn answered(bank: &Client, wish: &Wish, acknowledged: &Acknowledged) -> Answer {
    loop {
        let pause = match bank.try_post(&wish.path, &wish.body).await {
            Ok(answer) if answer.status == 503 => {
                let seconds = answer.header("retry-after").expect("it says when to come again");
                Duration::from_secs(seconds.parse().unwrap())
            }
            Ok(answer) => return answer,
            Err(_) => PATIENCE,
        };
        acknowledged.unanswered.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(pause).await;
    }
}

/// What a client asks for next: mostly transfers, some of which come back or are refused, and some cash.
fn wish(name: &str, client: usize, number: usize, accounts: &[String]) -> Wish {
    let key = format!("{name}-{number}");
    let amount = format!("0.{:02}", 1 + number % 97);
    let from = (client + number) % ACCOUNTS;
    let account = &accounts[from];
    let cash = ["deposits", "withdrawals"].get(number % 16).filter(|_| number > 16);
    let from = if number % 8 == 5 { POOR } else { from };
    let to = (from + 1 + number / ACCOUNTS % ACCOUNTS) % (ACCOUNTS + 1);
    let (path, mut body) = match cash {
        Some(way) => (
            format!("/api/v1/accounts/{account}/{way}"),
            json!({ "idempotency_key": key, "amount": amount, "currency": "EUR" }),
        ),
        None => (
            format!("/api/v1/transactions/{}/account", accounts[from]),
            euros(&key, &accounts[from], &accounts[to], &amount),
        ),
    };
    // By this the checker finds it in the log, whether or not it was answered.
    body["reference"] = json!(key);
    Wish { path, body }
}
