//! What every event says of itself beside its data.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Event metadata, as JSON in the event's metadata field. The `$` names are EventStoreDB's own conventions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Metadata<'a> {
    /// What the event belongs to: the transfer's stream, or the event's own stream when no transfer is involved.
    #[serde(rename = "$correlationId", borrow)]
    pub correlation_id: Cow<'a, str>,
    /// The id (UUID) of the event that caused this one; absent when a request did.
    #[serde(rename = "$causationId", borrow, default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<Cow<'a, str>>,
    /// Who asked: `role:subject`.
    #[serde(borrow)]
    pub actor: Cow<'a, str>,
    /// Business time. Months, statements and balances as of a date follow it; the store's own time is `recorded_at`.
    pub booked_at: DateTime<Utc>,
    /// Version of the event's schema, from 1.
    pub version: u16,
}

impl Metadata<'_> {
    /// The same, owning its text.
    #[must_use]
    pub fn into_owned(self) -> Metadata<'static> {
        Metadata {
            correlation_id: self.correlation_id.into_owned().into(),
            causation_id: self.causation_id.map(|id| id.into_owned().into()),
            actor: self.actor.into_owned().into(),
            booked_at: self.booked_at,
            version: self.version,
        }
    }
}
