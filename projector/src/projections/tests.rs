//! Given these events, then those changes: the folds, without a database.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use ledger_core::account::{
    AccountClosed, AccountCredited, AccountDebited, AccountEvent, AccountFrozen, AccountKind, AccountOpened,
    AccountUnfrozen, CreditRefused, DebitReversed, OverdraftLimitChanged, ReversalWaived,
};
use ledger_core::dead_letter::{
    DeadLetterEvent, FailedAttempt, ParkedTransferResolved, ParkedTransferRetried, Resolution, StepName,
    TransferParked,
};
use ledger_core::settlement::Settlement;
use ledger_core::transfer::{
    TransferCompleted, TransferEvent, TransferFailed, TransferRejected, TransferRequested,
};
use ledger_core::user::{Sealed, UserDetailsChanged, UserErased, UserEvent, UserRegistered};
use ledger_core::webhook::{
    Settings, WebhookChanged, WebhookDisabled, WebhookEnabled, WebhookEvent, WebhookRegistered,
    WebhookReplayed,
};
use ledger_core::{
    AccountId, Currency, Event, Metadata, Money, Rejection, TransferId, UserId, WebhookId, stream,
};
use ledger_streams::Recorded;

use super::monthly_totals::Totals;
use super::trial_balance::Sums;
use super::{Events, accounts, all, dead_letters, monthly_totals, transfers, trial_balance, users, webhooks};
use crate::ApplyError;
use crate::partition::{PARTITIONS, Partitions};

const ALICE: i64 = 10_000_000_001;
const BOB: i64 = 10_000_000_002;
const TRANSFER: i64 = 20_000_000_001;

fn account(id: i64) -> AccountId {
    AccountId::from_i64(id).unwrap()
}

fn transfer() -> TransferId {
    TransferId::from_i64(TRANSFER).unwrap()
}

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::from_code("EUR").unwrap())
}

/// Second `n` of 2026.
fn second(n: u64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600 + i64::try_from(n).unwrap(), 0).unwrap()
}

/// A log under construction: event `n`, from 1, was recorded at second `n` and booked at the log's business time.
struct Given {
    events: Vec<Recorded>,
    booked_at: DateTime<Utc>,
}

fn given() -> Given {
    Given { events: Vec::new(), booked_at: second(0) }
}

impl Given {
    fn event(mut self, stream: &str, event: impl Into<Event>) -> Self {
        let revision = self.events.iter().filter(|recorded| &*recorded.stream == stream).count();
        let position = u64::try_from(self.events.len()).unwrap() + 1;
        self.events.push(Recorded {
            id: uuid::Uuid::nil(),
            stream: Arc::from(stream),
            revision: u64::try_from(revision).unwrap(),
            position,
            recorded_at: second(position),
            metadata: Metadata {
                correlation_id: "".into(),
                causation_id: None,
                actor: "operator:test".into(),
                booked_at: self.booked_at,
                version: 1,
            },
            event: event.into(),
        });
        self
    }

    /// In UTC.
    fn all(&self) -> Events<'_> {
        Events::new(&self.events, Tz::UTC)
    }

    fn on(self, account: i64, event: AccountEvent) -> Self {
        self.event(&format!("account-{account}"), event)
    }

    fn opened(self, id: i64) -> Self {
        let opened = AccountOpened {
            account_id: account(id),
            user_id: None,
            kind: AccountKind::Checking,
            currency: eur(0).currency,
            reference: None,
            overdraft_limit: eur(0),
        };
        self.on(id, AccountEvent::Opened(opened))
    }

    fn debited(self, id: i64, amount: i64, balance_after: i64, counterparty: i64) -> Self {
        let debited = AccountDebited {
            transfer_id: transfer(),
            counterparty: account(counterparty),
            amount: eur(amount),
            balance_after: eur(balance_after),
            description: None,
            reference: None,
        };
        self.on(id, AccountEvent::Debited(debited))
    }

    fn credited(self, id: i64, amount: i64, balance_after: i64, counterparty: i64) -> Self {
        let credited = AccountCredited {
            forced: false,
            transfer_id: transfer(),
            counterparty: account(counterparty),
            amount: eur(amount),
            balance_after: eur(balance_after),
            description: None,
            reference: None,
        };
        self.on(id, AccountEvent::Credited(credited))
    }

    fn reversed(self, id: i64, amount: i64, balance_after: i64, counterparty: i64) -> Self {
        let reversed = DebitReversed {
            transfer_id: transfer(),
            counterparty: account(counterparty),
            amount: eur(amount),
            balance_after: eur(balance_after),
            reason: Rejection::AccountFrozen,
            description: None,
            reference: None,
        };
        self.on(id, AccountEvent::DebitReversed(reversed))
    }

    fn transfer(self, event: TransferEvent) -> Self {
        self.event("transfer-1", event)
    }

    fn requested(self) -> Self {
        self.transfer(TransferEvent::Requested(request()))
    }

    fn dead_letter(self, event: DeadLetterEvent) -> Self {
        self.event(stream::DEAD_LETTERS, Event::DeadLetter(event))
    }

    fn parked(self, step: StepName, failed: &[&str]) -> Self {
        let failed = failed
            .iter()
            .zip(0..)
            .map(|(reason, n)| FailedAttempt { at: second(n), reason: (*reason).into() });
        self.dead_letter(DeadLetterEvent::Parked(TransferParked {
            transfer_id: transfer(),
            stream: "transfer-1".into(),
            from: account(ALICE),
            to: account(BOB),
            amount: eur(30),
            step,
            reason: "balance_out_of_range".into(),
            attempts: 3,
            history: failed.collect(),
        }))
    }

    fn retried(self) -> Self {
        self.dead_letter(DeadLetterEvent::Retried(ParkedTransferRetried {
            transfer_id: transfer(),
            stream: "transfer-1".into(),
            resolution: None,
            reason: None,
        }))
    }

    fn resolved(self, resolution: Resolution) -> Self {
        self.dead_letter(DeadLetterEvent::Resolved(ParkedTransferResolved {
            transfer_id: transfer(),
            stream: "transfer-1".into(),
            resolution,
            reason: "ticket 4711".into(),
        }))
    }

    fn user(self, event: UserEvent) -> Self {
        self.event("user-7", event)
    }

    fn booked_at(mut self, time: &str) -> Self {
        self.booked_at = time.parse().unwrap();
        self
    }

    /// Only what comes after the first `count` events: the batch, when these were in batches before.
    fn after(mut self, count: usize) -> Self {
        self.events.drain(..count);
        self
    }

    fn batch(&self, time_zone: Tz) -> Events<'_> {
        Events::new(&self.events, time_zone)
    }
}

fn request() -> TransferRequested {
    TransferRequested {
        transfer_id: transfer(),
        from: account(ALICE),
        to: account(BOB),
        amount: eur(30),
        description: None,
        reference: None,
        already_booked: false,
    }
}

#[test]
fn the_partitions_together_make_the_rows_that_one_would() {
    let mut log = given();
    for id in 1..40 {
        let (from, to) = (ALICE + 2 * id, ALICE + 2 * id + 1);
        log = log.opened(from).opened(to).debited(from, id, -id, to).credited(to, id, id, from);
    }
    let whole = log.all();
    let parts = (0..PARTITIONS).map(|one| Events { partitions: Partitions::one(one), ..whole });
    let (mut balances, mut totals) = (BTreeMap::new(), BTreeMap::new());
    for part in parts {
        let (these, those) = (accounts::fold(&part).unwrap(), monthly_totals::fold(&part).unwrap());
        assert!(!these.is_empty() && !those.is_empty());
        let before = balances.len() + totals.len();
        let came = these.len() + those.len();
        balances.extend(these);
        totals.extend(those);
        assert_eq!(balances.len() + totals.len(), before + came, "a row is in two partitions");
    }
    assert_eq!(balances, accounts::fold(&whole).unwrap());
    assert_eq!(totals, monthly_totals::fold(&whole).unwrap());
}

#[test]
fn names_and_tables_are_one_projections_own() {
    let mut names: Vec<_> = all().iter().map(|projection| projection.name).collect();
    let mut tables: Vec<_> = all().iter().flat_map(|projection| projection.tables).collect();
    names.sort_unstable();
    tables.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    assert!(tables.windows(2).all(|pair| pair[0] != pair[1]), "{tables:?}");
}

#[test]
fn an_account_opened_and_used_in_one_batch_is_one_insert() {
    let log = given().opened(ALICE).credited(ALICE, 100, 100, BOB).debited(ALICE, 30, 70, BOB);
    let changes = accounts::fold(&log.all()).unwrap();
    let alice = &changes[&account(ALICE)];
    assert_eq!(alice.opened.map(|(_, at)| at), Some(second(0)));
    assert_eq!(alice.revisions, Some((-1, 2)));
    assert_eq!((alice.balance, alice.in_transit), (Some(70), 30));
}

#[test]
fn a_debit_is_in_transit_until_its_credit() {
    let debit = given().opened(ALICE).opened(BOB).debited(ALICE, 30, -30, BOB).after(2);
    let changes = accounts::fold(&debit.all()).unwrap();
    assert_eq!(changes[&account(ALICE)].in_transit, 30);

    let credit = given().opened(BOB).credited(BOB, 30, 30, ALICE).after(1);
    let changes = accounts::fold(&credit.all()).unwrap();
    let source = &changes[&account(ALICE)];
    assert_eq!((source.in_transit, source.revisions, source.balance), (-30, None, None));
    let destination = &changes[&account(BOB)];
    assert_eq!((destination.in_transit, destination.revisions), (0, Some((0, 1))));
}

#[test]
fn a_debit_is_in_transit_until_its_reversal() {
    let log = given().debited(ALICE, 30, 70, BOB).reversed(ALICE, 30, 100, BOB);
    let changes = accounts::fold(&log.all()).unwrap();
    assert_eq!(changes.len(), 1);
    let alice = &changes[&account(ALICE)];
    assert_eq!((alice.balance, alice.in_transit), (Some(100), 0));
}

#[test]
fn the_last_status_and_limit_of_a_batch_hold() {
    let limit = OverdraftLimitChanged { limit: eur(500) };
    let log = given()
        .opened(ALICE)
        .on(ALICE, AccountEvent::Frozen(AccountFrozen { reason: None }))
        .on(ALICE, AccountEvent::OverdraftLimitChanged(limit))
        .on(ALICE, AccountEvent::Unfrozen(AccountUnfrozen {}));
    let changes = accounts::fold(&log.all()).unwrap();
    assert_eq!(changes[&account(ALICE)].status, Some("open"));
    assert_eq!(changes[&account(ALICE)].overdraft_limit, Some(500));

    let log = log.on(ALICE, AccountEvent::Closed(AccountClosed {}));
    assert_eq!(accounts::fold(&log.all()).unwrap()[&account(ALICE)].status, Some("closed"));
}

#[test]
fn a_gap_in_an_accounts_stream_is_not_passed_over() {
    let mut log = given().debited(ALICE, 30, 70, BOB).debited(ALICE, 30, 40, BOB).debited(ALICE, 30, 10, BOB);
    log.events.remove(1);
    assert!(matches!(accounts::fold(&log.all()), Err(ApplyError::Unfit(_))));
}

#[test]
fn an_accounts_event_in_another_stream_is_not_passed_over() {
    let log = given().event("transfer-1", AccountEvent::Closed(AccountClosed {}));
    assert!(matches!(accounts::fold(&log.all()), Err(ApplyError::Unfit(_))));
}

#[test]
fn a_whole_transfer_in_one_batch_is_one_insert() {
    let completed = TransferCompleted { transfer_id: transfer() };
    let log = given()
        .requested()
        .debited(ALICE, 30, 70, BOB)
        .credited(BOB, 30, 30, ALICE)
        .transfer(TransferEvent::Completed(completed));
    let changes = transfers::fold(&log.all()).unwrap();
    assert_eq!(changes.len(), 1);
    let change = &changes[&transfer()];
    let requested = change.requested.unwrap();
    assert_eq!((requested.transfer, requested.at, requested.booked_at), (&request(), second(1), second(0)));
    assert_eq!((change.debited_at, change.credited_at), (Some(second(2)), Some(second(3))));
    assert_eq!(change.reversed_at, None);
    let ended = change.ended.unwrap();
    assert_eq!((ended.status, ended.reason, ended.at), ("completed", None, second(4)));
}

#[test]
fn the_rest_of_a_failed_transfer_is_one_update() {
    let failed = TransferFailed { transfer_id: transfer(), reason: Rejection::AccountFrozen };
    let log = given()
        .requested()
        .debited(ALICE, 30, 70, BOB)
        .reversed(ALICE, 30, 100, BOB)
        .transfer(TransferEvent::Failed(failed))
        .after(2);
    let change = &transfers::fold(&log.all()).unwrap()[&transfer()];
    assert_eq!((change.requested, change.debited_at), (None, None));
    assert_eq!(change.reversed_at, Some(second(3)));
    let ended = change.ended.unwrap();
    assert_eq!((ended.status, ended.reason), ("failed", Some("account_frozen")));
}

#[test]
fn a_rejected_transfer_says_why() {
    let rejected = TransferRejected { transfer_id: transfer(), reason: Rejection::InsufficientFunds };
    let log = given().requested().transfer(TransferEvent::Rejected(rejected));
    let ended = transfers::fold(&log.all()).unwrap()[&transfer()].ended.unwrap();
    assert_eq!((ended.status, ended.reason), ("rejected", Some("insufficient_funds")));
}

#[test]
fn what_accounts_refuse_stands_in_the_timeline() {
    let refused = CreditRefused {
        transfer_id: transfer(),
        counterparty: account(ALICE),
        amount: eur(30),
        reason: Rejection::AccountFrozen,
    };
    let waived = ReversalWaived { transfer_id: transfer(), counterparty: account(BOB), amount: eur(30) };
    let log = given()
        .debited(ALICE, 30, 70, BOB)
        .on(BOB, AccountEvent::CreditRefused(refused))
        .on(ALICE, AccountEvent::ReversalWaived(waived));
    let changes = transfers::fold(&log.all()).unwrap();
    let change = &changes[&transfer()];
    assert_eq!((change.credit_refused_at, change.reversal_waived_at), (Some(second(2)), Some(second(3))));
    assert_eq!((change.debit_refused_at, change.ended), (None, None));
}

#[test]
fn a_dead_letter_stands_as_was_said_last() {
    let log = given().parked(StepName::Credit, &[]).retried().parked(StepName::Reverse, &[]);
    let changes = dead_letters::fold(&log.events);
    let change = &changes[&transfer()];
    let parked = change.parked.unwrap();
    assert_eq!((parked.first_at, parked.last_at, parked.times), (second(1), second(3), 2));
    assert_eq!((parked.last.step, change.standing), (StepName::Reverse, "parked"));
    assert_eq!((change.retried_at, change.resolution), (Some(second(2)), None));

    let log = log.resolved(Resolution::Refund).after(3);
    let changes = dead_letters::fold(&log.events);
    let change = &changes[&transfer()];
    assert_eq!((change.parked, change.standing), (None, "resolved"));
    assert_eq!((change.resolved_at, change.resolution), (Some(second(4)), Some(Resolution::Refund)));
}

#[test]
fn what_was_parked_and_ends_without_a_word_has_ended() {
    let end = || TransferEvent::Completed(TransferCompleted { transfer_id: transfer() });
    let standing = |log: &Given| dead_letters::fold(&log.events)[&transfer()].standing;
    let parked = given().parked(StepName::Credit, &[]);
    assert_eq!(standing(&parked), "parked");
    let log = parked.transfer(end());
    assert_eq!((standing(&log), dead_letters::ended(&log.events)), ("ended", vec![]));
    let log = log.retried();
    assert_eq!(standing(&log), "retried");
    // Whatever was parked in a batch before.
    assert_eq!(dead_letters::ended(&log.after(1).events), [transfer()]);
    // A word that was said stands.
    let log = given().parked(StepName::Credit, &[]).resolved(Resolution::Refund).transfer(end());
    assert_eq!((standing(&log), dead_letters::ended(&log.events)), ("resolved", vec![]));
    // Parked after its end: the same in one batch as in two.
    let log = given().transfer(end()).parked(StepName::Credit, &[]);
    assert_eq!((standing(&log), dead_letters::ended(&log.events)), ("parked", vec![transfer()]));
}

#[test]
fn a_dead_letters_history_says_who_and_why_in_order() {
    let log = given()
        .parked(StepName::Reverse, &["no room", "still none"])
        .retried()
        .resolved(Resolution::Complete);
    let history = dead_letters::history(&log.events).unwrap();
    let seen: Vec<_> = history.iter().map(|row| (row.revision, row.place, row.kind, row.reason)).collect();
    assert_eq!(
        seen,
        [
            (0, 0, "failed", Some("no room")),
            (0, 1, "failed", Some("still none")),
            (0, 2, "parked", Some("balance_out_of_range")),
            (1, 0, "retried", None),
            (2, 0, "resolved", Some("ticket 4711")),
        ]
    );
    assert!(history.iter().all(|row| row.actor == "operator:test" && row.transfer_id == transfer()));
    assert_eq!((history[1].at, history[2].at), (second(1), second(1)));
    assert_eq!(
        (history[2].step, history[4].resolution),
        (Some(StepName::Reverse), Some(Resolution::Complete))
    );
}

#[test]
fn months_turn_at_midnight_in_the_banks_time_zone() {
    // 23:30 UTC on the last of January is half past midnight on the first of February in Prague.
    let log =
        given().booked_at("2026-01-31T23:30:00Z").debited(ALICE, 30, 70, BOB).reversed(ALICE, 30, 100, BOB);
    let totals = Totals { debits: 30, credits: 30, count: 2 };
    for (time_zone, month) in [(Tz::UTC, 1), (Tz::Europe__Prague, 2)] {
        let month = NaiveDate::from_ymd_opt(2026, month, 1).unwrap();
        let months = monthly_totals::fold(&log.batch(time_zone)).unwrap();
        assert_eq!(months.into_iter().collect::<Vec<_>>(), [((account(ALICE), month), totals.clone())]);
    }
}

#[test]
fn the_books_add_up_to_zero_after_every_event() {
    let cash = Settlement::Cash.account_id(eur(0).currency).as_i64();
    let log = given()
        .debited(cash, 100, -100, ALICE)
        .credited(ALICE, 100, 100, cash)
        .debited(ALICE, 30, 70, BOB)
        .reversed(ALICE, 30, 100, BOB)
        .debited(ALICE, 40, 60, BOB);
    for count in 1..=log.events.len() {
        let sums = &trial_balance::fold(&log.events[..count]).unwrap()["EUR"];
        assert_eq!(sums.customers + sums.settlement + sums.in_transit, 0, "after {count}");
    }
    let sums = &trial_balance::fold(&log.events).unwrap()["EUR"];
    assert_eq!(*sums, Sums { customers: 60, settlement: -100, in_transit: 40 });
}

#[test]
fn sums_may_leave_64_bits() {
    let log = given().debited(ALICE, i64::MAX, 0, BOB).debited(ALICE, i64::MAX, 0, BOB);
    let both = 2 * i128::from(i64::MAX);
    let months = monthly_totals::fold(&log.batch(Tz::UTC)).unwrap();
    assert_eq!(months.into_values().map(|totals| totals.debits).collect::<Vec<_>>(), [both]);
    assert_eq!(accounts::fold(&log.all()).unwrap()[&account(ALICE)].in_transit, both);
    assert_eq!(
        trial_balance::fold(&log.events).unwrap()["EUR"],
        Sums { customers: -both, settlement: 0, in_transit: both }
    );
}

#[test]
fn an_erased_user_keeps_no_details() {
    let user_id = UserId::from_i64(7).unwrap();
    let registered = UserRegistered { user_id, details: Sealed("first".to_owned()) };
    let changed = UserDetailsChanged { details: Sealed("second".to_owned()) };
    let log = given().user(UserEvent::Registered(registered)).user(UserEvent::DetailsChanged(changed));
    let changes = users::fold(&log.events).unwrap();
    assert_eq!(changes[&user_id].registered_at, Some(second(1)));
    assert_eq!(changes[&user_id].details, Some("second"));

    let log = log.user(UserEvent::Erased(UserErased {}));
    let changes = users::fold(&log.events).unwrap();
    assert_eq!((changes[&user_id].details, changes[&user_id].erased_at), (None, Some(second(3))));
    assert_eq!(stream::user(user_id), "user-7");
}

#[test]
fn a_webhook_is_what_its_last_events_made_it() {
    let id = WebhookId::from_i64(7).unwrap();
    let stream = stream::webhook(id);
    let settings = |url: &str| Settings {
        url: url.into(),
        types: vec![],
        accounts: vec![],
        threshold: Some(eur(50_00)),
    };
    let registered = WebhookRegistered {
        webhook_id: id,
        user_id: None,
        settings: settings("https://one.example"),
        secret: Sealed("s".into()),
    };
    let disabled = WebhookDisabled { reason: "gone".into() };
    let history = given()
        .event(&stream, Event::Webhook(WebhookEvent::Registered(registered)))
        .event(
            &stream,
            Event::Webhook(WebhookEvent::Changed(WebhookChanged {
                settings: settings("https://two.example"),
            })),
        )
        .event(&stream, Event::Webhook(WebhookEvent::Disabled(disabled)));
    let changes = webhooks::fold(&history.events).unwrap();
    let two = settings("https://two.example");
    let expected = webhooks::Change {
        registered: Some((None, second(1))),
        settings: Some(&two),
        status: Some(("disabled", Some("gone"))),
        changed_at: second(3),
    };
    assert_eq!(changes.into_iter().collect::<Vec<_>>(), [(id, expected)]);

    let later = given()
        .event(&stream, Event::Webhook(WebhookEvent::Enabled(WebhookEnabled {})))
        .event(&stream, Event::Webhook(WebhookEvent::Replayed(WebhookReplayed { from_position: 1 })));
    let changes = webhooks::fold(&later.events).unwrap();
    let expected =
        webhooks::Change { status: Some(("enabled", None)), changed_at: second(2), ..Default::default() };
    assert_eq!(changes.into_iter().collect::<Vec<_>>(), [(id, expected)]);
}
