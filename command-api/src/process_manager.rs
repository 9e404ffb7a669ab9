//! The process manager's runner: events in, commands out, by way of [`ledger_core::transfer::process`].
//!
//! It follows the log, keeps in mind each transfer that has not ended, and drives those that nobody else drives. What it knows it could
//! fold from the log again: its checkpoint lies before the oldest transfer that has not ended, and on start it reads on from there,
//! acting only once it has seen everything there is to see.
//!
//! Any number of processes may run one. A transfer's id names the process that took it on, and that one drives it; the others only take it
//! up when it has rested for a while. That saves work and guards nothing: two drivers of one transfer are harmless, because each account
//! answers a leg once.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use chrono::{DateTime, TimeDelta, Utc};
use ledger_core::transfer::TransferEvent;
use ledger_core::transfer::process::Stage;
use ledger_core::{Event, Position, stream};
use ledger_streams::{
    Ledger, RETRY_DELAY_MAX, RETRY_DELAY_MIN, StoreError, TransferEnd, TransferRun, Undecoded, UndecodedBatch,
};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    CHECKPOINT_EVERY_EVENTS, DRIVEN_MAX, OTHERS_REST_MAX, PENDING_MAX, PROCESS_BATCH_EVENTS, REST_MAX,
};

const SUBSCRIBER: &str = "process-manager";

/// Runs until shutdown, finishing what is being driven. Calls `ready` once: when it has seen all that the log had at its start.
///
/// # Errors
/// When the log cannot be read ([`StoreError::Undecodable`], [`StoreError::Broken`]); it must not go on past what it cannot read.
pub async fn run(
    ledger: Ledger,
    ready: impl FnOnce(),
    shutdown: CancellationToken,
) -> Result<(), StoreError> {
    let checkpoint = ledger.load_checkpoint(SUBSCRIBER).await?;
    let mut subscription = ledger.store().subscribe(Some(checkpoint));
    let everything = ledger.store().head().await?;
    let mut manager = ProcessManager::new(ledger, checkpoint, everything);
    let mut rest = tokio::time::interval(REST_MAX);
    let mut ready = Some(ready);
    loop {
        if manager.caught_up
            && let Some(ready) = ready.take()
        {
            ready();
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            batch = subscription.next_undecoded(PROCESS_BATCH_EVENTS), if manager.has_room() => manager.learn(batch?)?,
            Some(driven) = manager.driving.join_next_with_id() => manager.driven(driven),
            _ = rest.tick() => manager.take_up_resting(),
        }
        manager.drive_ready();
        manager.save_if_due().await?;
    }
    while let Some(driven) = manager.driving.join_next_with_id().await {
        manager.driven(driven);
    }
    manager.save().await
}

struct ProcessManager {
    ledger: Ledger,
    /// Transfers that have not ended, by stream.
    pending: HashMap<Arc<str>, Pending>,
    /// Transfers to be driven next.
    ready: VecDeque<Arc<str>>,
    driving: JoinSet<Result<TransferEnd, StoreError>>,
    /// Which transfer each driver drives.
    drivers: HashMap<Id, Arc<str>>,
    /// Everything up to here was read.
    position: Position,
    saved: Position,
    events_since_saved: u64,
    /// The log's end at the start. Until all up to there was seen, a transfer may have ended further on: nothing is driven.
    everything: Position,
    caught_up: bool,
}

struct Pending {
    run: TransferRun,
    /// When it came to be known here, or was driven last.
    since: Instant,
    requested_at: DateTime<Utc>,
    /// How long it is left alone.
    rest: Duration,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody here drives it.
    Resting,
    /// In line to be driven.
    Ready,
    /// Being driven.
    Driven,
    /// No rule says how to go on.
    Stuck,
}

impl ProcessManager {
    fn new(ledger: Ledger, checkpoint: Position, everything: Position) -> Self {
        Self {
            ledger,
            pending: HashMap::new(),
            ready: VecDeque::new(),
            driving: JoinSet::new(),
            drivers: HashMap::new(),
            position: checkpoint,
            saved: checkpoint,
            events_since_saved: 0,
            everything,
            caught_up: checkpoint >= everything,
        }
    }

    fn has_room(&self) -> bool {
        self.pending.len() < PENDING_MAX
    }

    fn learn(&mut self, batch: UndecodedBatch) -> Result<(), StoreError> {
        self.position = batch.position;
        self.events_since_saved += batch.events.len() as u64;
        for event in batch.events {
            if event.stream().starts_with(stream::TRANSFER) {
                self.learn_of_transfer(event)?;
            } else if event.stream().starts_with(stream::ACCOUNT) {
                self.learn_of_account(event)?;
            }
        }
        if !self.caught_up && self.position >= self.everything {
            self.caught_up = true;
            tracing::info!(transfers = self.pending.len(), "the process manager has caught up");
            let now = Utc::now();
            self.take_up(|pending| {
                now - pending.requested_at >= TimeDelta::from_std(pending.rest).unwrap_or_default()
            });
        }
        metrics::gauge!("daybook_transfers_pending").set(self.pending.len() as f64);
        Ok(())
    }

    /// A transfer's own stream begins with its request; whatever follows ends it.
    fn learn_of_transfer(&mut self, event: Undecoded) -> Result<(), StoreError> {
        if event.revision() > 0 {
            self.pending.remove(event.stream());
            return Ok(());
        }
        let recorded = event.decode()?;
        if let Event::Transfer(TransferEvent::Requested(requested)) = &recorded.event {
            let run = TransferRun::of(&recorded, requested);
            let rest = if self.ledger.made(requested.transfer_id) { REST_MAX } else { OTHERS_REST_MAX };
            let (since, requested_at) = (Instant::now(), recorded.recorded_at);
            let pending = Pending { run, since, requested_at, rest, state: State::Resting };
            self.pending.insert(Arc::clone(&recorded.stream), pending);
        }
        Ok(())
    }

    /// A leg is news only while nobody here drives its transfer.
    fn learn_of_account(&mut self, event: Undecoded) -> Result<(), StoreError> {
        let Some(pending) = self.pending.get_mut(event.correlation_id()?.as_ref()) else { return Ok(()) };
        if pending.state == State::Driven {
            return Ok(());
        }
        pending.run.evolve(&event.decode()?);
        // Somebody drives it.
        pending.since = Instant::now();
        // Nobody answers a request but its own command: it is left alone, unless it comes to rest. So is another process's transfer.
        let to_do = pending.run.process.stage != Stage::Requested;
        let ours = self.ledger.made(pending.run.process.transfer.transfer_id);
        if to_do && ours && self.caught_up && pending.state == State::Resting {
            pending.state = State::Ready;
            self.ready.push_back(Arc::clone(pending.run.stream()));
        }
        Ok(())
    }

    /// What rests has lost its driver: a crash between two events, a client that went away.
    fn take_up_resting(&mut self) {
        if !self.caught_up && self.has_room() {
            return;
        }
        self.take_up(|pending| pending.since.elapsed() >= pending.rest);
    }

    fn take_up(&mut self, wanted: impl Fn(&Pending) -> bool) {
        for (stream, pending) in &mut self.pending {
            if pending.state == State::Resting && wanted(pending) {
                pending.state = State::Ready;
                self.ready.push_back(Arc::clone(stream));
            }
        }
    }

    fn drive_ready(&mut self) {
        while self.driving.len() < DRIVEN_MAX
            && let Some(stream) = self.ready.pop_front()
        {
            let Some(pending) = self.pending.get_mut(&stream) else { continue };
            // A request that drives its own transfer to the end holds the claim.
            let Some(claim) = self.ledger.claim(&stream) else {
                pending.state = State::Resting;
                continue;
            };
            pending.state = State::Driven;
            let (ledger, run) = (self.ledger.clone(), pending.run.clone());
            let driver = self.driving.spawn(async move {
                let _claim = claim;
                drive(&ledger, run).await
            });
            self.drivers.insert(driver.id(), stream);
        }
    }

    fn driven(&mut self, driven: Result<(Id, Result<TransferEnd, StoreError>), JoinError>) {
        let (id, end) = match driven {
            Ok((id, end)) => (id, end),
            Err(error) => (error.id(), Err(StoreError::Unavailable(error.to_string().into()))),
        };
        if let Some(stream) = self.drivers.remove(&id) {
            self.ended(&stream, end);
        }
    }

    fn ended(&mut self, stream: &Arc<str>, end: Result<TransferEnd, StoreError>) {
        match end {
            Ok(TransferEnd::At(_)) => {
                self.pending.remove(stream);
            }
            Ok(TransferEnd::Stuck(reason)) => {
                tracing::error!(%stream, %reason, "a transfer is stuck: no rule says how to go on");
                if let Some(pending) = self.pending.get_mut(stream) {
                    pending.state = State::Stuck;
                }
            }
            Err(error) => {
                tracing::error!(%stream, %error, "a transfer could not be driven on");
                if let Some(pending) = self.pending.get_mut(stream) {
                    pending.state = State::Resting;
                    pending.since = Instant::now();
                }
            }
        }
    }

    async fn save_if_due(&mut self) -> Result<(), StoreError> {
        if self.events_since_saved < CHECKPOINT_EVERY_EVENTS {
            return Ok(());
        }
        match self.save().await {
            // A place not saved costs some reading at the next start, no more.
            Err(error) if error.is_transient() => Ok(()),
            result => result,
        }
    }

    async fn save(&mut self) -> Result<(), StoreError> {
        self.events_since_saved = 0;
        let oldest = self.pending.values().map(|pending| pending.run.process.requested_at).min();
        let position = oldest.map_or(self.position, |oldest| oldest.saturating_sub(1)).min(self.position);
        if position == self.saved {
            return Ok(());
        }
        self.ledger.save_checkpoint(SUBSCRIBER, position).await?;
        self.saved = position;
        Ok(())
    }
}

/// Drives one transfer to its end, waiting out what passes by itself.
async fn drive(ledger: &Ledger, run: TransferRun) -> Result<TransferEnd, StoreError> {
    let backoff = ExponentialBuilder::default()
        .with_min_delay(RETRY_DELAY_MIN)
        .with_max_delay(RETRY_DELAY_MAX)
        .with_jitter()
        .without_max_times();
    let attempt = || {
        let mut run = run.clone();
        async move { ledger.drive(&mut run).await }
    };
    attempt.retry(backoff).when(StoreError::is_transient).await
}
