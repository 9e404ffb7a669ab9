//! Answers to requests that no route takes.

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, Method, StatusCode, Uri};
use problem_details::ProblemDetails;
use serde::Serialize;

#[derive(Serialize)]
struct Code {
    code: &'static str,
}

/// An RFC 9457 problem with a stable `code`.
#[must_use]
pub fn problem(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Response {
    let mut response = ProblemDetails::from_status_code(status)
        .with_detail(detail)
        .with_extensions(Code { code })
        .into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// The same routes, with problems for unknown paths and methods. Call it when all routes are in.
pub fn with_problems(router: Router) -> Router {
    router
        .fallback(async |uri: Uri| {
            let detail =
                format!("there is nothing at {}; /api/v1/openapi.json lists what there is", uri.path());
            problem(StatusCode::NOT_FOUND, "not_found", detail)
        })
        .method_not_allowed_fallback(async |method: Method, uri: Uri| {
            let detail =
                format!("{method} is not possible at {}; the Allow header names what is", uri.path());
            problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
        })
}
