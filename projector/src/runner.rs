//! The loop from events to rows.
//!
//! Parts of projections at the same place in the log form a group: one subscription, events decoded once, one transaction per batch. Usually
//! there is one group. A part that is new, or was stopped, starts in a group further back, reads on its own, and joins the group
//! ahead of it when it reaches its place.

use std::time::Duration;

use futures::future::select_all;
use ledger_core::Position;
use ledger_core::mutation::{Rule, is_broken};
use ledger_streams::{Batch, EventStore, Recorded, StoreError};
use sqlx::{Connection, PgConnection};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::checkpoint::{self, Place};
use crate::pace::Pace;
use crate::projections::{Events, Part};
use crate::reader::Reader;
use crate::shares::Shares;
use crate::{ApplyError, ProjectorError, ProjectorOptions, Stopped, status, stops};

/// No transaction takes this long, whatever the database's own time-outs say: its connection is dead.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(120);
/// Between two looks at who else projects into the database.
const SHARES_INTERVAL: Duration = Duration::from_secs(1);

/// Parts of projections at the same place.
struct Group {
    parts: Vec<Part>,
    place: Place,
    /// True when that was the end of the log.
    caught_up: bool,
    reader: Reader,
    pace: Pace,
}

/// Why projecting ended.
pub(crate) enum Ended {
    /// It was to.
    Shutdown,
    /// Tables and checkpoints were exchanged, or partitions came or went: where to go on must be looked at again.
    Changed,
}

/// Projects until `shutdown`. Returns an error only for what is not a projection's fault.
pub(crate) async fn run(
    db: &mut PgConnection,
    places: Vec<(Part, Place)>,
    store: &EventStore,
    options: &ProjectorOptions,
    exchanged: &Notify,
    shares: &mut Shares,
    shutdown: &CancellationToken,
) -> Result<Ended, ProjectorError> {
    let mut groups =
        group(places, |place| Reader::start(store.clone(), place.position, options.batch_events_max));
    let mut looks = interval_at(Instant::now() + SHARES_INTERVAL, SHARES_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let (index, read) = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(Ended::Shutdown),
            () = exchanged.notified() => return Ok(Ended::Changed),
            _ = looks.tick() => {
                if shares.settle(db).await? || stops::are_lifted(db, shares.held(), &options.status).await? {
                    return Ok(Ended::Changed);
                }
                continue;
            }
            next = next(&mut groups) => next,
        };
        let group = groups.remove(index);
        let batch = match read {
            Ok(batch) => batch,
            // The event itself is what this program cannot take; anything else may be mended without it.
            Err(error @ StoreError::Undecodable { .. }) => {
                group.stop(db, &error, options).await?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let started = Instant::now();
        let events = batch.events.len();
        if let Some(mut group) = step(db, group, batch, &mut groups, options).await? {
            group.pace.follow(events, started, options);
            // At the end, so that groups take turns.
            groups.push(group);
        }
        status::batch_took(started.elapsed(), events);
    }
}

fn group(places: Vec<(Part, Place)>, reader: impl Fn(Place) -> Reader) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (part, place) in places {
        match groups.iter_mut().find(|group| group.place.position == place.position) {
            Some(group) => part.join(&mut group.parts),
            None => groups.push(Group::new(part, place, reader(place))),
        }
    }
    groups
}

/// The next batch of any group, and which group's; never, when every projection has stopped.
async fn next(groups: &mut [Group]) -> (usize, Result<Batch, StoreError>) {
    if groups.is_empty() {
        return std::future::pending().await;
    }
    let (read, index, _) = select_all(groups.iter_mut().map(|group| Box::pin(group.next()))).await;
    (index, read)
}

/// Writes a group's batch. Returns the group if it goes on by itself: not if it joined another or if nothing is left of it.
async fn step(
    db: &mut PgConnection,
    mut group: Group,
    mut batch: Batch,
    others: &mut [Group],
    options: &ProjectorOptions,
) -> Result<Option<Group>, ProjectorError> {
    let from = group.place.position;
    check_order(from, &batch)?;
    // Not past the next group ahead, but up to it and into it.
    let ahead = others
        .iter_mut()
        .filter(|other| other.place.position > from && other.place.position <= batch.position)
        .min_by_key(|other| other.place.position);
    if let Some(ahead) = &ahead {
        batch.position = ahead.place.position;
        batch.events.truncate(batch.events.partition_point(|event| event.position <= batch.position));
        batch.caught_up = ahead.caught_up;
    }
    group.write(db, &batch, options).await?;
    match ahead {
        Some(ahead) => group.parts.into_iter().for_each(|part| part.join(&mut ahead.parts)),
        None if group.parts.is_empty() => {}
        None => return Ok(Some(group)),
    }
    Ok(None)
}

/// Every event must come after the one before it: one that comes twice would be counted twice.
pub(crate) fn check_order(from: Position, batch: &Batch) -> Result<(), ProjectorError> {
    let mut after = from;
    for event in batch.events.iter().filter(|_| !is_broken(Rule::BatchIsInOrder)) {
        if event.position <= after {
            return Err(ProjectorError::OutOfOrder { after, position: event.position });
        }
        after = event.position;
    }
    if batch.position < after || batch.position <= from {
        return Err(ProjectorError::OutOfOrder { after, position: batch.position });
    }
    Ok(())
}

impl Group {
    fn new(part: Part, place: Place, reader: Reader) -> Self {
        Self { parts: vec![part], place, caught_up: false, reader, pace: Pace::new() }
    }

    /// What comes next, when it may be written. Dropping the future loses nothing.
    async fn next(&mut self) -> Result<Batch, StoreError> {
        sleep_until(self.pace.next).await;
        self.reader.next().await
    }

    /// Writes a batch: in one transaction for all, or, if that fails, in one for each, so that only those stop that must.
    async fn write(
        &mut self,
        db: &mut PgConnection,
        batch: &Batch,
        options: &ProjectorOptions,
    ) -> Result<(), ApplyError> {
        let from = self.place.position;
        let events = Events::new(&batch.events, options.time_zone);
        let recorded_at = batch.events.last().map(|event| event.recorded_at).or(self.place.recorded_at);
        let to = Place { position: batch.position, recorded_at };
        match apply_batch(db, &self.parts, &events, from, to).await {
            Ok(()) => {}
            Err(error) if error.is_outage() => return Err(error),
            Err(error) => {
                tracing::debug!(%error, "batch failed; trying each projection alone");
                let mut healthy = Vec::new();
                for part in &self.parts {
                    match apply_alone(db, *part, &events, self.place, to).await? {
                        None => healthy.push(*part),
                        Some((good, stopped)) => {
                            if let Some(last) = events.first(good).events.last() {
                                status::applied(&options.status, &[*part], place_of(last), false, good);
                            }
                            status::stopped(&options.status, part.projection, stopped);
                        }
                    }
                }
                self.parts = healthy;
            }
        }
        (self.place, self.caught_up) = (to, batch.caught_up);
        status::applied(&options.status, &self.parts, to, batch.caught_up, batch.events.len());
        Ok(())
    }

    /// Stops every projection of the group at an event that cannot be read.
    async fn stop(
        self,
        db: &mut PgConnection,
        error: &StoreError,
        options: &ProjectorOptions,
    ) -> Result<(), sqlx::Error> {
        let position = match error {
            StoreError::Undecodable { position, .. } => *position,
            _ => self.place.position,
        };
        for part in self.parts {
            let stopped = Stopped { position, reason: error.to_string() };
            stop(db, part, part.projection.version, stopped, options).await?;
        }
        Ok(())
    }
}

/// Tells everywhere that a part does not go on, whose rows are of some version.
pub(crate) async fn stop(
    db: &mut PgConnection,
    part: Part,
    version: i32,
    stopped: Stopped,
    options: &ProjectorOptions,
) -> Result<(), sqlx::Error> {
    // First here: what the database does not hear is told all the same.
    status::stopped(&options.status, part.projection, stopped.clone());
    stops::note(db, part, version, &stopped).await
}

/// Applies events to parts of projections that are all at `from`, rows and checkpoints in one transaction.
///
/// # Errors
/// Those of the first projection that fails; then nothing is written.
pub async fn apply_batch(
    db: &mut PgConnection,
    parts: &[Part],
    events: &Events<'_>,
    from: Position,
    to: Place,
) -> Result<(), ApplyError> {
    let transaction = async {
        let mut transaction = db.begin().await?;
        checkpoint::advance(&mut transaction, parts, from, to).await?;
        if is_broken(Rule::CheckpointGoesWithRows) {
            transaction.commit().await?;
            transaction = db.begin().await?;
        }
        for part in parts {
            part.apply(events, &mut transaction).await?;
        }
        Ok(transaction.commit().await?)
    };
    timeout(TRANSACTION_TIMEOUT, transaction).await.unwrap_or(Err(ApplyError::TimedOut))
}

/// Applies events to one part; if it fails, those before the event that makes it fail. Then notes that it stopped, and returns how many these
/// are, and where and why it stopped.
async fn apply_alone(
    db: &mut PgConnection,
    part: Part,
    events: &Events<'_>,
    from: Place,
    to: Place,
) -> Result<Option<(usize, Stopped)>, ApplyError> {
    let mut error = match apply_batch(db, &[part], events, from.position, to).await {
        Ok(()) => return Ok(None),
        Err(error) if error.is_outage() => return Err(error),
        Err(error) => error,
    };
    // The first `good` events apply, the first `bad` do not: halve what is between until nothing is.
    let (mut good, mut bad) = (0_usize, events.events.len());
    while good.saturating_add(1) < bad {
        let middle = good.midpoint(bad);
        match try_apply(db, part, &events.first(middle)).await {
            Ok(()) => good = middle,
            Err(outage) if outage.is_outage() => return Err(outage),
            Err(nearer) => (bad, error) = (middle, nearer),
        }
    }
    let stopped = match events.events.get(good) {
        Some(event) => {
            let reason = format!("event {} of stream {}: {error}", event.revision, event.stream);
            Stopped { position: event.position, reason }
        }
        None => Stopped { position: to.position, reason: error.to_string() },
    };
    let left = events.first(good).events.last().map_or(from, place_of);
    // While the checkpoint is held nobody exchanges the tables: either these rows are the ones that do not take the event, or nothing is noted and
    // it is tried again.
    let transaction = async {
        let mut transaction = db.begin().await?;
        checkpoint::advance(&mut transaction, &[part], from.position, left).await?;
        part.apply(&events.first(good), &mut transaction).await?;
        let fails = match try_apply(&mut transaction, part, &events.only(good)).await {
            Err(outage) if outage.is_outage() => return Err(outage),
            tried => tried.is_err(),
        };
        if fails || events.events.is_empty() {
            stops::note(&mut transaction, part, part.projection.version, &stopped).await?;
        }
        Ok(transaction.commit().await?)
    };
    timeout(TRANSACTION_TIMEOUT, transaction).await.unwrap_or(Err(ApplyError::TimedOut))?;
    Ok(Some((good, stopped)))
}

/// Applies events to one part and takes it back.
async fn try_apply(db: &mut PgConnection, part: Part, events: &Events<'_>) -> Result<(), ApplyError> {
    let mut transaction = db.begin().await?;
    let result = part.apply(events, &mut transaction).await;
    transaction.rollback().await?;
    result
}

const fn place_of(event: &Recorded) -> Place {
    Place { position: event.position, recorded_at: Some(event.recorded_at) }
}

#[cfg(test)]
#[path = "runner_tests.rs"]
mod tests;
