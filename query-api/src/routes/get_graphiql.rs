//! `GET /graphiql`: a page to try queries on.

use axum::response::{Html, IntoResponse};
use http::header;

/// The page is whole in itself: it loads nothing from elsewhere, so it works without the internet, and no script of a stranger sees
/// the bank's bearer token.
const PAGE: &str = include_str!("graphiql.html");

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(crate) async fn handle() -> impl IntoResponse {
    ([(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY)], Html(PAGE))
}
