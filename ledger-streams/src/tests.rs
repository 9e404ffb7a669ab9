//! Transfers on real stores: the node in this process, and the same over the network.

use std::sync::Arc;

use chrono::Utc;
use ledger_core::account::{AccountCommand, AccountEvent, AccountKind};
use ledger_core::transfer::{TransferEvent, TransferStatus};
use ledger_core::{AccountId, Currency, Event, Money, Rejection, stream};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::test_server::Server;
use crate::{
    Context, EventStore, Ledger, LedgerOptions, NewAccount, Recorded, StoreError, TransferEnd,
    TransferReceipt, TransferRequest,
};

/// Which engine a test runs on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Engine {
    Embedded,
    EventStoreDb,
}

/// Each test once on each engine.
macro_rules! on_each_engine {
    ($($test:ident),* $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                super::$test(super::Engine::Embedded).await;
            })*
        }
        mod event_store_db {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                super::$test(super::Engine::EventStoreDb).await;
            })*
        }
    };
}

mod dead_letters;
mod gaps;
mod later;
mod leases;
mod personal;
mod snapshots;
mod webhooks;

on_each_engine! {
    a_transfer_completes,
    each_event_names_the_one_that_caused_it,
    a_refused_credit_brings_the_money_back,
    a_repeated_wish_gets_its_first_answer_also_after_a_restart,
    what_can_never_be_right_leaves_no_trace,
    many_with_one_key_at_once_make_one_transfer,
    many_draining_one_account_never_overdraw_it,
    two_drivers_of_one_transfer_do_no_harm,
    what_was_seen_before_another_process_wrote_is_not_confirmed,
    a_transfer_goes_on_after_a_crash_wherever_it_stopped,
    a_refused_request_is_not_debited_after_all,
    references_are_unique_also_when_claimed_at_once,
    checkpoints_are_kept_in_the_log,
    a_log_knows_the_time_of_the_last_event_at_a_place,
    processes_that_share_a_worker_number_are_found_out,
    ids_go_on_where_the_numbers_last_holder_may_have_come_to,
    a_hot_account_takes_all_that_come_at_once,
    what_cannot_be_read_stops_the_ledger_unless_it_is_somebody_elses,
}

struct Bank {
    ledger: Ledger,
    engine: Engine,
    server: Server,
}

impl Bank {
    async fn open(engine: Engine, server: Server) -> Self {
        let ledger = Self::ledger(engine, &server, 1).await;
        Self { ledger, engine, server }
    }

    async fn ledger(engine: Engine, server: &Server, worker: u16) -> Ledger {
        let options = LedgerOptions { worker: Some(worker), ..LedgerOptions::default() };
        Self::ledger_with(engine, server, options).await
    }

    async fn ledger_with(engine: Engine, server: &Server, options: LedgerOptions) -> Ledger {
        let store = match engine {
            Engine::Embedded => EventStore::Embedded(server.node()),
            Engine::EventStoreDb => EventStore::connect(&server.url()).unwrap(),
        };
        Ledger::open(store, &options).await.unwrap()
    }

    async fn new(engine: Engine) -> Self {
        Self::open(engine, Server::new().await).await
    }

    /// Everything in memory is gone, as after a crash; the log stays.
    async fn restart(mut self) -> Self {
        self.server.stop().await;
        drop(self.ledger);
        self.server.start().await;
        Self::open(self.engine, self.server).await
    }

    /// Another process on the same store: own caches, own worker number, same log.
    async fn another(&self, worker: u16) -> Ledger {
        Self::ledger(self.engine, &self.server, worker).await
    }

    async fn second(&self) -> Ledger {
        self.another(2).await
    }

    async fn account(&self, minor: i64) -> AccountId {
        let new = NewAccount {
            user_id: None,
            kind: AccountKind::Checking,
            currency: eur(0).currency,
            reference: None,
            overdraft_limit: eur(minor),
        };
        self.ledger.open_account(&new, &context("")).await.unwrap().unwrap().account_id
    }

    async fn command(&self, id: AccountId, command: AccountCommand) {
        self.ledger.account(id, &command, &context(&stream::account(id))).await.unwrap().unwrap();
    }

    async fn balance(&self, id: AccountId) -> i64 {
        self.ledger.view(id).await.unwrap().unwrap().balance.minor
    }

    async fn log(&self) -> Vec<Recorded> {
        let mut events = Vec::new();
        let mut subscription = self.ledger.store().subscribe(None);
        let head = self.ledger.store().head().await.unwrap();
        if head == 0 {
            return events;
        }
        loop {
            let batch = subscription.next(1_000).await.unwrap();
            events.extend(batch.events);
            if batch.position >= head {
                return events;
            }
        }
    }
}

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::from_code("EUR").unwrap())
}

fn context(correlation_id: &str) -> Context {
    Context {
        correlation_id: correlation_id.into(),
        causation_id: None,
        actor: "operator:test".into(),
        booked_at: Utc::now(),
    }
}

fn wish(key: &str, from: AccountId, to: AccountId, minor: i64) -> TransferRequest {
    TransferRequest {
        client: "test".into(),
        idempotency_key: key.into(),
        from,
        to,
        amount: eur(minor),
        description: None,
        reference: None,
        already_booked: false,
    }
}

async fn request(ledger: &Ledger, wish: &TransferRequest) -> Result<TransferReceipt, Rejection> {
    ledger.request_transfer(wish, &context(&wish.stream())).await.unwrap()
}

async fn drive(ledger: &Ledger, receipt: &TransferReceipt) -> TransferStatus {
    let mut run = receipt.run.clone();
    assert!(matches!(ledger.drive(&mut run).await.unwrap(), TransferEnd::At(_)));
    run.process.status()
}

async fn a_transfer_completes(engine: Engine) {
    let bank = Bank::new(engine).await;
    let (from, to) = (bank.account(1_000).await, bank.account(0).await);
    let receipt = request(&bank.ledger, &wish("k", from, to, 300)).await.unwrap();
    assert_eq!(receipt.status, TransferStatus::Pending);
    assert_eq!((bank.balance(from).await, bank.balance(to).await), (-300, 0));
    assert_eq!(drive(&bank.ledger, &receipt).await, TransferStatus::Completed);
    assert_eq!((bank.balance(from).await, bank.balance(to).await), (-300, 300));
}

async fn each_event_names_the_one_that_caused_it(engine: Engine) {
    let bank = Bank::new(engine).await;
    let (from, to) = (bank.account(1_000).await, bank.account(0).await);
    let receipt = request(&bank.ledger, &wish("k", from, to, 300)).await.unwrap();
    drive(&bank.ledger, &receipt).await;
    let log = bank.log().await;
    let transfer: Vec<_> =
        log.iter().filter(|event| event.metadata.correlation_id.starts_with("transfer-")).collect();
    let names: Vec<_> = transfer.iter().map(|recorded| recorded.event.name()).collect();
    assert_eq!(names, ["TransferRequested", "AccountDebited", "AccountCredited", "TransferCompleted"]);
    assert_eq!(transfer[0].metadata.causation_id, None);
    for pair in transfer.windows(2) {
        assert_eq!(pair[1].metadata.causation_id.as_deref(), Some(pair[0].id.to_string().as_str()));
    }
}

async fn a_refused_credit_brings_the_money_back(engine: Engine) {
    for stop in [AccountCommand::Freeze(None), AccountCommand::Close] {
        let bank = Bank::new(engine).await;
        let (from, to) = (bank.account(1_000).await, bank.account(0).await);
        let receipt = request(&bank.ledger, &wish("k", from, to, 300)).await.unwrap();
        bank.command(to, stop).await;
        let status = drive(&bank.ledger, &receipt).await;
        assert!(matches!(
            status,
            TransferStatus::Failed(Rejection::AccountFrozen | Rejection::AccountClosed)
        ));
        assert_eq!((bank.balance(from).await, bank.balance(to).await), (0, 0));
    }
}

async fn a_repeated_wish_gets_its_first_answer_also_after_a_restart(engine: Engine) {
    let bank = Bank::new(engine).await;
    let (from, to) = (bank.account(1_000).await, bank.account(0).await);
    let first = request(&bank.ledger, &wish("k", from, to, 300)).await.unwrap();
    let broke = request(&bank.ledger, &wish("too much", from, to, 9_000)).await.unwrap();
    assert_eq!(broke.status, TransferStatus::Rejected(Rejection::InsufficientFunds));
    drive(&bank.ledger, &first).await;
    let bank = bank.restart().await;
    for (key, minor, answer) in [("k", 300, &first), ("too much", 9_000, &broke)] {
        let again = request(&bank.ledger, &wish(key, from, to, minor)).await.unwrap();
        assert!(again.replayed);
        assert_eq!((again.transfer_id, again.position), (answer.transfer_id, answer.position));
        let other = request(&bank.ledger, &wish(key, from, to, minor + 1)).await;
        assert_eq!(other.unwrap_err(), Rejection::IdempotencyKeyReused);
    }
    assert_eq!(bank.balance(from).await, -300);
}

async fn what_can_never_be_right_leaves_no_trace(engine: Engine) {
    let bank = Bank::new(engine).await;
    let (from, nobody) = (bank.account(1_000).await, AccountId::from_i64(77).unwrap());
    let before = bank.server.node().head();
    let unknown = request(&bank.ledger, &wish("a", from, nobody, 1)).await.unwrap_err();
    assert_eq!(unknown, Rejection::AccountNotFound);
    let mut other = wish("b", from, bank.account(0).await, 1);
    let after_opening = bank.server.node().head();
    other.amount = Money::new(1, Currency::from_code("CZK").unwrap());
    assert_eq!(request(&bank.ledger, &other).await.unwrap_err(), Rejection::CurrencyMismatch);
    assert_eq!(request(&bank.ledger, &wish("c", from, from, 1)).await.unwrap_err(), Rejection::SameAccount);
    assert!(before < after_opening && bank.server.node().head() == after_opening);
}

async fn many_with_one_key_at_once_make_one_transfer(engine: Engine) {
    let bank = Bank::new(engine).await;
    let (from, to) = (bank.account(100_000).await, bank.account(0).await);
    let second = bank.second().await;
    let mut tasks = JoinSet::new();
    for number in 0..64 {
        let ledger = if number % 2 == 0 { bank.ledger.clone() } else { second.clone() };
        // Half of them ask for something else under the same key.
        let wish = wish("k", from, to, 300 + number / 32);
        tasks.spawn(async move { request(&ledger, &wish).await });
    }
    let answers = tasks.join_all().await;
    let ids: std::collections::HashSet<_> =
        answers.iter().flatten().map(|answer| answer.transfer_id).collect();
    assert_eq!(ids.len(), 1);
    let refused = answers.iter().filter(|answer| answer.is_err()).count();
    assert_eq!(refused, 32);
    let debits = bank
        .log()
        .await
        .into_iter()
        .filter(|recorded| matches!(&recorded.event, Event::Account(AccountEvent::Debited(_))));
    assert_eq!(debits.count(), 1);
}

async fn many_draining_one_account_never_overdraw_it(engine: Engine) {
    let bank = Bank::new(engine).await;
    let (from, to) = (bank.account(1_000).await, bank.account(0).await);
    let others = [bank.ledger.clone(), bank.another(2).await, bank.another(3).await];
    let mut tasks = JoinSet::new();
    for number in 0..96 {
        let ledger = others[number % others.len()].clone();
        let wish = wish(&format!("k{number}"), from, to, 90);
        tasks.spawn(async move {
            let receipt = request(&ledger, &wish).await.unwrap();
            match receipt.status {
                TransferStatus::Pending => drive(&ledger, &receipt).await,
                status => status,
            }
        });
    }
    let answers = tasks.join_all().await;
    let completed = answers.iter().filter(|status| **status == TransferStatus::Completed).count();
    assert_eq!(completed, 11, "11 times 0.90 fit into 10.00");
    let bank = bank.restart().await;
    assert_eq!((bank.balance(from).await, bank.balance(to).await), (-990, 990));
}

async fn two_drivers_of_one_transfer_do_no_harm(engine: Engine) {
    let bank = Bank::new(engine).await;
    let (from, to) = (bank.account(100_000).await, bank.account(0).await);
    for number in 0..40 {
        let receipt = request(&bank.ledger, &wish(&format!("k{number}"), from, to, 10)).await.unwrap();
        let (one, two) =
            (bank.ledger.clone(), if number % 2 == 0 { bank.ledger.clone() } else { bank.second().await });
        let (first, second) = tokio::join!(drive(&one, &receipt), drive(&two, &receipt));
        assert_eq!((first, second), (TransferStatus::Completed, TransferStatus::Completed));
    }
    let bank = bank.restart().await;
    assert_eq!((bank.balance(from).await, bank.balance(to).await), (-400, 400));
    let mut ends = std::collections::HashMap::new();
    for recorded in bank.log().await {
        if let Event::Transfer(TransferEvent::Completed(completed)) = recorded.event {
            *ends.entry(completed.transfer_id).or_insert(0) += 1;
        }
    }
    assert!(ends.len() == 40 && ends.values().all(|count| *count == 1));
}

async fn what_was_seen_before_another_process_wrote_is_not_confirmed(engine: Engine) {
    let bank = Bank::new(engine).await;
    let account = bank.account(0).await;
    let entry = bank.ledger.accounts().entry(account);
    let seen = async || {
        let held = entry.hold(bank.ledger.store(), None).await.unwrap();
        (held.generation(), held.state().events)
    };
    let confirm =
        async |(generation, seen)| entry.confirm(bank.ledger.store(), generation, seen).await.unwrap();
    let (first, second) = (seen().await, seen().await);
    assert!(confirm(first).await);
    let other = bank.second().await;
    let freeze = AccountCommand::Freeze(None);
    other.account(account, &freeze, &context(&stream::account(account))).await.unwrap().unwrap();
    assert!(!confirm(first).await);
    let again = seen().await;
    assert!(confirm(again).await);
    assert!(!confirm(second).await, "also when the state was read again since");
}

async fn a_transfer_goes_on_after_a_crash_wherever_it_stopped(engine: Engine) {
    // The request alone; the request and the debit; with a credit whose end was lost: each as another engine might leave it.
    let bank = Bank::new(engine).await;
    let (from, to) = (bank.account(1_000).await, bank.account(0).await);
    let receipt = request(&bank.ledger, &wish("k", from, to, 300)).await.unwrap();
    let bank = bank.restart().await;
    assert_eq!(drive(&bank.ledger, &receipt).await, TransferStatus::Completed);
    // A driver that knows only the request starts over: every step finds its effect there already.
    let bank = bank.restart().await;
    let mut from_the_start = receipt.clone();
    from_the_start.run.process.stage = ledger_core::transfer::process::Stage::Requested;
    assert_eq!(drive(&bank.ledger, &from_the_start).await, TransferStatus::Completed);
    assert_eq!((bank.balance(from).await, bank.balance(to).await), (-300, 300));
}

async fn a_refused_request_is_not_debited_after_all(engine: Engine) {
    let bank = Bank::new(engine).await;
    let (from, to) = (bank.account(0).await, bank.account(1_000).await);
    let refused = request(&bank.ledger, &wish("k", from, to, 300)).await.unwrap();
    assert_eq!(refused.status, TransferStatus::Rejected(Rejection::InsufficientFunds));
    // Money arrives; then somebody who has read the log only as far as the request drives it.
    let funds = request(&bank.ledger, &wish("funds", to, from, 500)).await.unwrap();
    drive(&bank.ledger, &funds).await;
    let mut behind = refused.clone();
    behind.run.process.stage = ledger_core::transfer::process::Stage::Requested;
    assert_eq!(drive(&bank.ledger, &behind).await, refused.status);
    assert_eq!((bank.balance(from).await, bank.balance(to).await), (500, -500));
}

async fn references_are_unique_also_when_claimed_at_once(engine: Engine) {
    let bank = Bank::new(engine).await;
    let new = NewAccount {
        user_id: None,
        kind: AccountKind::Savings,
        currency: eur(0).currency,
        reference: Some("CZ-2378".into()),
        overdraft_limit: eur(0),
    };
    let (left, right) = (bank.ledger.clone(), bank.second().await);
    let (context_left, context_right) = (context(""), context(""));
    let (one, two) =
        tokio::join!(left.open_account(&new, &context_left), right.open_account(&new, &context_right));
    let answers = [one.unwrap(), two.unwrap()];
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.contains(&Err(Rejection::ReferenceTaken)));
    let opened = answers.into_iter().flatten().next().unwrap();
    assert_eq!(bank.ledger.account_of_reference("CZ-2378").await.unwrap(), Some(opened.account_id));
}

async fn checkpoints_are_kept_in_the_log(engine: Engine) {
    let bank = Bank::new(engine).await;
    assert_eq!(bank.ledger.load_checkpoint("p").await.unwrap(), 0);
    bank.ledger.save_checkpoint("p", 17).await.unwrap();
    bank.ledger.save_checkpoint("p", 42).await.unwrap();
    let bank = bank.restart().await;
    assert_eq!(bank.ledger.load_checkpoint("p").await.unwrap(), 42);
    assert!(bank.log().await.is_empty(), "the store's own bookkeeping is no event of the ledger");
}

async fn a_log_knows_the_time_of_the_last_event_at_a_place(engine: Engine) {
    let bank = Bank::new(engine).await;
    let store = bank.ledger.store().clone();
    assert_eq!(store.recorded_at(1_000_000).await.unwrap(), None);
    bank.account(0).await;
    bank.account(0).await;
    let log = bank.log().await;
    for _ in 0..40 {
        // More of the store's own than one page.
        bank.ledger.save_checkpoint("p", 1).await.unwrap();
    }
    let [first, .., last] = log.as_slice() else { panic!("{log:?}") };
    assert_eq!(store.recorded_at(first.position - 1).await.unwrap(), None);
    assert_eq!(store.recorded_at(first.position).await.unwrap(), Some(first.recorded_at));
    assert_eq!(store.recorded_at(last.position).await.unwrap(), Some(last.recorded_at));
    let head = bank.server.node().head();
    assert!(head > last.position);
    for position in [head, head + 1_000_000] {
        assert_eq!(store.recorded_at(position).await.unwrap(), Some(last.recorded_at));
    }
}

async fn processes_that_share_a_worker_number_are_found_out(engine: Engine) {
    let bank = Bank::new(engine).await;
    let (from, to) = (bank.account(1_000).await, bank.account(0).await);
    let (one, two) = (bank.another(5).await, bank.another(5).await);
    let mut answers = Vec::new();
    for (ledger, key) in [(&one, "a"), (&two, "b")] {
        let wish = wish(key, from, to, 100);
        answers.push(ledger.request_transfer(&wish, &context(&wish.stream())).await);
    }
    assert!(answers[0].is_ok());
    // The clock may have moved on between the two; a collision, if there was one, must not pass as a debit.
    let debits = bank
        .log()
        .await
        .into_iter()
        .filter(|recorded| matches!(&recorded.event, Event::Account(AccountEvent::Debited(_))));
    assert_eq!(debits.count(), answers.iter().filter(|answer| answer.is_ok()).count());
}

async fn ids_go_on_where_the_numbers_last_holder_may_have_come_to(engine: Engine) {
    let bank = Bank::new(engine).await;
    // Its clock was ahead by an hour. Then it crashed, and the clock was set right.
    let ahead = Utc::now().timestamp_millis() + 3_600_000;
    let taken = format!("{{\"holder\":\"{}\",\"ids_until\":{ahead}}}", Uuid::new_v4());
    let taken = crate::codec::system_append(Uuid::new_v4(), "$worker-5", "$worker", taken.into_bytes());
    assert!(bank.ledger.store().append(vec![taken]).await.is_ok());
    let (one, two) = (bank.another(5).await, bank.another(6).await);
    let ms = |ledger: &Ledger| ledger.new_transfer_id().unwrap().as_i64() >> 22;
    let there = ahead - i64::try_from(ledger_core::id::EPOCH_MS).unwrap();
    assert!(ms(&one) > there && ms(&two) < there);
    let first = ms(&one);
    // And once more, from the log alone.
    assert!(ms(&bank.another(5).await) > first);
}

async fn a_hot_account_takes_all_that_come_at_once(engine: Engine) {
    const WRITERS: i64 = 64;
    const EACH: i64 = 5;
    let bank = Bank::new(engine).await;
    let (from, to) = (bank.account(100_000).await, bank.account(0).await);
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let ledger = bank.ledger.clone();
        tasks.spawn(async move {
            for number in 0..EACH {
                let wish = wish(&format!("{writer}/{number}"), from, to, 1);
                let receipt = request(&ledger, &wish).await.unwrap();
                assert_eq!(receipt.status, TransferStatus::Pending);
            }
        });
    }
    tasks.join_all().await;
    let bank = bank.restart().await;
    assert_eq!(bank.balance(from).await, -WRITERS * EACH);
    let revisions: Vec<_> = bank
        .log()
        .await
        .iter()
        .filter(|recorded| *recorded.stream == *stream::account(from))
        .map(|recorded| recorded.revision)
        .collect();
    assert_eq!(revisions, (0..=u64::try_from(WRITERS * EACH).unwrap()).collect::<Vec<_>>());
}

async fn what_cannot_be_read_stops_the_ledger_unless_it_is_somebody_elses(engine: Engine) {
    let bank = Bank::new(engine).await;
    let store = bank.ledger.store();
    let strange = |name: &str| crate::codec::system_append(Uuid::new_v4(), name, "Strange", b"{}".to_vec());
    for name in ["orders-1", "accounts-1", "$settings", "user-5"] {
        store.append(vec![strange(name)]).await.unwrap();
    }
    bank.account(0).await;
    let mut subscription = store.subscribe(None);
    let error = loop {
        match subscription.next(1).await {
            Ok(batch) => assert!(batch.events.is_empty(), "{batch:?}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, StoreError::Undecodable { stream, .. } if &**stream == "user-5"), "{error}");
    let next = subscription.next(1).await.unwrap();
    assert_eq!(next.events.len(), 1, "asking again gives what follows");
}

#[test]
fn the_same_wish_has_the_same_stream_and_another_clients_has_not() {
    let one = wish("k", AccountId::from_i64(1).unwrap(), AccountId::from_i64(2).unwrap(), 1);
    let mut two = one.clone();
    assert_eq!(one.stream(), two.stream());
    two.client = "another".into();
    assert_ne!(one.stream(), two.stream());
    let _: Arc<str> = one.stream();
}
