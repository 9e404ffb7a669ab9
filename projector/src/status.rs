//! How far the projections have come, for health checks and metrics.

use std::time::Duration;

use chrono::{DateTime, Utc};
use ledger_core::Position;
use metrics::{Label, counter, gauge, histogram};
use tokio::sync::watch;

use crate::checkpoint::Place;
use crate::partition::{PARTITIONS, Partitions, Placement};
use crate::projections::{Part, Projection};

/// What a projector is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectorStatus {
    /// Whether it writes, and if not, what it waits for.
    pub phase: Phase,
    /// Which of the read models' databases it writes to.
    pub placement: Placement,
    /// One for each projection, once checkpoints were read.
    pub projections: Vec<ProjectionStatus>,
}

/// Where a projector stands in becoming the writer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Not connected to the database.
    #[default]
    Connecting,
    /// Other projectors hold every partition of the database.
    Waiting,
    /// This projector holds partitions, and writes to them.
    Writing,
}

/// One projection's progress, in the partitions that this projector holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectionStatus {
    /// The projection.
    pub name: &'static str,
    /// Its version.
    pub version: i32,
    /// Position of the last event in its tables: of the partition that is furthest back.
    pub position: Position,
    /// When the log recorded that event.
    pub recorded_at: Option<DateTime<Utc>>,
    /// True when that was the last event of the log at the time.
    pub caught_up: bool,
    /// Why it does not go on, if so.
    pub stopped: Option<Stopped>,
    /// True when its rows are of an older version, and newer ones are on their way.
    pub rebuilding: bool,
    placement: Placement,
    /// By partition, of those held.
    partitions: [Option<Reached>; PARTITIONS as usize],
}

/// How far a partition has come, and whether that was the end of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reached {
    place: Place,
    caught_up: bool,
}

/// Where and why a projection stopped. It tries again when the projector starts again, or when its rows were made anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The event it cannot take; every event before is in its tables.
    pub position: Position,
    /// Why.
    pub reason: String,
}

impl ProjectorStatus {
    /// True when this projector writes, or stands by for one that does, and no projection has stopped.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.phase != Phase::Connecting
            && self.projections.iter().all(|projection| projection.stopped.is_none())
    }

    fn find(&mut self, projection: &Projection) -> Option<&mut ProjectionStatus> {
        self.projections.iter_mut().find(|status| status.name == projection.name)
    }
}

impl ProjectionStatus {
    fn new(projection: &Projection, placement: Placement) -> Self {
        Self {
            placement,
            name: projection.name,
            version: projection.version,
            position: 0,
            recorded_at: None,
            caught_up: false,
            stopped: None,
            rebuilding: false,
            partitions: [None; PARTITIONS as usize],
        }
    }

    /// True unless it stopped, or waits for its rebuild.
    pub(crate) const fn goes_on(&self) -> bool {
        self.stopped.is_none() && !self.rebuilding
    }

    /// Takes note of how far some partitions have come.
    fn reach(&mut self, partitions: Partitions, reached: Reached) {
        for partition in partitions.iter() {
            if let Some(slot) = self.partitions.get_mut(usize::from(partition)) {
                *slot = Some(reached);
            }
        }
        let held = || self.partitions.iter().flatten();
        let back = held().map(|reached| reached.place).min_by_key(|place| place.position).unwrap_or_default();
        let caught_up = held().all(|reached| reached.caught_up);
        (self.position, self.recorded_at, self.caught_up) = (back.position, back.recorded_at, caught_up);
        position_gauge(labels(self.name, self.placement), self.position);
    }
}

/// Tells of a new session's start.
pub(crate) fn opened(status: &watch::Sender<ProjectorStatus>, places: &[(Part, Place)]) {
    let placement = status.borrow().placement;
    let mut projections: Vec<ProjectionStatus> = Vec::new();
    for (part, place) in places {
        let index = match projections.iter().position(|status| status.name == part.projection.name) {
            Some(index) => index,
            None => {
                gauge!("daybook_projection_stopped", labels(part.projection.name, placement)).set(0.0);
                projections.push(ProjectionStatus::new(part.projection, placement));
                projections.len().saturating_sub(1)
            }
        };
        if let Some(found) = projections.get_mut(index) {
            found.reach(part.partitions, Reached { place: *place, caught_up: false });
        }
    }
    status.send_replace(ProjectorStatus { phase: Phase::Writing, placement, projections });
}

/// Tells that `events` events more are in the tables of `parts`, up to `place`.
pub(crate) fn applied(
    status: &watch::Sender<ProjectorStatus>,
    parts: &[Part],
    place: Place,
    caught_up: bool,
    events: usize,
) {
    let placement = status.borrow().placement;
    for part in parts {
        let events = u64::try_from(events).unwrap_or(u64::MAX);
        counter!("daybook_projection_events_total", labels(part.projection.name, placement))
            .increment(events);
    }
    status.send_modify(|status| {
        for part in parts {
            if let Some(found) = status.find(part.projection) {
                found.reach(part.partitions, Reached { place, caught_up });
            }
        }
    });
}

/// Tells that a projection's rows are being made anew.
pub(crate) fn rebuilding(status: &watch::Sender<ProjectorStatus>, projection: &Projection) {
    status.send_modify(|status| {
        if let Some(found) = status.find(projection) {
            found.rebuilding = true;
        }
    });
}

/// Tells that a projection cannot go on.
pub(crate) fn stopped(status: &watch::Sender<ProjectorStatus>, projection: &Projection, stopped: Stopped) {
    let Stopped { position, reason } = &stopped;
    tracing::error!(
        projection = projection.name,
        position,
        reason,
        "projection stopped until the projector starts again or its rows are made anew"
    );
    gauge!("daybook_projection_stopped", labels(projection.name, status.borrow().placement)).set(1.0);
    status.send_modify(|status| {
        if let Some(found) = status.find(projection) {
            found.caught_up = false;
            found.stopped = Some(stopped);
        }
    });
}

/// Tells how long a batch took, and how many events were in it.
pub(crate) fn batch_took(duration: Duration, events: usize) {
    histogram!("daybook_projection_batch_seconds").record(duration.as_secs_f64());
    histogram!("daybook_projection_batch_events").record(u32::try_from(events).unwrap_or(u32::MAX));
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
fn position_gauge(labels: Vec<Label>, position: Position) {
    gauge!("daybook_projection_position", labels).set(position as f64);
}

/// A projection's, and its database's where there are several.
pub(crate) fn labels(projection: &'static str, placement: Placement) -> Vec<Label> {
    let mut labels = vec![Label::from_static_parts("projection", projection)];
    if !placement.is_alone() {
        labels.push(Label::new("database", placement.number().to_string()));
    }
    labels
}
