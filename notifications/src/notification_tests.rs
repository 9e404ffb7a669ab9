//! Given an event, then this is told, or nothing.

use chrono::DateTime;
use ledger_core::account::{AccountCredited, AccountDebited, AccountFrozen, DebitReversed};
use ledger_core::statement::StatementIssued;
use ledger_core::transfer::{TransferCompleted, TransferFailed, TransferRejected};
use ledger_core::{Currency, Metadata, WebhookId};
use serde_json::{Value, json};

use super::*;

fn account(number: i64) -> AccountId {
    AccountId::from_i64(10_000_000_000 + number).unwrap()
}

fn transfer_id() -> TransferId {
    TransferId::from_i64(20_000_000_001).unwrap()
}

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::from_code("EUR").unwrap())
}

fn settings(threshold: Option<Money>) -> Settings {
    Settings { url: "https://a.example".into(), types: vec![], accounts: vec![], threshold }
}

fn request() -> TransferRequested {
    TransferRequested {
        transfer_id: transfer_id(),
        from: account(1),
        to: account(2),
        amount: eur(400),
        description: Some("rent".into()),
        reference: None,
        already_booked: false,
    }
}

fn recorded(stream: &str, event: impl Into<Event>) -> Recorded {
    let metadata = Metadata {
        correlation_id: "transfer-1".into(),
        causation_id: None,
        actor: "test".into(),
        booked_at: DateTime::from_timestamp(1_767_225_600, 0).unwrap(),
        version: 1,
    };
    Recorded {
        id: Default::default(),
        stream: stream.into(),
        revision: 3,
        position: 48_213,
        recorded_at: DateTime::from_timestamp(1_767_225_601, 5_000).unwrap(),
        metadata,
        event: event.into(),
    }
}

fn debited(balance_after: i64) -> Notification {
    let event = AccountEvent::Debited(AccountDebited {
        transfer_id: transfer_id(),
        counterparty: account(2),
        amount: eur(400),
        balance_after: eur(balance_after),
        description: None,
        reference: None,
    });
    notification(&recorded(&stream::account(account(1)), event), None).unwrap()
}

fn body(notification: &Notification, settings: &Settings) -> Value {
    serde_json::from_slice(&notification.body(settings)).unwrap()
}

#[test]
fn money_that_arrives_is_told_to_the_account_it_arrives_on() {
    let event = AccountEvent::Credited(AccountCredited {
        transfer_id: transfer_id(),
        counterparty: account(1),
        amount: eur(400),
        balance_after: eur(1050),
        description: Some("rent".into()),
        reference: None,
        forced: false,
    });
    let told = notification(&recorded(&stream::account(account(2)), event), None).unwrap();
    assert_eq!((told.kind, told.account), (NotificationType::MoneyReceived, account(2)));
    assert_eq!(
        body(&told, &settings(None)),
        json!({
            "type": "money.received",
            "timestamp": "2026-01-01T00:00:01.000005Z",
            "data": {
                "account_id": "10000000002",
                "transfer_id": "20000000001",
                "from_account": "10000000001",
                "amount": "4.00",
                "currency": "EUR",
                "balance_after": "10.50",
                "description": "rent",
                "booked_at": "2026-01-01T00:00:00Z",
                "position": 48_213,
            },
        })
    );
}

#[test]
fn a_transfers_end_is_told_to_the_account_it_came_from() {
    let reason = Rejection::AccountFrozen;
    let ends = [
        (TransferEvent::Completed(TransferCompleted { transfer_id: transfer_id() }), "completed", None),
        (
            TransferEvent::Failed(TransferFailed { transfer_id: transfer_id(), reason }),
            "failed",
            Some(reason),
        ),
        (
            TransferEvent::Rejected(TransferRejected { transfer_id: transfer_id(), reason }),
            "rejected",
            Some(reason),
        ),
    ];
    for (event, status, reason) in ends {
        let recorded = recorded("transfer-1", Event::Transfer(event));
        let told = notification(&recorded, Some(&request())).unwrap();
        assert_eq!(end_told_by(&recorded.event), Some(told.kind));
        assert_eq!(told.account, account(1));
        let data = &body(&told, &settings(None))["data"];
        assert_eq!(data["status"], status);
        assert_eq!(data.get("reason"), reason.map(|reason| json!(reason)).as_ref());
        assert_eq!((&data["amount"], &data["to_account"]), (&json!("4.00"), &json!("10000000002")));
    }
}

#[test]
fn a_threshold_is_told_when_it_is_crossed_and_not_before_or_after() {
    let asks = settings(Some(eur(5000)));
    for (balance_after, crossed) in [
        (5400, false),
        (5000, false),
        (4999, true),
        (4600, true),
        // It had been below before.
        (4599, false),
        (0, false),
    ] {
        assert_eq!(debited(balance_after).is_for(&asks), crossed, "{balance_after}");
    }
    let data = &body(&debited(4600), &asks)["data"];
    assert_eq!((&data["balance"], &data["threshold"]), (&json!("46.00"), &json!("50.00")));
}

#[test]
fn a_threshold_is_for_accounts_of_its_currency_and_for_those_who_asked() {
    let crowns = Money::new(5000, Currency::from_code("CZK").unwrap());
    assert!(!debited(4600).is_for(&settings(Some(crowns))));
    assert!(!debited(4600).is_for(&settings(None)));
    let other = Settings { types: vec![NotificationType::MoneyReceived], ..settings(Some(eur(5000))) };
    assert!(!debited(4600).is_for(&other));
}

#[test]
fn a_statement_is_told_with_what_it_says() {
    let event = StatementEvent::Issued(StatementIssued {
        account_id: account(1),
        month: "2026-11".into(),
        issue: 1,
        opening: eur(10000),
        closing: eur(9050),
        total_debits: eur(1950),
        total_credits: eur(1000),
        count: 3,
        position: 40_000,
        files: vec![StatementFile { format: "pdf".into(), sha256: "ab".into(), bytes: 7 }],
    });
    let told =
        notification(&recorded(&stream::statement(account(1)), Event::Statement(event)), None).unwrap();
    assert_eq!((told.kind, told.account), (NotificationType::StatementIssued, account(1)));
    let data = &body(&told, &settings(None))["data"];
    assert_eq!((&data["month"], &data["closing"]), (&json!("2026-11"), &json!("90.50")));
    assert_eq!(data["files"][0]["sha256"], "ab");
}

#[test]
fn nothing_else_is_told() {
    let reversed = AccountEvent::DebitReversed(DebitReversed {
        transfer_id: transfer_id(),
        counterparty: account(2),
        amount: eur(400),
        balance_after: eur(1000),
        reason: Rejection::AccountFrozen,
        description: None,
        reference: None,
    });
    let frozen = AccountEvent::Frozen(AccountFrozen { reason: None });
    for event in [reversed, frozen] {
        assert_eq!(notification(&recorded(&stream::account(account(1)), event), None), None);
    }
    let requested = Event::Transfer(TransferEvent::Requested(request()));
    assert_eq!(notification(&recorded("transfer-1", requested), Some(&request())), None);
}

#[test]
fn a_message_has_the_same_id_whenever_the_same_webhook_is_told_the_same_thing() {
    let (one, two) = (WebhookId::from_i64(7).unwrap(), WebhookId::from_i64(8).unwrap());
    assert_eq!(debited(0).message_id(one), "msg_7_48213");
    assert_eq!(debited(0).message_id(two), "msg_8_48213");
}
