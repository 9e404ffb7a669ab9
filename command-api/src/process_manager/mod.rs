//! The process manager's runner: events in, commands out, by way of [`ledger_core::transfer::process`].
//!
//! It follows the log, keeps in mind each transfer that has not ended ([`pending`]), and drives those of the partitions that it holds
//! ([`partition`]). What it knows it could fold from the log again: its checkpoint lies before the oldest transfer that has not ended, and on
//! start it reads on from there, acting only once it has seen everything there is to see.
//!
//! Any number of processes may run one: each partition of the transfers has a lease, and one process at a time has it. That saves work and
//! guards nothing: two drivers of one transfer are harmless, because each account answers a leg once.
//!
//! A transfer that fails is tried again, later and later ([`tries`]), and then parked as a dead letter. While it waits, it is in nobody's way.

mod driver;
mod partition;
mod pending;
mod tries;

use std::sync::Arc;

use ledger_core::Position;
use ledger_core::mutation::{Rule, is_broken};
use ledger_streams::{Ledger, StoreError, UndecodedBatch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use self::driver::{Driven, Driver, Outcome};
use self::partition::Partitions;
use self::pending::{State, Transfers};
use crate::{
    CHECKPOINT_EVERY_EVENTS, LEASE_LOOK_EVERY, PARKED_COUNT_EVERY, PARKED_COUNT_PAUSE, PENDING_MAX,
    PROCESS_BATCH_EVENTS, REST_MAX, STUCK_AFTER,
};

const SUBSCRIBER: &str = "process-manager";

/// Runs until shutdown, finishing what is being driven. Calls `ready` once: when it has seen all that the log had at its start.
///
/// # Errors
/// When the log cannot be read at all. An event that cannot be read concerns one transfer, and the others go on.
pub async fn run(
    ledger: Ledger,
    ready: impl FnOnce(),
    shutdown: CancellationToken,
) -> Result<(), StoreError> {
    let checkpoint = ledger.load_checkpoint(SUBSCRIBER).await?;
    let mut subscription = ledger.store().subscribe(Some(checkpoint));
    let everything = ledger.store().head().await?;
    let mut manager = ProcessManager::new(ledger, checkpoint, everything);
    let mut tick = interval(LEASE_LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ready = Some(ready);
    // There before the first one ends, too.
    metrics::counter!("daybook_transfers_ended_total").increment(0);
    loop {
        if manager.caught_up
            && let Some(ready) = ready.take()
        {
            ready();
        }
        let wake = manager.transfers.next_wake();
        // In this order, so that what is finished makes room before more is learned, and one run is like another.
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            () = manager.partitions.attended() => {}
            Some(driven) = manager.driving.join_next() => manager.driven(driven),
            Some(counted) = manager.counting.join_next() => manager.counted(counted.ok().and_then(Result::ok)),
            () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => manager.transfers.wake(),
            _ = tick.tick() => manager.look_around(),
            batch = subscription.next_undecoded(PROCESS_BATCH_EVENTS), if manager.has_room() => manager.learn(batch?),
        }
        manager.drive_ready();
        manager.save_if_due().await?;
    }
    while let Some(driven) = manager.driving.join_next().await {
        manager.driven(driven);
    }
    manager.partitions.release().await;
    manager.save().await
}

struct ProcessManager {
    ledger: Ledger,
    transfers: Transfers,
    partitions: Partitions,
    driving: JoinSet<Driven>,
    /// Beside the rest: it waits while another part of this process speaks of parked transfers.
    counting: JoinSet<Result<usize, StoreError>>,
    /// Everything up to here was read.
    position: Position,
    saved: Position,
    events_since_saved: u64,
    /// The log's end at the start. Until all up to there was seen, a transfer may have ended further on: nothing is driven.
    everything: Position,
    caught_up: bool,
    /// When parked transfers are counted again.
    recount_at: Instant,
    /// Not before this.
    recount_from: Instant,
}

impl ProcessManager {
    fn new(ledger: Ledger, checkpoint: Position, everything: Position) -> Self {
        Self {
            partitions: Partitions::new(&ledger),
            ledger,
            transfers: Transfers::default(),
            driving: JoinSet::new(),
            counting: JoinSet::new(),
            position: checkpoint,
            saved: checkpoint,
            events_since_saved: 0,
            everything,
            caught_up: checkpoint >= everything,
            recount_at: Instant::now(),
            recount_from: Instant::now(),
        }
    }

    fn has_room(&self) -> bool {
        self.transfers.len() < PENDING_MAX
    }

    fn learn(&mut self, batch: UndecodedBatch) {
        self.position = batch.position;
        self.events_since_saved = self.events_since_saved.saturating_add(batch.events.len() as u64);
        for event in batch.events {
            if self.transfers.learn(event) {
                self.recount_at = self.recount_from;
            }
        }
        if !self.caught_up && self.position >= self.everything {
            self.caught_up = true;
            tracing::info!(transfers = self.transfers.len(), "the process manager has caught up");
        }
        metrics::gauge!("daybook_transfers_pending").set(self.transfers.len() as f64);
    }

    /// What rests has lost its driver: a crash between two events, a client that went away. And what has waited too long is counted.
    fn look_around(&mut self) {
        if self.caught_up || !self.has_room() {
            self.transfers.take_up_resting(REST_MAX);
        }
        let (stuck, oldest) = self.transfers.older_than(STUCK_AFTER, self.ledger.now());
        metrics::gauge!("daybook_transfers_stuck").set(stuck as f64);
        metrics::gauge!("daybook_transfers_oldest_seconds").set(oldest.as_secs_f64());
        if self.counting.is_empty() && self.recount_at <= Instant::now() {
            // Now and then also unasked: one may end without a word, by a driver that slept or in another process.
            self.recount_at = Instant::now() + PARKED_COUNT_EVERY;
            self.recount_from = Instant::now() + PARKED_COUNT_PAUSE;
            let ledger = self.ledger.clone();
            self.counting.spawn(async move { ledger.parked_transfers().await });
        }
    }

    fn counted(&mut self, parked: Option<usize>) {
        match parked {
            Some(parked) => metrics::gauge!("daybook_dead_letters").set(parked as f64),
            // Counted again soon.
            None => self.recount_at = self.recount_from,
        }
    }

    /// Drives what is ready, in the partitions that are this process's, as many at a time as there are places.
    fn drive_ready(&mut self) {
        if !self.caught_up && self.has_room() {
            return;
        }
        for (partition, stream) in self.partitions.choose(&mut self.transfers) {
            let Some(pending) = self.transfers.get_mut(&stream) else { continue };
            // A request that drives its own transfer to the end holds the claim.
            let Some(claim) = self.ledger.claim(&stream) else {
                pending.state = State::Resting { since: Instant::now() };
                continue;
            };
            pending.state = State::Driven;
            let driver = Driver {
                ledger: self.ledger.clone(),
                stream: Arc::clone(&stream),
                run: pending.run.clone(),
                resolution: pending.resolution,
                word: pending.word,
            };
            self.partitions.began(partition);
            self.driving.spawn(driver.drive(claim, pending.tries.take()));
        }
    }

    fn driven(&mut self, driven: Result<Driven, JoinError>) {
        // A driver takes a panic for a failure; what is left is a runtime that shuts down.
        let Ok(Driven { stream, run, outcome }) = driven else { return };
        self.partitions.finished(&stream);
        // Not there any more: the log was faster to tell. In another state: an operator was.
        let Some(pending) = self.transfers.get_mut(&stream) else { return };
        if pending.state != State::Driven {
            return;
        }
        pending.run = run.or_else(|| pending.run.take());
        match outcome {
            Outcome::Ended => self.transfers.remove(&stream),
            // The log says so, too, and in which order with an operator's word.
            Outcome::Parked => pending.state = State::Resting { since: Instant::now() },
            Outcome::Again { tries, pause } => {
                pending.tries = Some(tries);
                self.transfers.wait(&stream, pause);
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
        let oldest = self.transfers.oldest().filter(|_| !is_broken(Rule::CheckpointWaitsForPending));
        let position = oldest.map_or(self.position, |oldest| oldest.saturating_sub(1)).min(self.position);
        if position == self.saved {
            return Ok(());
        }
        self.ledger.save_checkpoint(SUBSCRIBER, position).await?;
        self.saved = position;
        Ok(())
    }
}
