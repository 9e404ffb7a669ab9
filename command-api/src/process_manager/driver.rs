//! One try to bring one transfer to its end; and when that was the last one, its way to the dead letters.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use ledger_core::dead_letter::{DeadLetterCommand, Resolution, TransferParked};
use ledger_core::transfer::TransferStatus;
use ledger_streams::{Claim, Context, Ledger, StoreError, TransferEnd, TransferRun};

use super::tries::{Next, Tries};
use crate::PARKING_RETRY;

/// Who appears in the log as having parked a transfer.
const ACTOR: &str = "process-manager";

/// What it takes to drive a transfer.
pub(super) struct Driver {
    pub(super) ledger: Ledger,
    pub(super) stream: Arc<str>,
    /// How far it has come, if that is known.
    pub(super) run: Option<TransferRun>,
    pub(super) resolution: Option<Resolution>,
    /// The operator's word that has it driven, if it is one; see [`DeadLetterCommand::Park`].
    pub(super) word: Option<u64>,
}

/// What became of it.
pub(super) struct Driven {
    pub(super) stream: Arc<str>,
    /// How far it has come now.
    pub(super) run: Option<TransferRun>,
    pub(super) outcome: Outcome,
}

pub(super) enum Outcome {
    /// It has ended.
    Ended,
    /// It waits for an operator, or for what an operator has said meanwhile.
    Parked,
    /// It is to be tried again, after a pause.
    Again { tries: Box<Tries>, pause: Duration },
}

impl Driver {
    /// Drives the transfer once.
    pub(super) async fn drive(mut self, claim: Claim, tries: Option<Box<Tries>>) -> Driven {
        let outcome = self.outcome(tries).await;
        drop(claim);
        Driven { stream: self.stream, run: self.run, outcome }
    }

    async fn outcome(&mut self, tries: Option<Box<Tries>>) -> Outcome {
        // A panic is a bug that concerns this transfer; the others go on.
        let attempt = AssertUnwindSafe(self.attempt()).catch_unwind().await;
        let attempt =
            attempt.unwrap_or_else(|_| Err(StoreError::Broken("the attempt to drive it panicked".into())));
        let stuck = match attempt {
            Ok(TransferEnd::At(_)) => return Outcome::Ended,
            Ok(TransferEnd::Stuck(reason)) => Ok(reason),
            Err(error) => Err(error),
        };
        let mut tries = tries.unwrap_or_default();
        let reason = match stuck {
            Ok(reason) => {
                tries.note(reason.to_string(), self.ledger.now());
                reason.to_string()
            }
            Err(error) => match tries.failed(&error, self.ledger.now()) {
                Next::Again(pause) => {
                    tracing::debug!(stream = %self.stream, %error, ?pause, "a transfer is tried again later");
                    return Outcome::Again { tries, pause };
                }
                Next::GiveUp => error.to_string(),
            },
        };
        let parked = AssertUnwindSafe(self.park(&tries, reason)).catch_unwind().await;
        match parked.unwrap_or_else(|_| Err(StoreError::Broken("parking it panicked".into()))) {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::error!(stream = %self.stream, %error, "a transfer could not be parked");
                Outcome::Again { tries, pause: PARKING_RETRY }
            }
        }
    }

    async fn attempt(&mut self) -> Result<TransferEnd, StoreError> {
        let run = match &mut self.run {
            Some(run) => run,
            None => self.run.insert(self.ledger.transfer_run(&self.stream).await?),
        };
        run.process.resolution = self.resolution;
        self.ledger.drive(run).await
    }

    async fn park(&self, tries: &Tries, reason: String) -> Result<Outcome, StoreError> {
        // Another process may have brought it to its end meanwhile.
        let fresh = self.ledger.transfer_run(&self.stream).await?;
        if fresh.process.status() != TransferStatus::Pending {
            return Ok(Outcome::Ended);
        }
        let run = self.run.as_ref().unwrap_or(&fresh);
        let Some(step) = run.process.step_name() else { return Ok(Outcome::Ended) };
        let transfer = &run.process.transfer;
        let (attempts, history) = tries.report();
        tracing::error!(stream = %self.stream, %reason, attempts, "a transfer is parked: it cannot go on by itself");
        let parked = TransferParked {
            transfer_id: transfer.transfer_id,
            stream: self.stream.to_string(),
            from: transfer.from,
            to: transfer.to,
            amount: transfer.amount,
            step,
            reason,
            attempts,
            history,
        };
        let park = DeadLetterCommand::Park { parked, word: self.word };
        let context = Context { actor: ACTOR.into(), booked_at: self.ledger.now(), ..run.context.clone() };
        match self.ledger.dead_letter(&park, &context).await? {
            Ok(_) => Ok(Outcome::Parked),
            Err(rejection) => Err(StoreError::Broken(format!("parking was refused: {rejection}").into())),
        }
    }
}
