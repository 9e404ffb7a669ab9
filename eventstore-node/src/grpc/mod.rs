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
use server::Server;

pub use options::{Credentials, GrpcError, GrpcOptions, TlsOptions, check_exposure};

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
    let server = Arc::new(Server::new(node, options, address, stop));
    let router = routes::router(&server);
    connection::accept(&server, &listener, tls, router).await;
    server.tasks.close();
    server.tasks.wait().await;
    Ok(())
}

#[cfg(test)]
mod tests;
