//! The rule book of transfers and of the process that carries them.

use super::process::{Process, Stage, Step};
use super::*;
use crate::account::{AccountCommand, AccountEvent, CreditRefused, DebitRefused, Funds};
use crate::testing::given_transfer;
use crate::{AccountId, Currency, Money, Rejection, TransferId};

fn account(number: i64) -> AccountId {
    AccountId::from_i64(number).unwrap()
}

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::from_code("EUR").unwrap())
}

fn transfer_id() -> TransferId {
    TransferId::from_i64(7).unwrap()
}

fn request() -> RequestTransfer {
    RequestTransfer {
        transfer_id: transfer_id(),
        from: account(1),
        to: account(2),
        amount: eur(500),
        description: Some("rent".into()),
        reference: None,
        already_booked: false,
    }
}

fn requested() -> TransferRequested {
    TransferRequested {
        transfer_id: transfer_id(),
        from: account(1),
        to: account(2),
        amount: eur(500),
        description: Some("rent".into()),
        reference: None,
        already_booked: false,
    }
}

fn completed() -> TransferEvent {
    TransferEvent::Completed(TransferCompleted { transfer_id: transfer_id() })
}

#[test]
fn a_transfer_is_requested_once() {
    given_transfer(&[])
        .when(&TransferCommand::Request(request()))
        .then([TransferEvent::Requested(requested())]);
}

#[test]
fn a_wish_that_is_none_is_refused() {
    let same = RequestTransfer { to: account(1), amount: eur(0), ..request() };
    given_transfer(&[]).when(&TransferCommand::Request(same)).refused(Rejection::SameAccount);
    for minor in [0, -500, AMOUNT_MINOR_MAX + 1] {
        let nothing = RequestTransfer { amount: eur(minor), ..request() };
        given_transfer(&[]).when(&TransferCommand::Request(nothing)).refused(Rejection::InvalidAmount);
    }
}

#[test]
fn the_same_wish_again_is_fine_whatever_became_of_it() {
    let again = RequestTransfer { transfer_id: TransferId::from_i64(8).unwrap(), ..request() };
    for history in [vec![], vec![completed()]] {
        let history: Vec<_> = [TransferEvent::Requested(requested())].into_iter().chain(history).collect();
        given_transfer(&history).when(&TransferCommand::Request(again.clone())).then([]);
    }
}

#[test]
fn another_wish_under_the_same_key_is_refused() {
    let history = [TransferEvent::Requested(requested())];
    for other in [
        RequestTransfer { from: account(3), ..request() },
        RequestTransfer { to: account(3), ..request() },
        RequestTransfer { amount: eur(501), ..request() },
        RequestTransfer { amount: Money::new(500, Currency::from_code("CZK").unwrap()), ..request() },
        RequestTransfer { description: None, ..request() },
        RequestTransfer { reference: Some("x".into()), ..request() },
        RequestTransfer { already_booked: true, ..request() },
    ] {
        given_transfer(&history)
            .when(&TransferCommand::Request(other))
            .refused(Rejection::IdempotencyKeyReused);
    }
}

#[test]
fn a_transfer_ends_once_and_one_way() {
    let reason = Rejection::AccountFrozen;
    let rejected = TransferEvent::Rejected(TransferRejected { transfer_id: transfer_id(), reason });
    let failed = TransferEvent::Failed(TransferFailed { transfer_id: transfer_id(), reason });
    let ends = [
        (TransferCommand::Complete, completed()),
        (TransferCommand::Reject(reason), rejected),
        (TransferCommand::Fail(reason), failed),
    ];
    let pending = given_transfer(&[TransferEvent::Requested(requested())]);
    for (command, event) in &ends {
        pending.when(command).then([event.clone()]);
        let ended = given_transfer(&[TransferEvent::Requested(requested()), event.clone()]);
        for (other, other_event) in &ends {
            if other_event == event {
                ended.when(other).then([]);
            } else {
                ended.when(other).refused(Rejection::TransferEnded);
            }
        }
        given_transfer(&[]).when(command).refused(Rejection::TransferEnded);
    }
}

/// What the process asks for at each stage, as one word.
fn next(process: &Process) -> &'static str {
    match process.next() {
        Some(Step::Account(id, AccountCommand::Debit(..))) if id == account(1) => "debit source",
        Some(Step::Account(id, AccountCommand::Credit(_))) if id == account(2) => "credit destination",
        Some(Step::Account(id, AccountCommand::ReverseDebit(..))) if id == account(1) => "reverse",
        Some(Step::Transfer(TransferCommand::Complete)) => "complete",
        Some(Step::Transfer(TransferCommand::Fail(_))) => "fail",
        Some(Step::Transfer(TransferCommand::Reject(_))) => "reject",
        None => "nothing",
        other => panic!("unexpected {other:?}"),
    }
}

#[test]
fn the_way_of_a_transfer_that_completes() {
    let mut process = Process::new(requested(), 10);
    let mut way = vec![next(&process)];
    for _ in 0..3 {
        process.succeed();
        way.push(next(&process));
    }
    assert_eq!(way, ["debit source", "credit destination", "complete", "nothing"]);
    assert_eq!(process.status(), TransferStatus::Completed);
}

#[test]
fn the_way_of_a_transfer_whose_credit_is_refused() {
    let mut process = Process::new(requested(), 10);
    process.succeed();
    assert!(process.refuse(Rejection::AccountClosed));
    let mut way = vec![next(&process)];
    for _ in 0..2 {
        process.succeed();
        way.push(next(&process));
    }
    assert_eq!(way, ["reverse", "fail", "nothing"]);
    assert_eq!(process.status(), TransferStatus::Failed(Rejection::AccountClosed));
}

#[test]
fn the_way_of_a_transfer_whose_debit_is_refused() {
    let mut process = Process::new(requested(), 10);
    assert!(process.refuse(Rejection::InsufficientFunds));
    assert_eq!(next(&process), "reject");
    process.succeed();
    assert_eq!(process.status(), TransferStatus::Rejected(Rejection::InsufficientFunds));
}

#[test]
fn what_an_account_refused_is_learned_from_its_event() {
    let reason = Rejection::AccountClosed;
    let (transfer_id, counterparty, amount) = (transfer_id(), account(1), eur(500));
    let mut process = Process::new(requested(), 10);
    process.evolve(
        &AccountEvent::DebitRefused(DebitRefused { transfer_id, counterparty, amount, reason }).into(),
    );
    assert_eq!(next(&process), "reject");
    process.stage = Stage::Debited;
    process.evolve(
        &AccountEvent::CreditRefused(CreditRefused { transfer_id, counterparty, amount, reason }).into(),
    );
    assert_eq!(next(&process), "reverse");
}

#[test]
fn a_refused_reversal_has_no_answer() {
    let mut process = Process::new(requested(), 10);
    process.stage = Stage::CreditRefused(Rejection::AccountClosed);
    assert!(!process.refuse(Rejection::BalanceOutOfRange));
    assert_eq!(next(&process), "reverse", "it stays where it was");
}

#[test]
fn legs_are_looked_for_since_the_request() {
    let mut process = Process::new(requested(), 10);
    for _ in 0..2 {
        let Some(Step::Account(_, command)) = process.next() else { panic!("an account is next") };
        assert_eq!(command.legs_since(), Some(10));
        process.succeed();
    }
}

#[test]
fn imported_history_need_not_be_covered() {
    let process = Process::new(TransferRequested { already_booked: true, ..requested() }, 10);
    let Some(Step::Account(_, AccountCommand::Debit(_, funds))) = process.next() else {
        panic!("a debit is next")
    };
    assert_eq!(funds, Funds::AlreadyBooked);
}
