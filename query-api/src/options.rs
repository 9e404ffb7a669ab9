//! What an operator may tune.

use std::time::Duration;

/// Options of the query side.
#[derive(Clone, Debug)]
pub struct QueryOptions {
    /// How long a read waits for the position it was asked to be at, before it answers `projection_behind`.
    pub freshness_timeout: Duration,
    /// How long a GraphQL query may run, waiting for a position not counted.
    pub request_timeout: Duration,
}

impl Default for QueryOptions {
    fn default() -> Self {
        Self { freshness_timeout: Duration::from_secs(5), request_timeout: Duration::from_secs(10) }
    }
}
