//! Basic authentication, for all calls but those that clients make before they say who they are. Without it all
//! credentials are ignored, as EventStoreDB does with `--insecure`.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, Request, StatusCode};
use subtle::ConstantTimeEq;
use tonic::Status;

use super::options::Credentials;

/// What anybody may ask, as in EventStoreDB: clients look for a node before they use their credentials.
const OPEN: [&str; 5] = [
    "/event_store.client.server_features.ServerFeatures/GetSupportedMethods",
    "/event_store.client.gossip.Gossip/Read",
    "/health/live",
    "/gossip",
    "/info",
];

/// Knows who may pass.
#[derive(Debug)]
pub(crate) struct Gate {
    /// What the header has to say after the scheme, if anything.
    token: Option<String>,
}

impl Gate {
    /// Lets everybody pass if there are no credentials to ask for.
    pub(crate) fn new(credentials: Option<&Credentials>) -> Self {
        let encode = |credentials: &Credentials| {
            STANDARD.encode(format!("{}:{}", credentials.user, credentials.password))
        };
        Self { token: credentials.map(encode) }
    }

    /// Whether anybody may ask it.
    pub(crate) fn is_open<B>(request: &Request<B>) -> bool {
        OPEN.contains(&request.uri().path())
    }

    /// The refusal of a request that may not pass: as gRPC to those who speak it, as HTTP to others.
    pub(crate) fn refusal<B>(&self, request: &Request<B>) -> Option<Response> {
        let token = self.token.as_deref()?;
        if Self::is_open(request) || is_authentic(token, request.headers()) {
            return None;
        }
        let kind = request.headers().get(CONTENT_TYPE);
        if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")) {
            return Some(Status::unauthenticated("Unauthenticated").into_http::<Body>());
        }
        Some((StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Basic realm=\"eventstore\"")]).into_response())
    }
}

/// Whose credentials a header `authorization` has, whether they are right or not.
pub(crate) fn user(header: &str) -> Option<String> {
    let (_, token) = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))?;
    let credentials = String::from_utf8(STANDARD.decode(token.trim()).ok()?).ok()?;
    credentials.split_once(':').map(|(user, _)| user.to_owned())
}

/// The comparison takes as long wherever the two differ.
fn is_authentic(token: &str, headers: &HeaderMap) -> bool {
    let header = headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok());
    header.and_then(|header| header.split_once(' ')).is_some_and(|(scheme, given)| {
        scheme.eq_ignore_ascii_case("basic") && bool::from(given.trim().as_bytes().ct_eq(token.as_bytes()))
    })
}
