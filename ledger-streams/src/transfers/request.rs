//! From a wish to a debit or a refusal on disk.

use std::sync::Arc;

use ledger_core::account::{self, Account, AccountEvent};
use ledger_core::mutation::{Rule, is_broken};
use ledger_core::transfer::process::{Process, Stage, Step};
use ledger_core::transfer::{self, RequestTransfer, TransferCommand, TransferState, TransferStatus};
use ledger_core::{Event, Position, Rejection, TransferId};

use super::{TransferEnd, TransferReceipt, TransferRequest, TransferRun};
use crate::codec::{Context, Draft, decode_all};
use crate::execute::{Plan, PlanFailure};
use crate::{Ledger, StoreError};

/// How far behind a transfer's request its debit is looked for when a repeated request is answered.
const DEBIT_FOLLOWS_WITHIN_EVENTS: usize = 16;

impl Ledger {
    /// Requests a transfer and debits its source account; both are on disk when this returns. A refusal by an account is on disk, too,
    /// so that a repeated wish gets the same answer.
    ///
    /// # Errors
    /// The outer error when the store could not do it; repeating the wish is safe. The inner one when the wish itself is not one
    /// ([`Rejection::SameAccount`], [`Rejection::InvalidAmount`], an account that does not exist or has another currency), or is
    /// another one under a known key ([`Rejection::IdempotencyKeyReused`]).
    pub async fn request_transfer(
        &self,
        request: &TransferRequest,
        context: &Context,
    ) -> Result<Result<TransferReceipt, Rejection>, StoreError> {
        let stream = &context.correlation_id;
        let command = TransferCommand::Request(RequestTransfer {
            transfer_id: self.new_transfer_id()?,
            from: request.from,
            to: request.to,
            amount: request.amount,
            description: request.description.clone(),
            reference: request.reference.clone(),
            already_booked: request.already_booked,
        });
        if let Some(answer) = self.repeated(stream, &command).await? {
            return Ok(answer);
        }
        let requested = match transfer::decide(&TransferState::default(), &command) {
            Ok(events) => events,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let [transfer::TransferEvent::Requested(transfer)] = requested.as_slice() else {
            return Err(StoreError::Broken("a request is one event".into()));
        };
        if let Some(rejection) = self.refused_for_good(request).await? {
            return Ok(Err(rejection));
        }
        // The request is not in the log yet, so the account cannot have seen this transfer: no memory of legs is needed.
        let mut process = Process::new(transfer.clone(), Position::MAX);
        let Some(Step::Account(from, debit)) = process.next() else {
            return Err(StoreError::Broken("a transfer begins with a debit".into()));
        };
        let (mut refusal, mut collides) = (None, false);
        let done = self
            .plan(from, None, context, |state| {
                let decided = account::decide(state, &debit);
                // A new transfer cannot have been answered: its id is another's.
                collides = !matches!(decided.as_deref(), Ok([_]));
                let events = decided.unwrap_or_default();
                refusal = events.iter().find_map(refusal_of);
                let mut own: Vec<_> = requested.first().cloned().map(Event::Transfer).into_iter().collect();
                own.extend(refusal.map(|reason| rejected(transfer.transfer_id, reason)));
                let before = vec![Draft::new(Arc::clone(stream), 0, own)];
                match refusal {
                    _ if collides => Plan::default(),
                    // Request and refusal reach the log in one append: no driver ever sees this transfer, the account need not note it.
                    Some(_) => Plan { before, ..Plan::default() },
                    None => Plan { before, events, after: vec![] },
                }
            })
            .await;
        let done = match done {
            Ok(done) => done,
            // Somebody else with the same key was faster, or with the same account while our request was on its way to the log.
            Err(PlanFailure::OtherStream | PlanFailure::HalfWritten) => {
                let answer = self.repeated(stream, &command).await?;
                let answer = answer.ok_or_else(|| StoreError::Contended(Arc::clone(stream)))?;
                return Ok(answer.map(|receipt| {
                    let replayed = receipt.transfer_id != transfer.transfer_id;
                    TransferReceipt { replayed, ..receipt }
                }));
            }
            Err(PlanFailure::Store(error)) => return Err(error),
        };
        if collides {
            let text =
                format!("transfer id {} is taken: two processes share a worker number", transfer.transfer_id);
            return Err(StoreError::Broken(text.into()));
        }
        process.requested_at = done.first.unwrap_or_default();
        match refusal {
            Some(reason) => process.stage = Stage::Ended(TransferStatus::Rejected(reason)),
            None => process.succeed(),
        }
        let status = process.status();
        Ok(Ok(TransferReceipt {
            transfer_id: transfer.transfer_id,
            status,
            position: done.position.unwrap_or_default(),
            ended_at: None,
            replayed: false,
            run: TransferRun {
                process,
                context: Context { causation_id: done.last_event, ..context.clone() },
            },
        }))
    }

    /// What can never become right later: the accounts' existence and currencies.
    async fn refused_for_good(&self, request: &TransferRequest) -> Result<Option<Rejection>, StoreError> {
        for id in [request.from, request.to] {
            let currency =
                self.find_in_account(id, |state| state.account.as_ref().map(Account::currency)).await?;
            match currency {
                None => return Ok(Some(Rejection::AccountNotFound)),
                Some(currency) if currency != request.amount.currency => {
                    return Ok(Some(Rejection::CurrencyMismatch));
                }
                Some(_) => {}
            }
        }
        Ok(None)
    }

    /// The answer to a wish that is known; `None` for a new one.
    async fn repeated(
        &self,
        stream: &Arc<str>,
        command: &TransferCommand,
    ) -> Result<Option<Result<TransferReceipt, Rejection>>, StoreError> {
        let history = decode_all(self.store().read_short(stream).await?)?;
        let Some(first) = history.first() else {
            return Ok(None);
        };
        let Event::Transfer(transfer::TransferEvent::Requested(requested)) = &first.event else {
            return Err(StoreError::Broken(format!("{stream} does not begin with its request").into()));
        };
        let mut state = TransferState::default();
        let mut run = TransferRun::of(first, requested);
        for recorded in &history {
            if let Event::Transfer(event) = &recorded.event {
                state.evolve(event);
            }
        }
        if let Err(rejection) = transfer::decide(&state, command) {
            return Ok(Some(Err(rejection)));
        }
        let status = state.transfer.map_or(TransferStatus::Pending, |(_, status)| status);
        let ended_at = history.get(1).map(|end| end.position);
        let debited_at = match status {
            TransferStatus::Rejected(_) => None,
            _ => self.debit_position(&mut run).await?,
        };
        if status != TransferStatus::Pending {
            run.process.stage = Stage::Ended(status);
        }
        let position = match debited_at.or(ended_at) {
            Some(position) => position,
            None if is_broken(Rule::RepetitionIsOnDisk) => self.store().head().await?,
            None => self.answer_request(&mut run).await?,
        };
        let (transfer_id, status) = (requested.transfer_id, run.process.status());
        Ok(Some(Ok(TransferReceipt { transfer_id, status, position, ended_at, replayed: true, run })))
    }

    /// Brings a request that is in the log to its debit or its rejection, if nobody has: what was answered to its client must be on disk.
    async fn answer_request(&self, run: &mut TransferRun) -> Result<Position, StoreError> {
        let requested_at = run.process.requested_at;
        let unanswered = |stage| matches!(stage, Stage::Requested | Stage::DebitRefused(_));
        match self.advance(run, unanswered).await? {
            TransferEnd::At(position) if position > requested_at => Ok(position),
            // It had been debited before, somewhere between there and here.
            TransferEnd::At(_) | TransferEnd::Stuck(_) => self.store().head().await,
        }
    }

    /// Where the debit of a known transfer stands, if it is close behind its request, as it is when the two are queued together.
    async fn debit_position(&self, run: &mut TransferRun) -> Result<Option<Position>, StoreError> {
        let from = run.process.requested_at;
        let followers = decode_all(self.store().read_all_from(from, DEBIT_FOLLOWS_WITHIN_EVENTS).await?)?;
        let transfer_id = run.process.transfer.transfer_id;
        let debit = followers.into_iter().find(|recorded| {
            let Event::Account(account::AccountEvent::Debited(debited)) = &recorded.event else {
                return false;
            };
            debited.transfer_id == transfer_id
        });
        Ok(debit.map(|debit| {
            run.evolve(&debit);
            debit.position
        }))
    }
}

fn refusal_of(event: &AccountEvent) -> Option<Rejection> {
    match event {
        AccountEvent::DebitRefused(refused) => Some(refused.reason),
        AccountEvent::CreditRefused(refused) => Some(refused.reason),
        _ => None,
    }
}

fn rejected(transfer_id: TransferId, reason: Rejection) -> Event {
    Event::Transfer(transfer::TransferEvent::Rejected(transfer::TransferRejected { transfer_id, reason }))
}
