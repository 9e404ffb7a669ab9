//! Accepts connections and lets them end in peace.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Front;

/// A connection may stay silent this long between requests and while it sends a request's head.
const HEAD_TIME_MAX: Duration = Duration::from_secs(90);
const HEADERS_MAX: usize = 64;
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long requests under way may take once we are asked to stop.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);

/// Serves until `stop`, then takes no more connections and waits for the requests under way, within bounds. Above
/// `connections_max` open connections further ones wait in the listener's queue.
pub async fn serve(
    listener: TcpListener,
    front: Arc<Front>,
    connections_max: usize,
    stop: CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(connections_max));
    let connections = TaskTracker::new();
    while let Some((stream, permit)) = next_connection(&listener, &permits, &stop).await {
        let connection = serve_connection(stream, permit, Arc::clone(&front), stop.clone());
        connections.spawn(connection);
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN_TIME_MAX, connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "stopped with requests still under way");
    }
}

async fn next_connection(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let accept = async {
        let permit = Arc::clone(permits).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return Some((stream, permit)),
                // Out of file handles, or a client that left before it was accepted: others go on.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        accepted = accept => accepted,
    }
}

async fn serve_connection(
    stream: TcpStream,
    _permit: OwnedSemaphorePermit,
    front: Arc<Front>,
    stop: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let service = service_fn(|request| front.answer(request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended early");
    }
}
