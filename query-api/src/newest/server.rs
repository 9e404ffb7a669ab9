//! Which Redis.

use std::fmt;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, RedisResult};
use tokio_rustls::rustls::crypto;

use crate::limits::{REDIS_ANSWER_MAX, REDIS_CONNECT_MAX};

/// A Redis server, by its URL: `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, or `rediss://` for TLS.
#[derive(Clone)]
pub struct RedisServer(Client);

/// Not the URL of a Redis server. What was given is not repeated: it may hold a password.
#[derive(Clone, Debug, thiserror::Error)]
#[error("not a URL such as redis://127.0.0.1:6379 or rediss://USER:PASSWORD@redis.example.com:6379/0: {0}")]
pub struct RedisUrlError(String);

impl RedisServer {
    /// Reads a URL; connects to nobody.
    ///
    /// # Errors
    /// [`RedisUrlError`].
    pub fn new(url: &str) -> Result<Self, RedisUrlError> {
        let wrong = |error: redis::RedisError| RedisUrlError(error.to_string());
        let info = url.into_connection_info().map_err(wrong)?;
        if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            // Several are linked in, and rustls does not choose. It may have been chosen before.
            let _ = crypto::aws_lc_rs::default_provider().install_default();
        }
        Client::open(info).map(Self).map_err(wrong)
    }

    /// A connection that many may use at once. It has answered.
    pub(super) async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(REDIS_CONNECT_MAX))
            .set_response_timeout(Some(REDIS_ANSWER_MAX));
        self.0.get_multiplexed_async_connection_with_config(&config).await
    }
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisServer")
    }
}
