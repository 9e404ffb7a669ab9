//! The rule book of parked transfers.

use super::*;
use crate::testing::given_dead_letters;
use crate::{AccountId, Currency, Money, Rejection, TransferId};

fn transfer(number: i64) -> TransferId {
    TransferId::from_i64(number).unwrap()
}

fn parked(number: i64) -> TransferParked {
    TransferParked {
        transfer_id: transfer(number),
        stream: format!("transfer-{number}"),
        from: AccountId::from_i64(1).unwrap(),
        to: AccountId::from_i64(2).unwrap(),
        amount: Money::new(500, Currency::from_code("EUR").unwrap()),
        step: StepName::Reverse,
        reason: "balance_out_of_range".into(),
        attempts: 1,
        history: vec![],
    }
}

fn was_parked(number: i64) -> DeadLetterEvent {
    DeadLetterEvent::Parked(parked(number))
}

fn retried(number: i64, resolution: Option<Resolution>) -> DeadLetterEvent {
    DeadLetterEvent::Retried(ParkedTransferRetried {
        transfer_id: transfer(number),
        stream: format!("transfer-{number}"),
        resolution,
        reason: Some("there is room again".into()),
    })
}

fn resolved(number: i64, resolution: Resolution) -> DeadLetterEvent {
    DeadLetterEvent::Resolved(ParkedTransferResolved {
        transfer_id: transfer(number),
        stream: format!("transfer-{number}"),
        resolution,
        reason: "ticket 4711".into(),
    })
}

fn park(word: Option<u64>) -> DeadLetterCommand {
    DeadLetterCommand::Park { parked: parked(7), word }
}

fn retry(number: i64) -> DeadLetterCommand {
    DeadLetterCommand::Retry { transfer_id: transfer(number), reason: Some("there is room again".into()) }
}

fn resolve(number: i64, resolution: Resolution) -> DeadLetterCommand {
    DeadLetterCommand::Resolve { transfer_id: transfer(number), resolution, reason: "ticket 4711".into() }
}

#[test]
fn a_transfer_is_parked_once_until_somebody_says_something() {
    given_dead_letters(&[]).when(&park(None)).then([was_parked(7)]);
    given_dead_letters(&[was_parked(7)]).when(&park(None)).then([]);
    given_dead_letters(&[was_parked(8)]).when(&park(None)).then([was_parked(7)]);
    for word in [retried(7, None), resolved(7, Resolution::Refund)] {
        given_dead_letters(&[was_parked(7), word]).when(&park(Some(1))).then([was_parked(7)]);
    }
}

#[test]
fn a_driver_that_slept_through_an_operators_word_does_not_park_the_transfer() {
    for word in [retried(7, None), resolved(7, Resolution::Complete)] {
        let history = [was_parked(8), was_parked(7), word, was_parked(7), resolved(7, Resolution::Complete)];
        given_dead_letters(&history[..3]).when(&park(None)).then([]);
        given_dead_letters(&history).when(&park(Some(2))).then([]);
        given_dead_letters(&history).when(&park(Some(4))).then([was_parked(7)]);
    }
}

#[test]
fn what_is_parked_is_tried_again_once() {
    given_dead_letters(&[]).when(&retry(7)).refused(Rejection::TransferNotParked);
    given_dead_letters(&[was_parked(8)]).when(&retry(7)).refused(Rejection::TransferNotParked);
    given_dead_letters(&[was_parked(7)]).when(&retry(7)).then([retried(7, None)]);
    given_dead_letters(&[was_parked(7), retried(7, None)]).when(&retry(7)).then([]);
    given_dead_letters(&[was_parked(7), resolved(7, Resolution::Refund)])
        .when(&retry(7))
        .refused(Rejection::TransferNotParked);
}

#[test]
fn what_is_parked_is_resolved_once_and_one_way() {
    given_dead_letters(&[]).when(&resolve(7, Resolution::Refund)).refused(Rejection::TransferNotParked);
    for resolution in [Resolution::Refund, Resolution::Complete] {
        let once = [was_parked(7), resolved(7, resolution)];
        given_dead_letters(&once[..1]).when(&resolve(7, resolution)).then([resolved(7, resolution)]);
        given_dead_letters(&once).when(&resolve(7, resolution)).then([]);
    }
    given_dead_letters(&[was_parked(7), resolved(7, Resolution::Refund)])
        .when(&resolve(7, Resolution::Complete))
        .refused(Rejection::AlreadyResolved);
    given_dead_letters(&[was_parked(7), retried(7, None)])
        .when(&resolve(7, Resolution::Refund))
        .refused(Rejection::TransferNotParked);
}

#[test]
fn an_operators_word_stands_when_the_transfer_is_parked_again() {
    let again = [was_parked(7), resolved(7, Resolution::Refund), was_parked(7)];
    given_dead_letters(&again).when(&resolve(7, Resolution::Refund)).then([resolved(7, Resolution::Refund)]);
    given_dead_letters(&again).when(&resolve(7, Resolution::Complete)).refused(Rejection::AlreadyResolved);
    given_dead_letters(&again).when(&retry(7)).then([retried(7, Some(Resolution::Refund))]);
}

#[test]
fn only_what_waits_for_an_operator_counts_as_parked() {
    let history =
        [was_parked(7), was_parked(8), was_parked(9), retried(8, None), resolved(9, Resolution::Complete)];
    assert_eq!(given_dead_letters(&history).parked().count(), 1);
}
