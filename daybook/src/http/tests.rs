use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{Request, StatusCode};
use ledger_core::{Actor, Role};

use super::{Front, openapi};
use crate::auth::{Issuer, unix_seconds};

struct Fixture {
    front: Front,
    token: String,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let issuer = Issuer::open(dir.path()).unwrap();
    let actor = Actor { subject: "ops".to_owned(), role: Role::Operator, user_id: None };
    let token = issuer.token(&actor, unix_seconds(), std::time::Duration::from_secs(60)).unwrap();
    let who = async |axum::Extension(actor): axum::Extension<Actor>| actor.to_string();
    let broken = async || -> StatusCode { panic!("broken") };
    let router = Router::new()
        .route("/api/who", get(who))
        .route("/broken", post(broken))
        .route("/large", post(async |body: axum::body::Bytes| body.len().to_string()));
    let front = Front::new(Router::new().route("/health", get(async || "well")), Some(issuer.verifier()));
    front.open(router);
    Fixture { front, token }
}

async fn ask(fixture: &Fixture, method: &str, path: &str) -> (http::response::Parts, serde_json::Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {}", fixture.token))
        .body(Body::empty())
        .unwrap();
    let (parts, body) = fixture.front.handle(request).await.into_parts();
    let body = axum::body::to_bytes(body, 100_000).await.unwrap();
    let json =
        serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned().into());
    (parts, json)
}

#[tokio::test]
async fn a_route_knows_its_caller() {
    let (parts, body) = ask(&fixture(), "GET", "/api/who").await;
    assert_eq!((parts.status, body), (StatusCode::OK, "operator:ops".into()));
    assert!(parts.headers.contains_key("x-request-id"));
}

#[tokio::test]
async fn what_no_route_takes_is_a_problem() {
    let fixture = fixture();
    for (method, path, status, code) in [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/api/nowhere", 404, "not_found"),
        ("PUT", "/api/who", 405, "method_not_allowed"),
        ("POST", "/broken", 500, "internal"),
    ] {
        let (parts, body) = ask(&fixture, method, path).await;
        assert_eq!(parts.status, status, "{path}");
        assert_eq!(parts.headers[CONTENT_TYPE], "application/problem+json", "{path}");
        assert_eq!(body["code"], code, "{path}");
    }
    let (parts, _) = ask(&fixture, "PUT", "/api/who").await;
    assert_eq!(parts.headers[ALLOW], "GET,HEAD");
}

#[tokio::test]
async fn until_the_routes_are_there_only_pages_are() {
    let front = Front::new(Router::new().route("/health", get(async || "well")), None);
    let fixture = Fixture { front, ..fixture() };
    let (parts, body) = ask(&fixture, "GET", "/health").await;
    assert_eq!((parts.status, body), (StatusCode::OK, "well".into()));
    let (parts, body) = ask(&fixture, "GET", "/api/who").await;
    assert_eq!((parts.status, &body["code"]), (StatusCode::SERVICE_UNAVAILABLE, &"starting".into()));
    assert_eq!(parts.headers[RETRY_AFTER], "1");

    fixture.front.open(Router::new());
    let (parts, body) = ask(&fixture, "GET", "/api/who").await;
    assert_eq!((parts.status, &body["code"]), (StatusCode::NOT_FOUND, &"not_found".into()));
    assert_eq!(ask(&fixture, "GET", "/health").await.0.status, StatusCode::OK);
}

#[tokio::test]
async fn a_clients_request_id_is_kept_if_it_is_decent() {
    let fixture = fixture();
    for (given, kept) in [("abc-1", true), ("has space", false), (&*"x".repeat(65), false)] {
        let request = Request::builder().uri("/").header("x-request-id", given).body(Body::empty()).unwrap();
        let response = fixture.front.handle(request).await;
        assert_eq!(response.headers()["x-request-id"] == given, kept, "{given}");
    }
}

#[test]
fn the_description_names_how_to_get_in() {
    let json = serde_json::to_value(openapi([])).unwrap();
    assert_eq!(json["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    assert_eq!(json["security"], serde_json::json!([{ "bearer": [] }]));
}

#[test]
fn the_front_is_shared_between_connections() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&Arc::new(fixture().front));
}
