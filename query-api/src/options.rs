//! What an operator may tune.

use std::time::Duration;

use file_store::FileStore;
use tokio_util::sync::CancellationToken;

use crate::newest::RedisServer;

/// Options of the query side.
#[derive(Clone, Debug)]
pub struct QueryOptions {
    /// How long a read waits for the position it was asked to be at, before it answers `projection_behind`.
    pub freshness_timeout: Duration,
    /// How long a GraphQL query may run, waiting for a position not counted.
    pub request_timeout: Duration,
    /// Whether GraphQL describes its schema to clients.
    pub introspection: bool,
    /// Where newest entries are kept for several processes; in this process when there is none.
    pub redis: Option<RedisServer>,
    /// Where statements and archived months are; without it neither can be read.
    pub files: Option<FileStore>,
    /// Cancelled when the process is about to end: streams of server-sent events end then.
    pub closing: CancellationToken,
}

impl Default for QueryOptions {
    fn default() -> Self {
        Self {
            freshness_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
            introspection: true,
            redis: None,
            files: None,
            closing: CancellationToken::new(),
        }
    }
}
