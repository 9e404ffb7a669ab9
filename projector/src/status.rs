//! How far the projections have come, for health checks and metrics.

use std::time::Duration;

use chrono::{DateTime, Utc};
use ledger_core::Position;
use metrics::{counter, gauge, histogram};
use tokio::sync::watch;

use crate::checkpoint::Place;
use crate::projections::Projection;

/// What a projector is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectorStatus {
    /// Whether it writes, and if not, what it waits for.
    pub phase: Phase,
    /// One for each projection, once checkpoints were read.
    pub projections: Vec<ProjectionStatus>,
}

/// Where a projector stands in becoming the writer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Not connected to the database.
    #[default]
    Connecting,
    /// Another projector holds the database.
    Waiting,
    /// This projector holds the database and writes to it.
    Writing,
}

/// One projection's progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectionStatus {
    /// The projection.
    pub name: &'static str,
    /// Its version.
    pub version: i32,
    /// Position of the last event in its tables.
    pub position: Position,
    /// When the log recorded that event.
    pub recorded_at: Option<DateTime<Utc>>,
    /// True when that was the last event of the log at the time.
    pub caught_up: bool,
    /// Why it does not go on, if so.
    pub stopped: Option<Stopped>,
}

/// Where and why a projection stopped. It tries again when the projector starts again.
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

/// Tells of a new session's start.
pub(crate) fn opened(status: &watch::Sender<ProjectorStatus>, places: &[(&'static Projection, Place)]) {
    let projections = places.iter().map(|(projection, place)| {
        gauge!("daybook_projection_stopped", "projection" => projection.name).set(0.0);
        position_gauge(projection, place.position);
        ProjectionStatus {
            name: projection.name,
            version: projection.version,
            position: place.position,
            recorded_at: place.recorded_at,
            caught_up: false,
            stopped: None,
        }
    });
    let projections = projections.collect();
    status.send_replace(ProjectorStatus { phase: Phase::Writing, projections });
}

/// Tells that `events` events more are in the tables of `projections`, up to `place`.
pub(crate) fn applied(
    status: &watch::Sender<ProjectorStatus>,
    projections: &[&Projection],
    place: Place,
    caught_up: bool,
    events: usize,
) {
    for projection in projections {
        position_gauge(projection, place.position);
        let events = u64::try_from(events).unwrap_or(u64::MAX);
        counter!("daybook_projection_events_total", "projection" => projection.name).increment(events);
    }
    status.send_modify(|status| {
        for projection in projections {
            if let Some(found) = status.find(projection) {
                found.position = place.position;
                found.recorded_at = place.recorded_at;
                found.caught_up = caught_up;
            }
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
        "projection stopped until the projector starts again"
    );
    gauge!("daybook_projection_stopped", "projection" => projection.name).set(1.0);
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
fn position_gauge(projection: &Projection, position: Position) {
    gauge!("daybook_projection_position", "projection" => projection.name).set(position as f64);
}
