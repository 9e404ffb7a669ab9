//! The rule book of transfers and of the process that carries them.

use super::process::{Process, Stage, Step};
use super::*;
use crate::account::{AccountCommand, AccountEvent, CreditRefused, DebitRefused, Funds};
use crate::dead_letter::{Resolution, StepName};
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
        Some(Step::Account(id, AccountCommand::RefuseDebit(..))) if id == account(1) => "refuse debit",
        Some(Step::Account(id, AccountCommand::RefuseCredit(..))) if id == account(2) => "refuse credit",
        Some(Step::Account(id, AccountCommand::WaiveReversal(_))) if id == account(1) => "waive",
        Some(Step::Account(id, AccountCommand::ForceCredit(_))) if id == account(2) => "force",
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

/// The way of a parked transfer from a stage on, when every command has its effect.
fn way(stage: Stage, resolution: Resolution) -> (Vec<&'static str>, TransferStatus) {
    let mut process = Process { stage, resolution: Some(resolution), ..Process::new(requested(), 10) };
    let mut way = vec![];
    while let Some(step) = process.next() {
        way.push(next(&process));
        match (step, process.stage) {
            // An operator's refusal is answered with a no.
            (Step::Account(_, AccountCommand::RefuseDebit(_, reason)), _)
            | (Step::Account(_, AccountCommand::RefuseCredit(_, reason)), _) => {
                assert!(process.refuse(reason));
            }
            _ => process.succeed(),
        }
    }
    (way, process.status())
}

#[test]
fn a_parked_transfer_is_refunded_from_wherever_it_stands() {
    let by_operator = Rejection::ResolvedByOperator;
    let frozen = Rejection::AccountFrozen;
    let refund = |stage| way(stage, Resolution::Refund);
    assert_eq!(
        refund(Stage::Requested),
        (vec!["refuse debit", "reject"], TransferStatus::Rejected(by_operator))
    );
    assert_eq!(
        refund(Stage::Debited),
        (vec!["refuse credit", "reverse", "fail"], TransferStatus::Failed(by_operator))
    );
    assert_eq!(
        refund(Stage::CreditRefused(frozen)),
        (vec!["reverse", "fail"], TransferStatus::Failed(frozen))
    );
}

#[test]
fn a_parked_transfer_is_completed_from_wherever_it_stands() {
    let complete = |stage| way(stage, Resolution::Complete);
    let completed = TransferStatus::Completed;
    assert_eq!(
        complete(Stage::Requested),
        (vec!["debit source", "credit destination", "complete"], completed)
    );
    assert_eq!(complete(Stage::Debited), (vec!["credit destination", "complete"], completed));
    assert_eq!(
        complete(Stage::CreditRefused(Rejection::AccountFrozen)),
        (vec!["waive", "force", "complete"], completed)
    );
}

#[test]
fn a_resolution_gives_way_to_what_the_accounts_have_answered() {
    let frozen = Rejection::AccountFrozen;
    let at = |stage, resolution| Process { stage, resolution, ..Process::new(requested(), 10) };
    // The money was back before it could be waived.
    let mut process = at(Stage::CreditRefused(frozen), Some(Resolution::Complete));
    assert!(process.refuse(Rejection::TransferEnded));
    assert_eq!(next(&process), "fail");
    // It was waived before it could come back: who does not know of the operator's word learns it here.
    let mut process = at(Stage::CreditRefused(frozen), None);
    assert!(process.refuse(Rejection::ResolvedByOperator));
    assert_eq!(next(&process), "force");
    // It was credited before the credit could be refused.
    let mut process = at(Stage::Debited, Some(Resolution::Refund));
    process.succeed();
    assert_eq!(next(&process), "complete");
    // Nobody knows what to do with money that fits nowhere.
    assert!(!at(Stage::ReversalWaived, None).refuse(Rejection::BalanceOutOfRange));
}

#[test]
fn what_a_transfer_waits_for_has_a_name() {
    let names = [
        (Stage::Requested, Some(StepName::Debit)),
        (Stage::Debited, Some(StepName::Credit)),
        (Stage::CreditRefused(Rejection::AccountFrozen), Some(StepName::Reverse)),
        (Stage::ReversalWaived, Some(StepName::ForceCredit)),
        (Stage::Credited, Some(StepName::Complete)),
        (Stage::Ended(TransferStatus::Completed), None),
    ];
    for (stage, name) in names {
        assert_eq!(Process { stage, ..Process::new(requested(), 10) }.step_name(), name);
    }
}

#[test]
fn legs_are_looked_for_since_the_request() {
    let mut process = Process::new(requested(), 10);
    for _ in 0..2 {
        let Some(Step::Account(_, command)) = process.next() else { panic!("an account is next") };
        assert_eq!(command.question().map(|question| question.since), Some(10));
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
