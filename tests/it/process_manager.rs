//! The process manager's runner on a real node: who drives, what is tried again, what is parked, and what operators' words do.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use command_api::process_manager;
use eventstore_node::{
    AllFrom, Direction, ExpectedRevision, Node, NodeOptions, ProposedEvent, ReadLimit, StreamAppend,
    StreamFrom,
};
use ledger_core::account::{AccountCommand, AccountKind};
use ledger_core::dead_letter::{DeadLetterCommand, Resolution};
use ledger_core::transfer::TransferStatus;
use ledger_core::{AccountId, Currency, Money, Rejection, TransferId, stream};
use ledger_streams::{
    Context, EventStore, LEASE_HELD_FOR, Ledger, LedgerOptions, NewAccount, TransferReceipt, TransferRequest,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::harness::until;

/// Far more than trying, parking and taking over need.
const PATIENCE: Duration = Duration::from_secs(60);

struct Bank {
    node: Node,
    ledger: Ledger,
    _dir: TempDir,
}

/// A process manager at work.
struct Manager {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Manager {
    async fn start(ledger: &Ledger) -> Self {
        let stop = CancellationToken::new();
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let (ledger, shutdown) = (ledger.clone(), stop.clone());
        let task = tokio::spawn(async move {
            process_manager::run(ledger, || ready.send(()).unwrap(), shutdown).await.unwrap();
        });
        is_ready.await.unwrap();
        Self { task, stop }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// As `kill -9` would end it: nothing is given back.
    async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

impl Bank {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let node = Node::open(NodeOptions::new(dir.path())).unwrap();
        let ledger = open(&node).await;
        Self { node, ledger, _dir: dir }
    }

    async fn account(&self, overdraft: i64) -> AccountId {
        let new = NewAccount {
            user_id: None,
            kind: AccountKind::Checking,
            currency: eur(0).currency,
            reference: None,
            overdraft_limit: eur(overdraft),
        };
        self.ledger.open_account(&new, &context("")).await.unwrap().unwrap().account_id
    }

    async fn command(&self, id: AccountId, command: AccountCommand) {
        self.ledger.account(id, &command, &context(&stream::account(id))).await.unwrap().unwrap();
    }

    async fn transfer(&self, key: &str, from: AccountId, to: AccountId, minor: i64) -> TransferReceipt {
        self.transfer_by(&self.ledger, key, from, to, minor).await
    }

    async fn transfer_by(
        &self,
        ledger: &Ledger,
        key: &str,
        from: AccountId,
        to: AccountId,
        minor: i64,
    ) -> TransferReceipt {
        let request = TransferRequest {
            client: "test".into(),
            idempotency_key: key.into(),
            from,
            to,
            amount: eur(minor),
            description: None,
            reference: None,
            already_booked: false,
        };
        ledger.request_transfer(&request, &context(&request.stream())).await.unwrap().unwrap()
    }

    async fn balance(&self, id: AccountId) -> i64 {
        self.ledger.view(id).await.unwrap().unwrap().balance.minor
    }

    async fn ended(&self, receipt: &TransferReceipt) -> TransferStatus {
        until("the transfer ends", PATIENCE, async || {
            let run = self.ledger.transfer_run(receipt.run.stream()).await.unwrap();
            Some(run.process.status()).filter(|status| *status != TransferStatus::Pending)
        })
        .await
    }

    /// The events of a stream, by name, with their data and metadata.
    fn events(&self, stream: &str) -> Vec<(String, Value, Value)> {
        let read =
            self.node.read_stream(stream, StreamFrom::Start, Direction::Forward, ReadLimit::events(1_000));
        let json = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap();
        let event = |event: eventstore_node::RecordedEvent| {
            (event.event_type.to_string(), json(&event.data), json(&event.metadata))
        };
        read.unwrap().events.into_iter().map(event).collect()
    }

    /// Who had the lease of a partition, and since when.
    fn leases(&self, partition: usize) -> Vec<(Option<String>, Duration)> {
        let stream = format!("$lease-process-manager-{partition}");
        let read =
            self.node.read_stream(&stream, StreamFrom::Start, Direction::Forward, ReadLimit::events(1_000));
        let lease = |event: eventstore_node::RecordedEvent| {
            let data: Value = serde_json::from_slice(&event.data).unwrap();
            let micros = u64::try_from(event.created / 10).unwrap();
            (data["holder"].as_str().map(str::to_owned), Duration::from_micros(micros))
        };
        read.unwrap().events.into_iter().map(lease).collect()
    }

    /// Waits until this many events are in the stream of parked transfers; the last of them.
    async fn dead_letter(&self, count: usize) -> (String, Value, Value) {
        until("a transfer is parked", PATIENCE, async || {
            let mut events = self.events(stream::DEAD_LETTERS);
            (events.len() == count).then(|| events.pop().unwrap())
        })
        .await
    }

    /// An event on an account that this program cannot read.
    async fn poison(&self, id: AccountId) {
        self.append_unreadable(&stream::account(id), "AccountMadeOfGold").await;
    }

    /// Appends an event that this program cannot read; its position.
    async fn append_unreadable(&self, stream: &str, name: &'static str) -> u64 {
        let event = ProposedEvent {
            id: Uuid::new_v4(),
            event_type: Cow::Borrowed(name),
            is_json: true,
            data: Bytes::from_static(b"{}"),
            metadata: Bytes::from(
                serde_json::to_vec(&serde_json::json!({
                    "$correlationId": "", "actor": "operator:test", "booked_at": Utc::now(), "version": 1
                }))
                .unwrap(),
            ),
        };
        let append = StreamAppend {
            stream: stream.into(),
            expected: ExpectedRevision::Any,
            follows: None,
            events: vec![event],
        };
        self.node.append(vec![append]).await.unwrap().streams[0].position
    }

    async fn say(&self, command: DeadLetterCommand) -> Result<usize, Rejection> {
        let said = self.ledger.dead_letter(&command, &context("transfer-x")).await.unwrap();
        said.map(|executed| executed.events.len())
    }
}

async fn open(node: &Node) -> Ledger {
    Ledger::open(EventStore::Embedded(node.clone()), &LedgerOptions::default()).await.unwrap()
}

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::from_code("EUR").unwrap())
}

fn context(correlation_id: &str) -> Context {
    Context {
        correlation_id: correlation_id.into(),
        causation_id: None,
        actor: "operator:jana".into(),
        booked_at: Utc::now(),
    }
}

fn resolve(transfer_id: TransferId, resolution: Resolution) -> DeadLetterCommand {
    DeadLetterCommand::Resolve { transfer_id, resolution, reason: "ticket 4711".into() }
}

/// A transfer whose money can neither arrive nor come back: the destination is frozen, and the source is full.
async fn stuck(bank: &Bank) -> (AccountId, AccountId, TransferReceipt) {
    let (from, to) = (bank.account(1_000).await, bank.account(0).await);
    let receipt = bank.transfer("stuck", from, to, 700).await;
    bank.command(to, AccountCommand::Freeze(None)).await;
    fill(bank, from, i64::MAX).await;
    (from, to, receipt)
}

/// Books as much onto an account as it takes, in as few legs as possible: past what a transfer may move.
async fn fill(bank: &Bank, id: AccountId, up_to: i64) {
    let leg = ledger_core::account::Leg {
        transfer_id: bank.ledger.new_transfer_id().unwrap(),
        counterparty: bank.account(0).await,
        amount: eur(1),
        description: None,
        reference: None,
        since: None,
    };
    let balance = bank.balance(id).await;
    let rest = i128::from(up_to) - i128::from(balance);
    let first = i64::try_from(rest.min(i128::from(i64::MAX))).unwrap();
    let second = i64::try_from(rest - i128::from(first)).unwrap();
    for minor in [first, second].into_iter().filter(|minor| *minor > 0) {
        let transfer_id = bank.ledger.new_transfer_id().unwrap();
        let leg = ledger_core::account::Leg { transfer_id, amount: eur(minor), ..leg.clone() };
        bank.command(id, AccountCommand::Credit(leg)).await;
    }
    assert_eq!(bank.balance(id).await, up_to);
}

/// Makes room for so much on an account.
async fn drain(bank: &Bank, id: AccountId, minor: i64) {
    let leg = ledger_core::account::Leg {
        transfer_id: bank.ledger.new_transfer_id().unwrap(),
        counterparty: bank.account(0).await,
        amount: eur(minor),
        description: None,
        reference: None,
        since: None,
    };
    bank.command(id, AccountCommand::Debit(leg, ledger_core::account::Funds::MustCover)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_that_no_rule_can_end_is_parked_and_ends_when_it_is_tried_again() {
    let bank = Bank::new().await;
    let (from, to, receipt) = stuck(&bank).await;
    let manager = Manager::start(&bank.ledger).await;

    let (name, parked, metadata) = bank.dead_letter(1).await;
    assert_eq!(name, "TransferParked");
    assert_eq!(parked["transfer_id"], receipt.transfer_id.to_string());
    assert_eq!(
        (&parked["step"], &parked["reason"], &parked["attempts"]),
        (&"reverse".into(), &"balance_out_of_range".into(), &1.into())
    );
    assert_eq!(parked["history"][0]["reason"], "balance_out_of_range");
    assert_eq!(metadata["$correlationId"], receipt.run.stream().to_string());
    assert_eq!(metadata["actor"], "process-manager");

    // The others flow on, also those of the same account.
    let elsewhere = bank.account(0).await;
    let other = bank.transfer("other", from, elsewhere, 500).await;
    assert_eq!(bank.ended(&other).await, TransferStatus::Completed);

    // 500 left; 700 are to come back.
    let retry =
        DeadLetterCommand::Retry { transfer_id: receipt.transfer_id, reason: Some("there is room".into()) };
    assert_eq!(bank.say(retry.clone()).await, Ok(1));
    assert_eq!(bank.dead_letter(3).await.0, "TransferParked", "there is not room enough");
    drain(&bank, from, 300).await;
    assert_eq!(bank.say(retry.clone()).await, Ok(1));
    assert_eq!(bank.ended(&receipt).await, TransferStatus::Failed(Rejection::AccountFrozen));
    assert_eq!(bank.say(retry).await, Ok(0), "said twice, it changes nothing");
    assert_eq!((bank.balance(from).await, bank.balance(to).await), (i64::MAX - 100, 0));
    manager.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_transfer_is_completed_by_an_operator_though_its_credit_was_refused() {
    let bank = Bank::new().await;
    let (from, to, receipt) = stuck(&bank).await;
    let manager = Manager::start(&bank.ledger).await;
    bank.dead_letter(1).await;

    assert_eq!(bank.say(resolve(receipt.transfer_id, Resolution::Complete)).await, Ok(1));
    assert_eq!(bank.ended(&receipt).await, TransferStatus::Completed);
    assert_eq!((bank.balance(from).await, bank.balance(to).await), (i64::MAX, 700));
    assert_eq!(bank.say(resolve(receipt.transfer_id, Resolution::Complete)).await, Ok(0));
    assert_eq!(
        bank.say(resolve(receipt.transfer_id, Resolution::Refund)).await,
        Err(Rejection::AlreadyResolved)
    );
    let (name, resolved, metadata) = bank.dead_letter(2).await;
    assert_eq!((name.as_str(), &resolved["reason"]), ("ParkedTransferResolved", &"ticket 4711".into()));
    assert_eq!(metadata["actor"], "operator:jana");

    // A driver that slept through all of it wakes up, and does no harm.
    let mut asleep = receipt.run.clone();
    bank.ledger.drive(&mut asleep).await.unwrap();
    drain(&bank, from, 10_000).await;
    let mut asleep = receipt.run.clone();
    bank.ledger.drive(&mut asleep).await.unwrap();
    assert_eq!((bank.balance(from).await, bank.balance(to).await), (i64::MAX - 10_000, 700));
    manager.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_concerns_its_own_transfers_only() {
    let bank = Bank::new().await;
    let (from, poisoned, healthy) =
        (bank.account(10_000).await, bank.account(0).await, bank.account(0).await);
    let receipt = bank.transfer("to the poisoned", from, poisoned, 100).await;
    bank.poison(poisoned).await;
    // As a new process sees it.
    let ledger = open(&bank.node).await;
    let manager = Manager::start(&ledger).await;

    let (_, parked, _) = bank.dead_letter(1).await;
    assert_eq!(parked["step"], "credit");
    let reason = parked["reason"].as_str().unwrap();
    assert!(reason.contains("AccountMadeOfGold"), "{reason}");
    assert!(parked["attempts"].as_u64().unwrap() > 1, "it was tried again: {parked}");
    let other = bank.transfer("to the healthy", from, healthy, 50).await;
    assert_eq!(bank.ended(&other).await, TransferStatus::Completed);

    // The account that must say no to the credit first cannot be read either: nothing is given back.
    assert_eq!(bank.say(resolve(receipt.transfer_id, Resolution::Refund)).await, Ok(1));
    assert_eq!(bank.dead_letter(3).await.0, "TransferParked");
    assert_eq!(bank.balance(from).await, -150);
    manager.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operators_word_is_acted_on_after_a_restart() {
    let bank = Bank::new().await;
    let (from, to, receipt) = stuck(&bank).await;
    let manager = Manager::start(&bank.ledger).await;
    bank.dead_letter(1).await;
    manager.kill().await;
    assert_eq!(bank.say(resolve(receipt.transfer_id, Resolution::Complete)).await, Ok(1));
    let manager = Manager::start(&bank.ledger).await;
    assert_eq!(bank.ended(&receipt).await, TransferStatus::Completed);
    assert_eq!((bank.balance(from).await, bank.balance(to).await), (i64::MAX, 700));
    manager.stop().await;
}

/// A client that repeats its deposit drives it, parked or not. Then it waits for nobody any more, and a retry of it moves nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_transfer_that_another_driver_ended_waits_for_nobody() {
    let bank = Bank::new().await;
    let (from, _, receipt) = stuck(&bank).await;
    let manager = Manager::start(&bank.ledger).await;
    bank.dead_letter(1).await;
    assert_eq!(bank.ledger.parked_transfers().await.unwrap(), 1);
    drain(&bank, from, 700).await;
    bank.ledger.drive(&mut receipt.run.clone()).await.unwrap();
    let ended = TransferStatus::Failed(Rejection::AccountFrozen);
    assert_eq!((bank.ended(&receipt).await, bank.ledger.parked_transfers().await.unwrap()), (ended, 0));

    let retry = DeadLetterCommand::Retry { transfer_id: receipt.transfer_id, reason: None };
    assert_eq!(bank.say(retry).await, Ok(1));
    assert_eq!(bank.ledger.parked_transfers().await.unwrap(), 0);
    manager.stop().await;
    let events: Vec<_> = bank.events(stream::DEAD_LETTERS).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(events, ["TransferParked", "ParkedTransferRetried"], "not parked again");
    assert_eq!(bank.balance(from).await, i64::MAX, "the money came back once");
}

/// Another process would count its tries anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partitions_lease_is_held_while_a_transfer_waits_for_its_next_try() {
    let bank = Bank::new().await;
    let (from, poisoned) = (bank.account(10_000).await, bank.account(0).await);
    let receipt = bank.transfer("to the poisoned", from, poisoned, 100).await;
    bank.poison(poisoned).await;
    let (ledger, other) = (open(&bank.node).await, open(&bank.node).await);
    let managers = [Manager::start(&ledger).await, Manager::start(&other).await];
    let (_, parked, _) = bank.dead_letter(1).await;
    let digit = receipt.run.stream().chars().next_back().unwrap().to_digit(16).unwrap();
    let held = bank.leases(usize::try_from(digit).unwrap() % 8);
    // The longest pause before a try is longer than a lease that nobody renews.
    for pair in held.windows(2) {
        let [(before, at), (after, then)] = pair else { unreachable!() };
        assert!(before == after && *then - *at < LEASE_HELD_FOR, "{held:?}");
    }
    assert_eq!(parked["attempts"], command_api::DRIVE_TRIES_MAX);
    for manager in managers {
        manager.stop().await;
    }
}

/// Whoever can read it must still be told of it: the checkpoint stays before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operators_word_that_this_program_cannot_read_is_not_passed_by() {
    let bank = Bank::new().await;
    stuck(&bank).await;
    let manager = Manager::start(&bank.ledger).await;
    bank.dead_letter(1).await;
    let word = bank.append_unreadable(stream::DEAD_LETTERS, "ParkedTransferBlessed").await;
    let (from, to) = (bank.account(100).await, bank.account(0).await);
    let later = bank.transfer("later", from, to, 100).await;
    assert_eq!(bank.ended(&later).await, TransferStatus::Completed);
    manager.stop().await;
    let checkpoint = bank.ledger.load_checkpoint("process-manager").await.unwrap();
    assert!(checkpoint < word, "{checkpoint} is not before {word}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_at_a_time_has_a_partition_and_another_takes_over() {
    let bank = Bank::new().await;
    let (from, to) = (bank.account(1_000_000).await, bank.account(0).await);
    let other = open(&bank.node).await;
    let first = Manager::start(&bank.ledger).await;
    let transfers = async |keys: std::ops::Range<usize>| {
        let mut receipts = Vec::new();
        for key in keys {
            let ledger = if key % 2 == 0 { &bank.ledger } else { &other };
            receipts.push(bank.transfer_by(ledger, &key.to_string(), from, to, 1).await);
        }
        receipts
    };
    for receipt in transfers(0..64).await {
        assert_eq!(bank.ended(&receipt).await, TransferStatus::Completed);
    }
    let second = Manager::start(&other).await;
    for receipt in transfers(64..128).await {
        assert_eq!(bank.ended(&receipt).await, TransferStatus::Completed);
    }
    first.kill().await;
    for receipt in transfers(128..192).await {
        assert_eq!(bank.ended(&receipt).await, TransferStatus::Completed);
    }
    second.stop().await;
    for partition in 0..8 {
        let held = bank.leases(partition);
        let holders: BTreeSet<_> = held.iter().filter_map(|(holder, _)| holder.clone()).collect();
        assert_eq!(holders.len(), 2, "64 transfers fall into every partition: {held:?}");
        assert_eq!(held.last().unwrap().0, None, "given back at a stop in good order");
        for pair in held.windows(2) {
            let [(before, at), (after, then)] = pair else { unreachable!() };
            let taken = before.is_some() && after.is_some() && before != after;
            assert!(!taken || *then - *at >= LEASE_HELD_FOR, "taken from one who held it: {held:?}");
        }
    }

    let head = bank.node.read_all(AllFrom::Start, Direction::Forward, ReadLimit::events(100_000)).unwrap();
    let credits = head.events.iter().filter(|event| event.event_type.as_ref() == "AccountCredited").count();
    let fresh = open(&bank.node).await.view(to).await.unwrap().unwrap();
    assert_eq!((credits, fresh.balance.minor), (192, 192), "each once");
}
