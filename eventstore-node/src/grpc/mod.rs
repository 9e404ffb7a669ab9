//! EventStoreDB's gRPC protocol over the embedded node, for any of its clients.
//!
//! `streams/` is the service most calls go to, one file per call; `wire/` has the messages. `connection` accepts and
//! serves connections (HTTP/2 for gRPC, HTTP/1.1 for a few pages), `status` says what went wrong in EventStoreDB's
//! words, `limits` has every bound. What clients count on beyond the protocol is noted where it is done.

mod codec;
mod connection;
mod features;
mod filter;
pub mod limits;
mod options;
mod prompt;
mod receiving;
mod routes;
mod server;
mod services;
mod status;
mod streams;
mod wire;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::Node;
use server::Server;

pub use options::{GrpcError, GrpcOptions};

/// Serves a node until `stop` is cancelled. Then nothing new is accepted, subscriptions end with `Unavailable`, and
/// calls under way have [`STOP_GRACE`](limits) to end. The node goes on.
///
/// # Errors
/// The listener has no address, or the options make no sense.
pub async fn serve(
    node: Node,
    listener: TcpListener,
    options: GrpcOptions,
    stop: CancellationToken,
) -> Result<(), GrpcError> {
    let address = listener.local_addr().map_err(GrpcError::Listener)?;
    let server = Arc::new(Server::new(node, options, address, stop));
    let router = routes::router(&server);
    connection::accept(&server, &listener, router).await;
    server.tasks.close();
    server.tasks.wait().await;
    Ok(())
}

#[cfg(test)]
mod tests;
