//! Clients that post transfers until they get no more answers, and what must be true of all of them afterwards.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::harness::{Client, euros, text, until};

const CLIENTS: usize = 8;
/// Accounts that pay and are paid; one more is only paid, and frozen, so that its transfers fail.
const ACCOUNTS: usize = 6;
const DEPOSIT_CENTS: i64 = 1_000_000;
/// How long what was under way may take to end after a start.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(60);
/// Transfers of one query.
const QUERY_TRANSFERS: usize = 100;

/// A transfer somebody asked for.
#[derive(Clone, Debug)]
struct Wish {
    key: String,
    from: usize,
    to: usize,
    cents: i64,
}

/// A wish and what was answered: the transfer's id, or nothing when the daybook ended first.
type Heard = (Wish, Option<String>);

/// Everything that was asked of one daybook in all its lives.
pub(super) struct Load {
    accounts: Arc<[String]>,
    deposits: BTreeSet<String>,
    heard: Vec<Heard>,
    rounds: usize,
}

impl Load {
    /// Opens the accounts.
    pub(super) async fn prepare(bank: &Client) -> Self {
        let (mut accounts, mut deposits) = (Vec::new(), BTreeSet::new());
        for _ in 0..ACCOUNTS {
            let account = bank.open("EUR").await;
            deposits.insert(bank.deposit(&account, &amount(DEPOSIT_CENTS)).await);
            accounts.push(account);
        }
        let frozen = bank.open("EUR").await;
        bank.command(&frozen, "freeze").await.is(200);
        accounts.push(frozen);
        Self { accounts: accounts.into(), deposits, heard: Vec::new(), rounds: 0 }
    }

    /// Offers load; when `enough` transfers are acknowledged, `ends` the daybook while the load goes on, until every client has noticed.
    pub(super) async fn until_the_end(&mut self, bank: &Client, enough: usize, end: impl FnOnce()) {
        self.rounds += 1;
        let (tell, mut told) = mpsc::unbounded_channel();
        for number in 0..CLIENTS {
            let name = format!("{}-{number}", self.rounds);
            tokio::spawn(ask_until_the_end(
                bank.clone(),
                Arc::clone(&self.accounts),
                name,
                number,
                tell.clone(),
            ));
        }
        drop(tell);
        let before = self.heard.len();
        while self.heard.len() < before + enough {
            self.heard.push(told.recv().await.expect("clients ask on"));
        }
        assert!(
            self.heard[before..].iter().all(|(_, id)| id.is_some()),
            "an answer stayed out before the end"
        );
        end();
        while let Some(heard) = told.recv().await {
            self.heard.push(heard);
        }
    }

    /// Offers load to all of these for as long as `outage` takes. Each client repeats what is not answered, for as long as it takes.
    pub(super) async fn through(&mut self, banks: &[Client], outage: impl AsyncFnOnce(&Acknowledged)) {
        self.rounds += 1;
        let acknowledged = Acknowledged::default();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let name = format!("{}-{number}", self.rounds);
                let (bank, accounts) = (banks[number % banks.len()].clone(), Arc::clone(&self.accounts));
                tokio::spawn(ask_patiently(bank, accounts, name, number, acknowledged.clone()))
            })
            .collect();
        outage(&acknowledged).await;
        acknowledged.enough.cancel();
        for client in clients {
            self.heard.extend(client.await.unwrap());
        }
    }

    /// Asks everything again and holds the books to it: every acknowledged transfer is there, once, and has ended; nothing else is.
    pub(super) async fn holds(&mut self, bank: &Client) {
        for (wish, heard) in &mut self.heard {
            let again = bank
                .transfer(&wish.key, &self.accounts[wish.from], &self.accounts[wish.to], &amount(wish.cents))
                .await;
            let (replayed, id) = (again.is_replayed(), again.transfer_id());
            again.is(202);
            match heard {
                Some(heard) => {
                    assert!(replayed && id == *heard, "{wish:?}: {heard} was acknowledged, now {id} is");
                }
                // Nobody was told: both are right. From now on it is acknowledged.
                None => *heard = Some(id),
            }
        }
        let wishes: HashMap<&str, &Wish> =
            self.heard.iter().map(|(wish, id)| (id.as_deref().unwrap(), wish)).collect();
        assert_eq!(wishes.len(), self.heard.len(), "two wishes became one transfer");

        self.all_have_ended(bank, &wishes).await;
        let mut balances = self.entries_fit(bank, &wishes).await;
        for (wish, _) in &self.heard {
            if wish.to != ACCOUNTS {
                balances[wish.from] -= wish.cents;
                balances[wish.to] += wish.cents;
            }
        }
        for (account, cents) in self.accounts.iter().zip(&balances) {
            assert_eq!(bank.funds(account).await, (amount(*cents), amount(*cents)));
        }
        let customers = amount(balances.iter().sum());
        let sums = json!([{ "currency": "EUR", "customers": customers, "settlement": format!("-{customers}"),
                            "inTransit": "0.00", "total": "0.00" }]);
        assert_eq!(bank.trial_balance().await, sums);
    }

    async fn all_have_ended(&self, bank: &Client, wishes: &HashMap<&str, &Wish>) {
        let ids: Vec<&str> = wishes.keys().copied().collect();
        for ids in ids.chunks(QUERY_TRANSFERS) {
            let fields: String = ids
                .iter()
                .map(|id| format!("t{id}: transfer(id: \"{id}\") {{ status failureReason }} "))
                .collect();
            let query = format!("{{ {fields} }}");
            let data = until("every transfer ends", SETTLE_TIME_MAX, async || {
                let data = bank.graphql(&query, Value::Null).await;
                let ended =
                    data.as_object().unwrap().values().all(|transfer| transfer["status"] != "PENDING");
                ended.then_some(data)
            })
            .await;
            for id in ids {
                let end = match wishes[id].to {
                    ACCOUNTS => json!({ "status": "FAILED", "failureReason": "account_frozen" }),
                    _ => json!({ "status": "COMPLETED", "failureReason": null }),
                };
                assert_eq!(data[format!("t{id}")], end, "{:?}", wishes[id]);
            }
        }
    }

    /// Every entry belongs to a wish or a deposit, and each of these has its entries once. Returns the balances that the deposits make.
    async fn entries_fit(&self, bank: &Client, wishes: &HashMap<&str, &Wish>) -> Vec<i64> {
        let mut legs: BTreeMap<String, Vec<(usize, String, String, String)>> = BTreeMap::new();
        for (place, account) in self.accounts.iter().enumerate() {
            let mut balance = 0;
            for entry in bank.entries(account).await {
                let [transfer, side, status, moved, after] =
                    ["transferId", "type", "status", "amount", "balanceAfter"].map(|name| text(&entry[name]));
                balance += if side == "CREDIT" { cents(&moved) } else { -cents(&moved) };
                assert_eq!(cents(&after), balance, "{entry}");
                legs.entry(transfer).or_default().push((place, side, status, moved));
            }
        }
        for (id, wish) in wishes {
            let leg = |place, side: &str, status: &str| {
                (place, side.to_owned(), status.to_owned(), amount(wish.cents))
            };
            let mut expected = match wish.to {
                ACCOUNTS => [leg(wish.from, "DEBIT", "REVERSED"), leg(wish.from, "CREDIT", "COMPLETED")],
                to => [leg(wish.from, "DEBIT", "COMPLETED"), leg(to, "CREDIT", "COMPLETED")],
            };
            let mut found = legs.remove(*id).unwrap_or_default();
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{wish:?}");
        }
        assert_eq!(
            legs.into_keys().collect::<BTreeSet<_>>(),
            self.deposits,
            "transfers that nobody asked for"
        );
        let mut balances = vec![DEPOSIT_CENTS; ACCOUNTS];
        balances.push(0);
        balances
    }
}

/// How many transfers were acknowledged so far.
#[derive(Clone, Default)]
pub(super) struct Acknowledged {
    count: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    enough: CancellationToken,
}

impl Acknowledged {
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// How often a client was told to come again.
    pub(super) fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// Waits for so many more.
    pub(super) async fn more(&self, wanted: usize) {
        let goal = self.count() + wanted;
        until("transfers are acknowledged", SETTLE_TIME_MAX, async || (self.count() >= goal).then_some(()))
            .await;
    }
}

async fn ask_patiently(
    bank: Client,
    accounts: Arc<[String]>,
    name: String,
    client: usize,
    acknowledged: Acknowledged,
) -> Vec<Heard> {
    let mut heard = Vec::new();
    for number in 0.. {
        if acknowledged.enough.is_cancelled() {
            break;
        }
        let wish = wish(&name, client, number);
        let id = loop {
            let answer = bank.try_post(&wish.path(&accounts), &wish.body(&accounts)).await.unwrap();
            if answer.status != 503 {
                let id = answer.transfer_id();
                answer.is(202);
                break id;
            }
            acknowledged.refused.fetch_add(1, Ordering::Relaxed);
            let seconds = answer.header("retry-after").expect("it says when to come again").parse().unwrap();
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        };
        acknowledged.count.fetch_add(1, Ordering::Relaxed);
        heard.push((wish, Some(id)));
    }
    heard
}

async fn ask_until_the_end(
    bank: Client,
    accounts: Arc<[String]>,
    name: String,
    client: usize,
    tell: mpsc::UnboundedSender<Heard>,
) {
    for number in 0.. {
        let wish = wish(&name, client, number);
        let answer = bank.try_post(&wish.path(&accounts), &wish.body(&accounts)).await;
        let heard = match answer {
            // Told to come again: it stops.
            Ok(answer) if answer.status == 503 => None,
            Ok(answer) => {
                let id = answer.transfer_id();
                answer.is(202);
                Some(id)
            }
            Err(_) => None,
        };
        let last = heard.is_none();
        let _ = tell.send((wish, heard));
        if last {
            return;
        }
    }
}

/// What a client asks for next.
fn wish(name: &str, client: usize, number: usize) -> Wish {
    let from = (client + number) % ACCOUNTS;
    let to = (from + 1 + number / ACCOUNTS % ACCOUNTS) % (ACCOUNTS + 1);
    Wish { key: format!("{name}-{number}"), from, to, cents: 1 + i64::try_from(number % 97).unwrap() }
}

impl Wish {
    fn path(&self, accounts: &[String]) -> String {
        format!("/api/v1/transactions/{}/account", accounts[self.from])
    }

    fn body(&self, accounts: &[String]) -> Value {
        euros(&self.key, &accounts[self.from], &accounts[self.to], &amount(self.cents))
    }
}

fn amount(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn cents(amount: &str) -> i64 {
    amount.replace('.', "").parse().unwrap()
}
