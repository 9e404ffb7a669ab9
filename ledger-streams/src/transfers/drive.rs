//! From a debit to the transfer's end.

use std::sync::Arc;

use ledger_core::account::{self, AccountCommand};
use ledger_core::transfer::process::{Process, Stage, Step};
use ledger_core::transfer::{self, TransferCommand, TransferState, TransferStatus};
use ledger_core::{AccountId, Event, Position, Rejection};

use super::{TransferEnd, TransferRun};
use crate::codec::{Draft, decode_all};
use crate::execute::{Plan, PlanFailure};
use crate::store::AppendFailure;
use crate::{Ledger, StoreError};

impl Ledger {
    /// Takes a transfer to its end, one command after the other. Safe to call at any time, from anywhere, twice at once.
    ///
    /// # Errors
    /// [`StoreError`]; calling again goes on where it stopped.
    pub async fn drive(&self, run: &mut TransferRun) -> Result<TransferEnd, StoreError> {
        self.advance(run, |_| true).await
    }

    /// Drives a transfer on as long as its stage is one of those wanted.
    pub(super) async fn advance(
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
            .plan(id, command.question(), &run.context, |state| {
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
            // Both accounts were in the log before the transfer was. No answer of an account, so none to act on.
            (Ok(_), Some(Rejection::AccountNotFound)) => {
                Err(StoreError::Missing(format!("account {id} of a transfer under way").into()))
            }
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
