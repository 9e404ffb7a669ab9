//! The routes for those who watch: health, metrics, the API's description.

use std::sync::Arc;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use metrics_exporter_prometheus::PrometheusHandle;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, Info, OpenApi};

use crate::health::Health;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROMETHEUS_TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// `/health/live`, `/health/ready` and `/metrics`.
pub fn pages(health: Arc<Health>, metrics: PrometheusHandle) -> Router {
    Router::new()
        .route("/health/live", get(async || ([(CONTENT_TYPE, JSON)], r#"{"status":"live"}"#)))
        .route("/health/ready", get(async move || ready(&health)))
        .route("/metrics", get(async move || ([(CONTENT_TYPE, PROMETHEUS_TEXT)], metrics.render())))
}

/// `/api/v1/openapi.json`.
pub fn description(openapi: &OpenApi) -> Router {
    // Written once: it does not change while we run.
    let openapi: Arc<str> = openapi.to_json().unwrap_or_default().into();
    Router::new()
        .route("/api/v1/openapi.json", get(async move || ([(CONTENT_TYPE, JSON)], openapi.to_string())))
}

fn ready(health: &Health) -> impl IntoResponse + use<> {
    let report = health.report();
    let status = if report.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(CACHE_CONTROL, HeaderValue::from_static("no-store"))], axum::Json(report))
}

/// One description of the whole API, from its parts.
#[must_use]
pub fn openapi(parts: impl IntoIterator<Item = OpenApi>) -> OpenApi {
    let mut info = Info::new("Daybook", env!("CARGO_PKG_VERSION"));
    info.description =
        Some("An event-sourced bank ledger. Errors are RFC 9457 problems with a stable `code`.".to_owned());
    let mut openapi = parts.into_iter().fold(OpenApi::default(), OpenApi::merge_from);
    openapi.info = info;
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("A token of the local issuer: `daybook token --role operator`."))
        .build();
    let components = openapi.components.get_or_insert_with(|| ComponentsBuilder::new().build());
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    openapi.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
    openapi
}
