//! How far the read models are.

use std::collections::BTreeMap;

use async_graphql::{Context, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::big_int::BigInt;
use super::failure::Failure;
use super::scope::Scope;
use crate::read_models::projection::{self, RebuildPhase, RebuildRow, StopRow};

/// A projection: what keeps a read model up to date.
#[derive(SimpleObject)]
pub(super) struct Projection {
    /// Its name.
    name: String,
    /// Of its code; raised when its tables are built anew.
    version: i32,
    /// Position in the log of the last event it handled.
    position: BigInt,
    /// How far the end of the log is ahead of it, in positions; "0" when it has handled everything.
    lag: BigInt,
    /// How long ago the log recorded the first event that it has not handled; 0 when it has handled everything.
    lag_seconds: f64,
    /// Why it does not go on, if it has stopped. The others go on.
    stopped: Option<ProjectionStop>,
    /// How far the rebuild is that makes its rows anew, if one is under way.
    rebuilding: Option<ProjectionRebuild>,
}

/// Where and why a projection stopped. It tries again when its projector starts again, or when its rows were made anew.
#[derive(SimpleObject)]
struct ProjectionStop {
    /// Position of the event that it cannot take; everything before it is in its tables.
    position: BigInt,
    /// Why.
    reason: String,
    /// Since when.
    at: DateTime<Utc>,
}

/// A rebuild of a projection, perhaps of others together with it.
#[derive(Clone, SimpleObject)]
struct ProjectionRebuild {
    /// What it does; null while it waits for a projector.
    phase: Option<RebuildPhase>,
    /// How much of the log it has read, by position.
    percent: Option<f64>,
    /// Events it reads each second.
    events_per_second: Option<f64>,
    /// Until the log is read; null while that is not known.
    seconds_left: Option<f64>,
}

impl From<StopRow> for ProjectionStop {
    fn from(row: StopRow) -> Self {
        Self { position: BigInt(row.position()), reason: row.reason, at: row.stopped_at }
    }
}

impl From<&RebuildRow> for ProjectionRebuild {
    fn from(row: &RebuildRow) -> Self {
        Self {
            phase: row.phase,
            percent: row.percent,
            events_per_second: row.events_per_second,
            seconds_left: row.seconds_left,
        }
    }
}

/// Questions about projections.
#[derive(Default)]
pub(super) struct ProjectionQuery;

#[Object]
impl ProjectionQuery {
    /// The position up to which everything can be read. Ask for it first, in a request of its own, then read, then subscribe after it:
    /// nothing is missed.
    #[graphql(complexity = 10)]
    async fn position(&self, context: &Context<'_>) -> Result<BigInt, Failure> {
        Ok(BigInt(Scope::of(context)?.live.readable().await?))
    }

    /// Every projection, how far it is and what holds it up, for operators and auditors.
    #[graphql(complexity = "100 + child_complexity")]
    async fn projections(&self, context: &Context<'_>) -> Result<Vec<Projection>, Failure> {
        let scope = Scope::of(context)?;
        scope.require_everything()?;
        let databases = &scope.databases;
        let (rows, mut stops, rebuilds) = tokio::try_join!(
            projection::all(databases),
            projection::stops(databases),
            projection::rebuilds(databases)
        )?;
        let head = scope.live.head().await?;
        let now = Utc::now();
        // Most of them are at the same place.
        let mut behind_since = BTreeMap::new();
        for row in &rows {
            if let std::collections::btree_map::Entry::Vacant(place) = behind_since.entry(row.position()) {
                place.insert(scope.live.behind_since(row.position(), head).await?);
            }
        }
        let projections = rows.into_iter().map(|row| {
            let since = behind_since.get(&row.position()).copied().flatten();
            let stop = stops.iter().position(|stop| stop.projection == row.projection);
            Projection {
                version: row.version,
                position: BigInt(row.position()),
                lag: BigInt(head.saturating_sub(row.position())),
                lag_seconds: since.map_or(0.0, |since| (now - since).as_seconds_f64().max(0.0)),
                stopped: stop.map(|stop| stops.swap_remove(stop).into()),
                rebuilding: rebuilds
                    .iter()
                    .find(|rebuild| rebuild.projections.contains(&row.projection))
                    .map(ProjectionRebuild::from),
                name: row.projection,
            }
        });
        Ok(projections.collect())
    }
}
