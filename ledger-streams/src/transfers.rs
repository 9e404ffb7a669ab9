//! Transfers, from request to end.

use std::collections::HashSet;
use std::sync::Arc;

use ledger_core::account::{self, Account, AccountCommand, AccountEvent};
use ledger_core::transfer::process::{Process, Stage, Step};
use ledger_core::transfer::{
    self, RequestTransfer, TransferCommand, TransferRequested, TransferState, TransferStatus,
};
use ledger_core::{AccountId, Event, Money, Position, Rejection, TransferId, stream};

use crate::codec::{Context, Draft, decode_all};
use crate::execute::{Plan, PlanFailure};
use crate::store::AppendFailure;
use crate::{Ledger, Recorded, StoreError};

/// How far behind a transfer's request its debit is looked for when a repeated request is answered.
const DEBIT_FOLLOWS_WITHIN_EVENTS: usize = 16;

/// A client's wish.
#[derive(Clone, Debug)]
pub struct TransferRequest {
    /// Who asks, as far as idempotency keys go: two clients may use the same key.
    pub client: String,
    /// The client's name for this wish.
    pub idempotency_key: String,
    /// The account to debit.
    pub from: AccountId,
    /// The account to credit.
    pub to: AccountId,
    /// How much.
    pub amount: Money,
    /// The payer's text.
    pub description: Option<String>,
    /// The transaction's number elsewhere.
    pub reference: Option<String>,
    /// True for imported history: the debit need not be covered.
    pub already_booked: bool,
}

impl TransferRequest {
    /// The stream this wish has, whatever it asks for.
    #[must_use]
    pub fn stream(&self) -> Arc<str> {
        stream::transfer(&self.client, &self.idempotency_key).into()
    }
}

/// The answer to a wish.
#[derive(Clone, Debug)]
pub struct TransferReceipt {
    /// The transfer's id, the same for every repetition of the wish.
    pub transfer_id: TransferId,
    /// Where it stands: pending, or rejected for a reason; how it ended, when it has ended and the wish was repeated.
    pub status: TransferStatus,
    /// Position of the debit, or of the rejection.
    pub position: Position,
    /// Position of the transfer's end, when the wish was repeated after it.
    pub ended_at: Option<Position>,
    /// True when the wish had been answered before.
    pub replayed: bool,
    /// What is left to do.
    pub run: TransferRun,
}

/// A transfer under way, with what its next events need to say of themselves.
#[derive(Clone, Debug)]
pub struct TransferRun {
    /// How far it has come.
    pub process: Process,
    /// The transfer's stream and the rest of its events' metadata.
    pub context: Context,
}

impl TransferRun {
    /// The run of a request found in the log.
    #[must_use]
    pub fn of(recorded: &Recorded, requested: &TransferRequested) -> Self {
        Self {
            process: Process::new(requested.clone(), recorded.position),
            context: Context {
                correlation_id: Arc::clone(&recorded.stream),
                causation_id: Some(recorded.id),
                actor: recorded.metadata.actor.as_ref().into(),
                booked_at: recorded.metadata.booked_at,
            },
        }
    }

    /// Learns from an event of the transfer found in the log.
    pub fn evolve(&mut self, recorded: &Recorded) {
        self.process.evolve(&recorded.event);
        self.context.causation_id = Some(recorded.id);
    }

    /// The transfer's stream.
    #[must_use]
    pub fn stream(&self) -> &Arc<str> {
        &self.context.correlation_id
    }

    fn ending(&self, events: Vec<Event>) -> Draft {
        // A transfer that has not ended has one event: its request.
        Draft::new(Arc::clone(self.stream()), 1, events)
    }
}

/// Transfers that somebody in this process is driving.
pub(crate) type Claims = HashSet<Arc<str>>;

/// The right to drive one transfer in this process; others leave it alone until this is dropped. It saves work, it guards nothing:
/// two drivers of one transfer are harmless.
pub struct Claim {
    ledger: Ledger,
    stream: Arc<str>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.ledger.claims().lock().remove(&self.stream);
    }
}

impl Ledger {
    /// Claims a transfer for the caller; `None` when another part of this process has it.
    #[must_use]
    pub fn claim(&self, stream: &Arc<str>) -> Option<Claim> {
        let fresh = self.claims().lock().insert(Arc::clone(stream));
        fresh.then(|| Claim { ledger: self.clone(), stream: Arc::clone(stream) })
    }

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

    /// Takes a transfer to its end, one command after the other. Safe to call at any time, from anywhere, twice at once.
    ///
    /// # Errors
    /// [`StoreError`]; calling again goes on where it stopped.
    pub async fn drive(&self, run: &mut TransferRun) -> Result<TransferEnd, StoreError> {
        self.advance(run, |_| true).await
    }

    /// Drives a transfer on as long as its stage is one of those wanted.
    async fn advance(
        &self,
        run: &mut TransferRun,
        wanted: impl Fn(Stage) -> bool,
    ) -> Result<TransferEnd, StoreError> {
        let mut position = run.process.requested_at;
        if run.process.stage == Stage::Requested {
            // A debit guards nothing but its account: a request that was refused since must not be debited after all.
            for recorded in decode_all(self.store().read_stream(run.stream(), 1).await?)? {
                run.evolve(&recorded);
                position = recorded.position;
            }
        }
        while let Some(step) = run.process.next().filter(|_| wanted(run.process.stage)) {
            let reached = match step {
                Step::Account(id, command) => self.account_step(run, id, &command).await?,
                Step::Transfer(command) => self.end_transfer(run, &command).await?,
            };
            match reached {
                Reached::Position(reached) => position = reached.unwrap_or(position),
                Reached::Unanswerable(rejection) => return Ok(TransferEnd::Stuck(rejection)),
            }
        }
        Ok(TransferEnd::At(position))
    }

    /// One command on an account; when the transfer ends with its success, the end goes into the same batch.
    async fn account_step(
        &self,
        run: &mut TransferRun,
        id: AccountId,
        command: &AccountCommand,
    ) -> Result<Reached, StoreError> {
        let mut refusal = None;
        let mut next = run.process.clone();
        let done = self
            .plan(id, command.legs_since(), &run.context, |state| {
                next = run.process.clone();
                let decided = account::decide(state, command);
                refusal = decided.as_ref().err().copied();
                let Ok(events) = decided else {
                    return Plan::default();
                };
                match events.first() {
                    Some(answer) => next.evolve(&answer.clone().into()),
                    None => next.succeed(),
                }
                Plan { before: vec![], events, after: ending(run, &mut next).into_iter().collect() }
            })
            .await;
        match (done, refusal) {
            (Ok(_), Some(reason)) => {
                let answered = run.process.refuse(reason);
                Ok(if answered { Reached::Position(None) } else { Reached::Unanswerable(reason) })
            }
            (Ok(done), None) => {
                run.process = next;
                run.context.causation_id = done.last_event.or(run.context.causation_id);
                Ok(Reached::Position(done.position))
            }
            // The transfer's own stream has moved on: another driver ended it.
            (Err(PlanFailure::OtherStream | PlanFailure::HalfWritten), _) => self.look_again(run).await,
            (Err(PlanFailure::Store(error)), _) => Err(error),
        }
    }

    async fn end_transfer(
        &self,
        run: &mut TransferRun,
        command: &TransferCommand,
    ) -> Result<Reached, StoreError> {
        let Some(draft) = decided_ending(run, command) else {
            return self.look_again(run).await;
        };
        let (batch, last_event) = crate::codec::encode(&[draft], &run.context)?;
        match self.store().append(batch).await {
            Ok(placed) => {
                run.process.succeed();
                run.context.causation_id = last_event;
                Ok(Reached::Position(placed.last().map(|last| last.position)))
            }
            Err(AppendFailure::Conflict(_)) => self.look_again(run).await,
            Err(AppendFailure::Store(error)) => Err(error),
        }
    }

    /// Another driver was faster: learns from the transfer's stream how it ended.
    async fn look_again(&self, run: &mut TransferRun) -> Result<Reached, StoreError> {
        let mut position = None;
        for recorded in decode_all(self.store().read_stream(run.stream(), 1).await?)? {
            run.evolve(&recorded);
            position = Some(recorded.position);
        }
        match position {
            Some(_) => Ok(Reached::Position(position)),
            None => Err(StoreError::Contended(Arc::clone(run.stream()))),
        }
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

/// How driving a transfer went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferEnd {
    /// It has ended, at or before this position.
    At(Position),
    /// No rule says how to go on: a person must.
    Stuck(Rejection),
}

enum Reached {
    Position(Option<Position>),
    Unanswerable(Rejection),
}

/// The transfer's last event, when it ends with what was just decided on an account.
fn ending(run: &TransferRun, next: &mut Process) -> Option<Draft> {
    let Some(Step::Transfer(command)) = next.next() else {
        return None;
    };
    let draft = decided_ending(run, &command)?;
    next.succeed();
    Some(draft)
}

fn decided_ending(run: &TransferRun, command: &TransferCommand) -> Option<Draft> {
    let pending =
        TransferState { transfer: Some((run.process.transfer.clone(), TransferStatus::Pending)), events: 1 };
    let events = transfer::decide(&pending, command).ok()?;
    Some(run.ending(events.into_iter().map(Event::Transfer).collect()))
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
