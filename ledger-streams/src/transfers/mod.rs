//! Transfers, from request to end.

mod drive;
mod request;

use std::collections::HashSet;
use std::sync::Arc;

use ledger_core::transfer::process::Process;
use ledger_core::transfer::{TransferEvent, TransferRequested, TransferStatus};
use ledger_core::{AccountId, Event, Money, Position, Rejection, TransferId, stream};

use crate::codec::{Context, Draft, decode_all};
use crate::{Ledger, Recorded, StoreError};

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
}

impl Ledger {
    /// What a transfer's own stream says of it. How far its accounts have come shows when it is driven.
    ///
    /// # Errors
    /// From reading the stream; [`StoreError::Missing`] when there is none.
    pub async fn transfer_run(&self, stream: &Arc<str>) -> Result<TransferRun, StoreError> {
        let history = decode_all(self.store().read_stream(stream, 0).await?)?;
        let Some((first, later)) = history.split_first() else {
            return Err(StoreError::Missing(Arc::clone(stream)));
        };
        let Event::Transfer(TransferEvent::Requested(requested)) = &first.event else {
            return Err(StoreError::Broken(format!("{stream} does not begin with its request").into()));
        };
        let mut run = TransferRun::of(first, requested);
        later.iter().for_each(|recorded| run.evolve(recorded));
        Ok(run)
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
