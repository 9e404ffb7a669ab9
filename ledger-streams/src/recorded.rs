//! An event as the log holds it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use ledger_core::{Event, Metadata, Position};
use uuid::Uuid;

/// A decoded event with its place and time.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The event's id.
    pub id: Uuid,
    /// The stream it is in.
    pub stream: Arc<str>,
    /// Its place in that stream, from 0.
    pub revision: u64,
    /// Its place in the log.
    pub position: Position,
    /// When the log recorded it.
    pub recorded_at: DateTime<Utc>,
    /// Who, why, and when in business time.
    pub metadata: Metadata<'static>,
    /// What happened.
    pub event: Event,
}
