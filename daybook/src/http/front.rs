//! What happens to every request before and after its route: caller, request id, time limit, panics, measurements.
//!
//! One function instead of a tower of layers: each layer of axum boxes every request's future once more.

use std::convert::Infallible;
use std::fmt::Write;
use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::{HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::Limited;
use hyper::body::Incoming;
use metrics::{Counter, Histogram, counter, histogram};
use tokio::time::timeout;
use tower::Service;

use super::{problem, with_problems};
use crate::auth::{self, Denied, Verifier, authenticate};

/// No request body is longer, whatever a route allows.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// No request takes longer, its body's arrival included.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);
/// Longer request ids of clients are not taken over.
const REQUEST_ID_BYTES_MAX: usize = 64;
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers requests.
pub struct Front {
    /// What is there from the beginning.
    pages: Router,
    /// What answers until the routes are there.
    starting: Router,
    /// Pages and routes.
    router: OnceLock<Router>,
    verifier: Option<Verifier>,
    request_ids: RequestIds,
    /// By the first digit of the status.
    answers: [Counter; 5],
    seconds: Histogram,
}

impl Front {
    /// A front with these pages, and with callers as `verifier` knows them. Without one nobody is asked who they are: there must
    /// be no routes that need a caller. Until [`Self::open`] everything but the pages is answered with 503.
    #[must_use]
    pub fn new(pages: Router, verifier: Option<Verifier>) -> Self {
        Self {
            starting: pages.clone().fallback(async || {
                let detail =
                    "the event store has not answered yet, /health/ready says why; try again in a moment";
                problem(StatusCode::SERVICE_UNAVAILABLE, "starting", detail)
            }),
            pages,
            router: OnceLock::new(),
            verifier,
            request_ids: RequestIds::new(),
            answers: ["1xx", "2xx", "3xx", "4xx", "5xx"]
                .map(|status| counter!("daybook_http_requests_total", "status" => status)),
            seconds: histogram!("daybook_http_request_seconds"),
        }
    }

    /// Adds the routes, once.
    pub fn open(&self, routes: Router) {
        // A second time changes nothing.
        let _ = self.router.set(with_problems(self.pages.clone().merge(routes)));
    }

    /// Answers one request.
    pub async fn answer(&self, request: Request<Incoming>) -> Result<Response, Infallible> {
        Ok(self.handle(request.map(|body| Body::new(Limited::new(body, BODY_BYTES_MAX)))).await)
    }

    pub(super) async fn handle(&self, mut request: Request<Body>) -> Response {
        let started = Instant::now();
        let request_id = self.request_ids.of(&request);
        let mut response = match self.admit(&mut request) {
            Ok(()) => self.route(request, &request_id).await,
            Err(denied) => denied.into_response(),
        };
        response.headers_mut().insert(X_REQUEST_ID, request_id);
        self.seconds.record(started.elapsed());
        let class = usize::from(response.status().as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.answers.get(class) {
            counter.increment(1);
        }
        response
    }

    fn admit(&self, request: &mut Request<Body>) -> Result<(), Denied> {
        let Some(verifier) = &self.verifier else { return Ok(()) };
        let actor = authenticate(verifier, request.uri().path(), request.headers(), auth::unix_seconds())?;
        if let Some(actor) = actor {
            request.extensions_mut().insert(actor);
        }
        Ok(())
    }

    async fn route(&self, request: Request<Body>, request_id: &HeaderValue) -> Response {
        let method = request.method().clone();
        let uri = request.uri().clone();
        let mut router = self.router.get().unwrap_or(&self.starting).clone();
        let answer = AssertUnwindSafe(router.call(request)).catch_unwind();
        match timeout(REQUEST_TIME_MAX, answer).await {
            Ok(Ok(Ok(response))) => {
                tracing::debug!(%method, path = uri.path(), status = response.status().as_u16(), ?request_id, "answered");
                response
            }
            // The panic itself is logged by the hook that telemetry sets, with its place.
            Ok(Err(_panic)) => {
                tracing::error!(%method, path = uri.path(), ?request_id, "the request's handler panicked");
                let detail = "something is broken on our side; the server's log has it under this request's X-Request-Id";
                problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
            }
            Err(_elapsed) => {
                tracing::warn!(%method, path = uri.path(), ?request_id, "the request took too long");
                let detail = format!("no answer within {} s", REQUEST_TIME_MAX.as_secs());
                problem(StatusCode::SERVICE_UNAVAILABLE, "timeout", detail)
            }
        }
    }
}

/// Names requests: the client's own name if it gave one, else this process's start and a running number.
struct RequestIds {
    process: u32,
    next: AtomicU64,
}

impl RequestIds {
    fn new() -> Self {
        Self { process: rand::random(), next: AtomicU64::new(1) }
    }

    fn of(&self, request: &Request<Body>) -> HeaderValue {
        if let Some(given) = request.headers().get(X_REQUEST_ID)
            && (1..=REQUEST_ID_BYTES_MAX).contains(&given.len())
            && given.as_bytes().iter().all(u8::is_ascii_graphic)
        {
            return given.clone();
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut id = String::with_capacity(24);
        // Writing to a string cannot fail, and hexadecimal digits are a header value.
        let _ = write!(id, "{:08x}-{number:x}", self.process);
        HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("-"))
    }
}
