//! Every gap between two appends, as a crash or a slow driver leaves it behind.

use ledger_core::account::{AccountCommand, Funds, Leg};
use ledger_core::transfer::process::Stage;
use ledger_core::transfer::{TransferEvent, TransferRequested, TransferStatus};
use ledger_core::{AccountId, Event, Rejection, TransferId};

use super::{Bank, Engine, context, drive, request, wish};
use crate::codec::{Draft, encode};
use crate::{StoreError, TransferReceipt, TransferRequest};

on_each_engine! {
    a_request_alone_is_answered_when_it_is_repeated,
    a_request_alone_is_driven_to_its_end,
    a_request_alone_that_is_not_covered_is_rejected_for_good,
    a_refused_credit_stays_refused_whoever_asks_again,
    a_credit_without_its_end_is_completed,
    a_credit_to_nobody_is_no_refusal,
}

/// The request, and nothing after it.
async fn request_alone(bank: &Bank, wish: &TransferRequest) -> TransferId {
    let transfer_id = bank.ledger.new_transfer_id().unwrap();
    let requested = TransferRequested {
        transfer_id,
        from: wish.from,
        to: wish.to,
        amount: wish.amount,
        description: None,
        reference: None,
        already_booked: false,
    };
    let event = Event::Transfer(TransferEvent::Requested(requested));
    let draft = Draft::new(wish.stream(), 0, vec![event]);
    let (batch, _) = encode(&[draft], &context(&wish.stream())).unwrap();
    assert!(bank.ledger.store().append(batch).await.is_ok());
    transfer_id
}

/// The leg that a driver of this transfer would ask for.
pub(super) fn leg(receipt: &TransferReceipt, counterparty: AccountId) -> Leg {
    Leg {
        transfer_id: receipt.transfer_id,
        counterparty,
        amount: receipt.run.process.transfer.amount,
        description: None,
        reference: None,
        since: Some(receipt.run.process.requested_at),
    }
}

async fn a_request_alone_is_answered_when_it_is_repeated(engine: Engine) {
    let bank = Bank::new(engine).await;
    let (from, to) = (bank.account(1_000).await, bank.account(0).await);
    let wish = wish("k", from, to, 300);
    let transfer_id = request_alone(&bank, &wish).await;
    for _ in 0..2 {
        let answer = request(&bank.ledger, &wish).await.unwrap();
        assert_eq!(
            (answer.transfer_id, answer.status, answer.replayed),
            (transfer_id, TransferStatus::Pending, true)
        );
        assert_eq!(
            (bank.balance(from).await, bank.balance(to).await),
            (-300, 0),
            "what was answered is on disk"
        );
        assert!(answer.position <= bank.ledger.store().head().await.unwrap());
    }
    let answer = request(&bank.ledger, &wish).await.unwrap();
    assert_eq!(drive(&bank.ledger, &answer).await, TransferStatus::Completed);
    assert_eq!((bank.balance(from).await, bank.balance(to).await), (-300, 300));
}

async fn a_request_alone_is_driven_to_its_end(engine: Engine) {
    let bank = Bank::new(engine).await;
    let (from, to) = (bank.account(1_000).await, bank.account(0).await);
    let wish = wish("k", from, to, 300);
    request_alone(&bank, &wish).await;
    // Two processes at once: each takes it for abandoned.
    let second = bank.second().await;
    let one = request(&bank.ledger, &wish).await.unwrap();
    let mut two = one.clone();
    two.run.process.stage = Stage::Requested;
    let ends = tokio::join!(drive(&bank.ledger, &one), drive(&second, &two));
    assert_eq!(ends, (TransferStatus::Completed, TransferStatus::Completed));
    let bank = bank.restart().await;
    assert_eq!((bank.balance(from).await, bank.balance(to).await), (-300, 300));
}

async fn a_request_alone_that_is_not_covered_is_rejected_for_good(engine: Engine) {
    let bank = Bank::new(engine).await;
    let (from, to) = (bank.account(0).await, bank.account(1_000).await);
    let late = wish("late", from, to, 300);
    request_alone(&bank, &late).await;
    let refused = TransferStatus::Rejected(Rejection::InsufficientFunds);
    let answer = request(&bank.ledger, &late).await.unwrap();
    assert_eq!(answer.status, refused);
    // Money arrives; nobody is told anything else.
    let funds = request(&bank.ledger, &wish("funds", to, from, 500)).await.unwrap();
    drive(&bank.ledger, &funds).await;
    let mut behind = answer.clone();
    behind.run.process.stage = Stage::Requested;
    assert_eq!(drive(&bank.second().await, &behind).await, refused);
    let debit = AccountCommand::Debit(leg(&answer, to), Funds::MustCover);
    let asked_again = bank.ledger.account(from, &debit, &context(&late.stream())).await.unwrap();
    assert_eq!(asked_again.unwrap_err(), Rejection::InsufficientFunds);
    assert_eq!((bank.balance(from).await, bank.balance(to).await), (500, -500));
}

async fn a_refused_credit_stays_refused_whoever_asks_again(engine: Engine) {
    let bank = Bank::new(engine).await;
    let (from, to) = (bank.account(1_000).await, bank.account(0).await);
    let receipt = request(&bank.ledger, &wish("k", from, to, 300)).await.unwrap();
    bank.command(to, AccountCommand::Freeze(None)).await;
    let refused =
        bank.ledger.account(to, &AccountCommand::Credit(leg(&receipt, from)), &receipt.run.context).await;
    assert_eq!(refused.unwrap().unwrap().events.len(), 1);
    // The driver that heard it sleeps. The account is thawed, and another driver asks.
    bank.command(to, AccountCommand::Unfreeze).await;
    let status = drive(&bank.second().await, &receipt).await;
    assert_eq!(status, TransferStatus::Failed(Rejection::AccountFrozen));
    // The first one wakes up.
    assert_eq!(drive(&bank.ledger, &receipt).await, status);
    let bank = bank.restart().await;
    assert_eq!((bank.balance(from).await, bank.balance(to).await), (0, 0));
}

async fn a_credit_without_its_end_is_completed(engine: Engine) {
    let bank = Bank::new(engine).await;
    let (from, to) = (bank.account(1_000).await, bank.account(0).await);
    let receipt = request(&bank.ledger, &wish("k", from, to, 300)).await.unwrap();
    let credit = AccountCommand::Credit(leg(&receipt, from));
    bank.ledger.account(to, &credit, &receipt.run.context).await.unwrap().unwrap();
    bank.command(to, AccountCommand::Freeze(None)).await;
    let bank = bank.restart().await;
    assert_eq!(drive(&bank.ledger, &receipt).await, TransferStatus::Completed);
    assert_eq!((bank.balance(from).await, bank.balance(to).await), (-300, 300));
}

async fn a_credit_to_nobody_is_no_refusal(engine: Engine) {
    let bank = Bank::new(engine).await;
    let (from, to) = (bank.account(1_000).await, bank.account(0).await);
    let mut receipt = request(&bank.ledger, &wish("k", from, to, 300)).await.unwrap();
    // As a process would see it whose view of the log does not have the account yet.
    receipt.run.process.transfer.to = AccountId::from_i64(77).unwrap();
    let error = bank.ledger.drive(&mut receipt.run).await.unwrap_err();
    assert!(matches!(error, StoreError::Missing(_)), "{error}");
    assert_eq!(bank.balance(from).await, -300, "nothing was given back");
}
