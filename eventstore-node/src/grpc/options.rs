//! How the gRPC server is set up.

use std::net::SocketAddr;

use super::limits::DEFAULT_MAX_APPEND_BYTES;

/// How the gRPC server is set up. Start from the default and change fields.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GrpcOptions {
    /// Most bytes of one append (data, metadata, and types twice). Default 1 MiB, as in EventStoreDB.
    pub max_append_bytes: usize,
    /// Where clients that ask for the cluster are sent: host and port. Default: where the server listens.
    pub advertised: Option<(String, u16)>,
    /// Encrypts connections. Default: it does not.
    pub tls: Option<TlsOptions>,
    /// What callers have to know. Default: nothing, and what they send is ignored.
    pub credentials: Option<Credentials>,
    /// For [`check_exposure`]: others may reach the server though it is without TLS or credentials.
    pub allow_insecure: bool,
}

/// A certificate chain and its key, in PEM.
#[derive(Clone)]
pub struct TlsOptions {
    /// The chain, the server's own certificate first.
    pub certificate: Vec<u8>,
    /// The key.
    pub key: Vec<u8>,
}

/// A user and a password.
#[derive(Clone)]
pub struct Credentials {
    /// The user's name, without a colon.
    pub user: String,
    /// The password.
    pub password: String,
}

impl Default for GrpcOptions {
    fn default() -> Self {
        Self {
            max_append_bytes: DEFAULT_MAX_APPEND_BYTES,
            advertised: None,
            tls: None,
            credentials: None,
            allow_insecure: false,
        }
    }
}

impl std::fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsOptions").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Why the server could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrpcError {
    /// The listener has no address.
    #[error("the listener cannot be used: {0}")]
    Listener(#[source] std::io::Error),
    /// The certificate or the key cannot be used.
    #[error("TLS cannot be set up: {reason}")]
    Tls {
        /// Why.
        reason: String,
    },
    /// Others could reach the server, and do what they like.
    #[error(
        "{address} can be reached from other machines, but {missing}: anybody there could read and write every event. \
         Listen on a loopback address (127.0.0.1), set a TLS certificate and key and a user name and password, or \
         explicitly allow insecure connections"
    )]
    Exposed {
        /// Where it was to listen.
        address: SocketAddr,
        /// What is missing.
        missing: &'static str,
    },
}

/// Refuses an address that other machines can reach without both TLS and credentials, unless the options allow it.
///
/// # Errors
/// `Exposed`, with words for an operator.
pub fn check_exposure(address: SocketAddr, options: &GrpcOptions) -> Result<(), GrpcError> {
    let missing = match (&options.tls, &options.credentials) {
        (Some(_), Some(_)) => return Ok(()),
        (None, None) => "there is neither TLS nor a password",
        (None, Some(_)) => "there is no TLS",
        (Some(_), None) => "there is no password",
    };
    if options.allow_insecure || address.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    Err(GrpcError::Exposed { address, missing })
}
