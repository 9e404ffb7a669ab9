//! From the log into new tables: one reader that decodes, several workers that fold and write, each in its own partitions.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use ledger_core::Position;
use ledger_streams::{Batch, EventStore};
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::limits::{BATCH_EVENTS, CHUNK_EVENTS, LIVE_LAG_MAX, PAUSE, PAUSE_MAX, WORKERS_MAX};
use super::progress::Meter;
use super::{Context, RebuildError, close, tables};
use crate::ProjectorStatus;
use crate::checkpoint::{self, Checkpoint, Place};
use crate::partition::Partitions;
use crate::projections::{Events, Part, Projection};
use crate::runner::{apply_batch, check_order};

/// Tables that are filled.
pub(super) struct Build {
    workers: Vec<Worker>,
    store: EventStore,
    meter: Arc<Meter>,
    live: watch::Receiver<ProjectorStatus>,
}

impl Build {
    /// Goes on with the tables of a schema, from their checkpoints or from the log's beginning.
    pub(super) async fn open(
        context: &Context<'_>,
        schema: &str,
        projections: &[&'static Projection],
        meter: &Arc<Meter>,
    ) -> Result<Self, RebuildError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let all: Vec<u8> = Partitions::living_in(context.options.placement).iter().collect();
        let count = cores.min(WORKERS_MAX).min(all.len()).max(1);
        let mut workers = Vec::with_capacity(count);
        for number in 0..count {
            let partitions: Partitions = all.iter().copied().skip(number).step_by(count).collect();
            let parts: Vec<Part> = projections
                .iter()
                .filter_map(|projection| Part::whole(projection).within(partitions))
                .collect();
            let mut db = tables::connect_to(context.database_url, schema).await?;
            let shares = checkpoint::load(&mut db, &parts).await?;
            workers.push(Worker { db, shares, time_zone: context.options.time_zone });
        }
        let live = context.options.status.subscribe();
        Ok(Self { workers, store: context.store.clone(), meter: Arc::clone(meter), live })
    }

    /// Where each partition is.
    fn shares(&self) -> impl Iterator<Item = &Checkpoint> {
        self.workers.iter().flat_map(|worker| &worker.shares)
    }

    /// True when a partition is past its goal.
    pub(super) fn is_ahead_of(&self, goals: &[Checkpoint]) -> bool {
        self.shares().any(|share| share.place.position > goal_of(share, goals).position)
    }

    /// Applies the log up to the goals, each partition exactly to its own.
    pub(super) async fn advance(&mut self, goals: Vec<Checkpoint>) -> Result<(), RebuildError> {
        let behind = self.shares().filter(|share| share.place.position < goal_of(share, &goals).position);
        let ends: Vec<_> =
            behind.map(|share| (share.place.position, goal_of(share, &goals).position)).collect();
        let (Some(from), Some(to)) =
            (ends.iter().map(|(from, _)| *from).min(), ends.iter().map(|(_, to)| *to).max())
        else {
            return Ok(());
        };
        self.meter.goal(from, to);
        let goals = Arc::new(goals);
        let (mut senders, mut tasks) = (Vec::new(), Vec::new());
        for worker in self.workers.drain(..) {
            let (sender, batches) = mpsc::channel(1);
            senders.push(sender);
            let work = worker.follow(batches, Arc::clone(&goals));
            tasks.push(AbortOnDropHandle::new(tokio::spawn(work)));
        }
        let live_first = LiveFirst { store: self.store.clone(), live: self.live.clone() };
        let read = read(self.store.clone(), from, to, senders, Arc::clone(&self.meter), live_first);
        let reader = AbortOnDropHandle::new(tokio::spawn(read));
        let mut result = Ok(());
        for task in tasks {
            let (worker, ended) = task.await.map_err(|error| RebuildError::Refused(error.to_string()))?;
            self.workers.push(worker);
            result = result.and(ended);
        }
        // A worker's failure is the cause of the reader's end, not the other way round.
        result?;
        reader.await.map_err(|error| RebuildError::Refused(error.to_string()))?
    }

    /// Runs statements in any order, as many at a time as there are workers.
    pub(super) async fn run(&mut self, statements: Vec<String>) -> Result<(), RebuildError> {
        let queue = Mutex::new(VecDeque::from(statements));
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let runs = self.workers.iter_mut().map(async |worker| {
            while let Some(statement) = next() {
                tracing::debug!(statement, "rebuild");
                worker.db.execute(AssertSqlSafe(statement)).await?;
            }
            Ok::<(), sqlx::Error>(())
        });
        futures::future::try_join_all(runs).await?;
        Ok(())
    }

    /// Ends its connections.
    pub(super) async fn close(self) {
        for worker in self.workers {
            close(worker.db).await;
        }
    }
}

/// Where the live tables are in a partition; before the beginning where they are not.
fn goal_of(share: &Checkpoint, goals: &[Checkpoint]) -> Place {
    let same = |goal: &&Checkpoint| {
        goal.part.projection.name == share.part.projection.name
            && goal.part.partitions == share.part.partitions
    };
    goals.iter().find(same).map(|goal| goal.place).unwrap_or_default()
}

/// One connection and the partitions that it fills.
struct Worker {
    db: PgConnection,
    /// One for each partition of each projection.
    shares: Vec<Checkpoint>,
    time_zone: Tz,
}

/// Parts that go from one place to another together.
struct Step {
    from: Place,
    to: Place,
    parts: Vec<Part>,
}

impl Worker {
    async fn follow(
        mut self,
        mut batches: mpsc::Receiver<Arc<Batch>>,
        goals: Arc<Vec<Checkpoint>>,
    ) -> (Self, Result<(), RebuildError>) {
        while let Some(batch) = batches.recv().await {
            if let Err(error) = self.apply(&batch, &goals).await {
                return (self, Err(error));
            }
        }
        (self, Ok(()))
    }

    /// Usually one transaction. After an interruption partitions may be apart.
    async fn apply(&mut self, batch: &Batch, goals: &[Checkpoint]) -> Result<(), RebuildError> {
        for step in self.steps(batch, goals) {
            let until = |position| batch.events.partition_point(|event| event.position <= position);
            let events = batch.events.get(until(step.from.position)..until(step.to.position));
            let events = Events::new(events.unwrap_or_default(), self.time_zone);
            apply_batch(&mut self.db, &step.parts, &events, step.from.position, step.to).await?;
            for share in self.shares.iter_mut().filter(|share| step.moves(share)) {
                share.place = step.to;
            }
        }
        Ok(())
    }

    fn steps(&self, batch: &Batch, goals: &[Checkpoint]) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for share in &self.shares {
            let (from, goal) = (share.place, goal_of(share, goals));
            if from.position >= goal.position.min(batch.position) {
                continue;
            }
            let to = if goal.position <= batch.position {
                goal
            } else {
                let recorded_at = batch.events.last().map(|event| event.recorded_at).or(from.recorded_at);
                Place { position: batch.position, recorded_at }
            };
            match steps.iter_mut().find(|step| step.from == from && step.to == to) {
                Some(step) => share.part.join(&mut step.parts),
                None => steps.push(Step { from, to, parts: vec![share.part] }),
            }
        }
        steps
    }
}

impl Step {
    fn moves(&self, share: &Checkpoint) -> bool {
        share.place == self.from
            && self.parts.iter().any(|part| {
                part.projection.name == share.part.projection.name
                    && !part.partitions.and(share.part.partitions).is_empty()
            })
    }
}

/// Reads and decodes what comes after `from`, up to and with `to`, for all workers.
async fn read(
    store: EventStore,
    from: Position,
    to: Position,
    workers: Vec<mpsc::Sender<Arc<Batch>>>,
    meter: Arc<Meter>,
    live_first: LiveFirst,
) -> Result<(), RebuildError> {
    let mut subscription = store.subscribe((from > 0).then_some(from));
    let (mut events, mut after) = (Vec::new(), from);
    loop {
        let mut chunk = subscription.next(CHUNK_EVENTS).await?;
        let is_last = chunk.position >= to;
        chunk.events.truncate(chunk.events.partition_point(|event| event.position <= to));
        meter.read(chunk.events.len(), chunk.position);
        events.append(&mut chunk.events);
        if !is_last && events.len() < BATCH_EVENTS {
            continue;
        }
        let batch = Batch { events, position: chunk.position.min(to), caught_up: is_last };
        check_order(after, &batch)?;
        (events, after) = (Vec::with_capacity(BATCH_EVENTS), batch.position);
        let batch = Arc::new(batch);
        for worker in &workers {
            // It has failed, and says so.
            if worker.send(Arc::clone(&batch)).await.is_err() {
                return Ok(());
            }
        }
        if is_last {
            return Ok(());
        }
        live_first.wait().await?;
    }
}

/// Lets the live projections of this process go first.
struct LiveFirst {
    store: EventStore,
    live: watch::Receiver<ProjectorStatus>,
}

impl LiveFirst {
    async fn wait(&self) -> Result<(), RebuildError> {
        let started = Instant::now();
        let head = self.store.head().await?;
        while self.is_late(head) && started.elapsed() < PAUSE_MAX {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// True when the log has events for a live projection that wait for more than a moment.
    fn is_late(&self, head: Position) -> bool {
        let now = Utc::now();
        let late =
            |recorded_at: DateTime<Utc>| (now - recorded_at).to_std().is_ok_and(|lag| lag > LIVE_LAG_MAX);
        self.live.borrow().projections.iter().any(|projection| {
            projection.goes_on() && projection.position < head && projection.recorded_at.is_some_and(late)
        })
    }
}
