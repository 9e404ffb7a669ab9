//! How the gRPC server is set up.

use super::limits::DEFAULT_MAX_APPEND_BYTES;

/// How the gRPC server is set up. Start from the default and change fields.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GrpcOptions {
    /// Most bytes of one append (data, metadata, and types twice). Default 1 MiB, as in EventStoreDB.
    pub max_append_bytes: usize,
}

impl Default for GrpcOptions {
    fn default() -> Self {
        Self { max_append_bytes: DEFAULT_MAX_APPEND_BYTES }
    }
}

/// Why the server could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrpcError {
    /// The listener has no address.
    #[error("the listener cannot be used: {0}")]
    Listener(#[source] std::io::Error),
}
