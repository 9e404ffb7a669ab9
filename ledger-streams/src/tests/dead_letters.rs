//! Parked transfers: what several processes and several operators say at once.

use std::sync::Arc;

use ledger_core::dead_letter::{DeadLetterCommand, Resolution, StepName, TransferParked};
use ledger_core::{Rejection, TransferId};

use super::{Bank, Engine, context, request, wish};
use crate::{Ledger, TransferReceipt};

on_each_engine! {
    of_several_processes_that_park_a_transfer_one_does,
    of_two_operators_with_different_words_one_is_heard,
    a_parked_transfers_stream_is_found_by_its_id,
    a_parked_transfer_that_has_ended_is_counted_no_more_and_looked_at_once,
}

fn park(receipt: &TransferReceipt) -> DeadLetterCommand {
    let transfer = &receipt.run.process.transfer;
    let parked = TransferParked {
        transfer_id: transfer.transfer_id,
        stream: receipt.run.stream().to_string(),
        from: transfer.from,
        to: transfer.to,
        amount: transfer.amount,
        step: StepName::Credit,
        reason: "the account cannot be read".into(),
        attempts: 9,
        history: vec![],
    };
    DeadLetterCommand::Park { parked, word: None }
}

fn resolve(transfer_id: TransferId, resolution: Resolution) -> DeadLetterCommand {
    DeadLetterCommand::Resolve { transfer_id, resolution, reason: "ticket 4711".into() }
}

async fn say(ledger: &Ledger, command: &DeadLetterCommand) -> Result<usize, Rejection> {
    let said = ledger.dead_letter(command, &context("transfer-1")).await.unwrap();
    said.map(|executed| executed.events.len())
}

async fn pending(bank: &Bank) -> TransferReceipt {
    pending_with(bank, "k").await
}

async fn pending_with(bank: &Bank, key: &str) -> TransferReceipt {
    let (from, to) = (bank.account(1_000).await, bank.account(0).await);
    request(&bank.ledger, &wish(key, from, to, 300)).await.unwrap()
}

async fn of_several_processes_that_park_a_transfer_one_does(engine: Engine) {
    let bank = Bank::new(engine).await;
    let receipt = pending(&bank).await;
    let mut parking = tokio::task::JoinSet::new();
    for worker in 2..8 {
        let (ledger, command) = (bank.another(worker).await, park(&receipt));
        parking.spawn(async move { say(&ledger, &command).await.unwrap() });
    }
    assert_eq!(parking.join_all().await.into_iter().sum::<usize>(), 1);
    assert_eq!(bank.ledger.parked_transfers().await.unwrap(), 1);
}

async fn of_two_operators_with_different_words_one_is_heard(engine: Engine) {
    let bank = Bank::new(engine).await;
    let receipt = pending(&bank).await;
    say(&bank.ledger, &park(&receipt)).await.unwrap();
    let other = bank.second().await;
    let words = [Resolution::Refund, Resolution::Complete].map(|word| resolve(receipt.transfer_id, word));
    let (refund, complete) = tokio::join!(say(&bank.ledger, &words[0]), say(&other, &words[1]));
    let mut heard = [refund, complete];
    heard.sort_by_key(Result::is_err);
    assert_eq!(heard, [Ok(1), Err(Rejection::AlreadyResolved)]);
    assert_eq!(bank.ledger.parked_transfers().await.unwrap(), 0);
}

async fn a_parked_transfers_stream_is_found_by_its_id(engine: Engine) {
    let bank = Bank::new(engine).await;
    let receipt = pending(&bank).await;
    assert_eq!(bank.ledger.dead_letter_stream(receipt.transfer_id).await.unwrap(), None);
    say(&bank.ledger, &park(&receipt)).await.unwrap();
    let other = bank.second().await;
    let stream = other.dead_letter_stream(receipt.transfer_id).await.unwrap().unwrap();
    assert_eq!(&stream, receipt.run.stream());
    let run = other.transfer_run(&stream).await.unwrap();
    assert_eq!(run.process.transfer, receipt.run.process.transfer);
}

async fn a_parked_transfer_that_has_ended_is_counted_no_more_and_looked_at_once(engine: Engine) {
    let bank = Bank::new(engine).await;
    let (ends, waits) = (pending(&bank).await, pending_with(&bank, "l").await);
    for receipt in [&ends, &waits] {
        say(&bank.ledger, &park(receipt)).await.unwrap();
    }
    assert_eq!(bank.ledger.parked_transfers().await.unwrap(), 2);
    assert!(bank.ledger.ended_letters().lock().is_empty());
    bank.ledger.drive(&mut ends.run.clone()).await.unwrap();
    for _ in 0..2 {
        assert_eq!(bank.ledger.parked_transfers().await.unwrap(), 1);
        let known: Vec<_> = bank.ledger.ended_letters().lock().iter().cloned().collect();
        assert_eq!(known, [Arc::clone(ends.run.stream())]);
    }
    // Whoever says something of it is heard, and nothing is kept of it here.
    say(&bank.ledger, &resolve(ends.transfer_id, Resolution::Refund)).await.unwrap();
    assert_eq!(bank.ledger.parked_transfers().await.unwrap(), 1);
    assert!(bank.ledger.ended_letters().lock().is_empty());
}
