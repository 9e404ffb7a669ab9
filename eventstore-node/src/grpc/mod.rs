//! EventStoreDB's gRPC protocol over the embedded node, for any of its clients.
//!
//! `streams/` is the service most calls go to, one file per call; `wire/` has the messages. `connection` accepts and
//! serves connections (HTTP/2 for gRPC, HTTP/1.1 for a few pages), `status` says what went wrong in EventStoreDB's
//! words, `limits` has every bound. What clients count on beyond the protocol is noted where it is done.

mod auth;
mod codec;
mod connection;
mod deadline;
mod features;
mod filter;
mod gossip;
mod http1;
pub mod limits;
mod monitoring;
mod options;
mod persistent;
mod prompt;
mod receiving;
mod routes;
mod server;
mod services;
mod status;
mod streams;
mod tls;
mod wire;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::Node;
use crate::persistent::PersistentSubscriptions;
use server::Server;

pub use options::{Credentials, GrpcError, GrpcOptions, TlsOptions, check_exposure};

/// Refuses a certificate or a key that cannot be used, before anything is served.
///
/// # Errors
/// [`GrpcError::Tls`].
pub fn check_tls(options: &GrpcOptions) -> Result<(), GrpcError> {
    options.tls.as_ref().map(tls::acceptor).transpose().map(drop)
}

/// Serves a node until `stop` is cancelled. Then nothing new is accepted, subscriptions end with `Unavailable`, and
/// calls under way have five seconds to end. The node goes on.
///
/// # Errors
/// The listener has no address, or the certificate or its key cannot be used.
pub async fn serve(
    node: Node,
    listener: TcpListener,
    options: GrpcOptions,
    stop: CancellationToken,
) -> Result<(), GrpcError> {
    let address = listener.local_addr().map_err(GrpcError::Listener)?;
    let tls = options.tls.as_ref().map(tls::acceptor).transpose()?;
    let groups = PersistentSubscriptions::start(node.clone()).await;
    if let Err(error) = &groups {
        tracing::error!(%error, "persistent subscriptions are not available");
    }
    let server = Arc::new(Server::new(node, options, address, stop).with_groups(groups.clone()));
    let router = routes::router(&server);
    connection::accept(&server, &listener, tls, router).await;
    if let Ok(groups) = groups {
        groups.stop().await;
    }
    server.tasks.close();
    if tokio::time::timeout(limits::STOP_GRACE, server.tasks.wait()).await.is_err() {
        tracing::warn!(tasks = server.tasks.len(), "reads are left behind: they did not end in time");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
