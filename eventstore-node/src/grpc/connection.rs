//! Connections: accepted one by one, a bounded number at once, each served by a task until it ends or the server stops.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::auth::Gate;
use super::deadline;
use super::limits::{
    CONNECTION_WINDOW_BYTES, FIRST_CALL_TIMEOUT, FRAME_BYTES, HANDSHAKE_TIMEOUT, HEADER_TIMEOUT, KEEPALIVE,
    MAX_CONNECTIONS, MAX_HEADER_BYTES, MAX_STREAMS_PER_CONNECTION, SEND_BUFFER_BYTES, STOP_GRACE,
    STREAM_WINDOW_BYTES,
};
use super::prompt::Prompt;
use super::server::Server;

/// Time to wait when the system accepts no connection, as when it has no file left for one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts and serves connections until the server stops and all of them have ended.
pub(crate) async fn accept(
    server: &Arc<Server>,
    listener: &TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    let builder = builder();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = async {
            // The semaphore is never closed.
            let permit = room.clone().acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            biased;
            () = server.stop.cancelled() => break,
            accepted = accepted => accepted,
        };
        let socket = match accepted {
            Ok((socket, _)) => socket,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::select! {
                    () = server.stop.cancelled() => break,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => continue,
                }
            }
        };
        let (server, tls, router, builder) = (server.clone(), tls.clone(), router.clone(), builder.clone());
        connections.spawn(async move {
            serve(&server, socket, tls, router, &builder).await;
            drop(permit);
        });
    }
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_GRACE, ended).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "connections are cut: their calls did not end in time"
        );
        connections.shutdown().await;
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS_PER_CONNECTION)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_header_list_size(MAX_HEADER_BYTES)
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE);
    builder
}

async fn serve(
    server: &Arc<Server>,
    socket: TcpStream,
    tls: Option<TlsAcceptor>,
    router: Router,
    builder: &Builder<TokioExecutor>,
) {
    // Messages are small and somebody waits for each.
    let socket = Prompt::new(socket);
    let Some(tls) = tls else { return serve_http(server, socket, router, builder).await };
    let handshake = tokio::select! {
        () = server.stop.cancelled() => return,
        handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(socket)) => handshake,
    };
    match handshake {
        Ok(Ok(socket)) => serve_http(server, socket, router, builder).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn serve_http<I>(server: &Arc<Server>, io: I, router: Router, builder: &Builder<TokioExecutor>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = Connection::default();
    let (shared, of) = (server.clone(), connection.clone());
    let service = tower::service_fn(move |request: Request<Incoming>| {
        answer(shared.clone(), of.clone(), router.clone(), request)
    });
    let mut served = pin!(builder.serve_connection(TokioIo::new(io), TowerToHyperService::new(service)));
    let useless = async {
        tokio::time::sleep(FIRST_CALL_TIMEOUT).await;
        if connection.called.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = connection.cut.cancelled() => return,
        () = async { tokio::select! { () = server.stop.cancelled() => {}, () = useless => {} } } => {
            served.as_mut().graceful_shutdown();
            match tokio::time::timeout(STOP_GRACE, served).await {
                Ok(ended) => ended,
                Err(_) => return tracing::debug!("a connection is cut: its calls did not end in time"),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection failed");
    }
}

/// What the calls of a connection tell it.
#[derive(Clone, Default)]
struct Connection {
    /// Somebody who may made a call, other than those that anybody may make.
    called: Arc<AtomicBool>,
    /// Cancelled to end it at once.
    cut: CancellationToken,
}

/// Ends the connection that a request came by, when cancelled.
pub(crate) fn connection_of<T>(request: &tonic::Request<T>) -> CancellationToken {
    request.extensions().get::<Connection>().map(|connection| connection.cut.clone()).unwrap_or_default()
}

/// Answers a request of somebody who may make it, within the time given.
async fn answer(
    server: Arc<Server>,
    connection: Connection,
    mut router: Router,
    mut request: Request<Incoming>,
) -> Result<Response, Infallible> {
    if let Some(refusal) = server.gate.refusal(&request) {
        return Ok(refusal);
    }
    if !Gate::is_open(&request) {
        connection.called.store(true, Ordering::Relaxed);
    }
    request.extensions_mut().insert(connection);
    let time = deadline::of(request.headers());
    let answer = tower::Service::call(&mut router, request.map(Body::new));
    match time {
        None => answer.await,
        Some(time) => match tokio::time::timeout(time, answer).await {
            Ok(answer) => answer,
            Err(_) => Ok(Status::deadline_exceeded("Deadline Exceeded").into_http()),
        },
    }
}
