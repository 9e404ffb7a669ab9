//! What processes answer, as far as it is shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// What `/health/ready` says.
#[derive(Debug, Deserialize)]
pub(super) struct Health {
    pub(super) position: Option<u64>,
    #[serde(default)]
    pub(super) roles: Vec<String>,
    pub(super) components: BTreeMap<String, Component>,
}

/// A part of a process.
#[derive(Debug, Deserialize)]
pub(super) struct Component {
    pub(super) status: String,
    pub(super) reason: Option<String>,
}

/// What GraphQL answers.
#[derive(Debug, Deserialize)]
pub(super) struct Answer<T> {
    pub(super) data: Option<T>,
    #[serde(default)]
    pub(super) errors: Vec<QueryError>,
}

#[derive(Debug, Deserialize)]
pub(super) struct QueryError {
    pub(super) message: String,
}

pub(super) const PROJECTIONS: &str = "{ projections { name version position lag lagSeconds
    stopped { position reason at } rebuilding { phase percent eventsPerSecond secondsLeft } } }";

#[derive(Debug, Deserialize)]
pub(super) struct Projections {
    pub(super) projections: Vec<Projection>,
}

/// A projection; the names are GraphQL's when it is read.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Projection {
    pub(super) name: String,
    pub(super) version: i32,
    #[serde(deserialize_with = "number")]
    pub(super) position: u64,
    #[serde(deserialize_with = "number")]
    pub(super) lag: u64,
    #[serde(alias = "lagSeconds")]
    pub(super) lag_seconds: f64,
    /// Of the last moment; known when its projector was asked.
    #[serde(default)]
    pub(super) events_per_second: Option<f64>,
    pub(super) stopped: Option<Stopped>,
    pub(super) rebuilding: Option<Rebuilding>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Stopped {
    #[serde(deserialize_with = "number")]
    pub(super) position: u64,
    pub(super) reason: String,
    pub(super) at: String,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Rebuilding {
    pub(super) phase: Option<String>,
    pub(super) percent: Option<f64>,
    #[serde(alias = "eventsPerSecond")]
    pub(super) events_per_second: Option<f64>,
    #[serde(alias = "secondsLeft")]
    pub(super) seconds_left: Option<f64>,
}

pub(super) const TRANSFERS: &str = "{
    stuckTransfers(first: 100) { edges { node { ageSeconds step parked transfer { id amount currency } } }
        pageInfo { hasNextPage } }
    deadLetters(standing: PARKED, first: 100) { edges { node { transferId amount currency step reason parkedAt } }
        pageInfo { hasNextPage } } }";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Transfers {
    pub(super) stuck_transfers: Page<StuckNode>,
    pub(super) dead_letters: Page<DeadLetter>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<T> {
    pub(super) edges: Vec<Edge<T>>,
    pub(super) page_info: PageInfo,
}

#[derive(Debug, Deserialize)]
pub(super) struct Edge<T> {
    pub(super) node: T,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    pub(super) has_next_page: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StuckNode {
    pub(super) age_seconds: i64,
    pub(super) step: String,
    pub(super) parked: bool,
    pub(super) transfer: Transfer,
}

#[derive(Debug, Deserialize)]
pub(super) struct Transfer {
    pub(super) id: String,
    pub(super) amount: String,
    pub(super) currency: String,
}

/// A parked transfer that waits for an operator.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct DeadLetter {
    #[serde(alias = "transferId")]
    pub(super) transfer_id: String,
    pub(super) amount: String,
    pub(super) currency: String,
    pub(super) step: String,
    pub(super) reason: String,
    #[serde(alias = "parkedAt")]
    pub(super) parked_at: String,
}

/// A 64-bit number, which GraphQL writes as text.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}
