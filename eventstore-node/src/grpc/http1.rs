//! The few pages for people, health checks and the clients' HTTP side; over HTTP/1.1 or 2, on the same port.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Value, json};

use super::features::SERVER_VERSION;
use super::monitoring::figures;
use super::server::Server;

/// The pages by their paths.
pub(crate) fn pages(server: &Arc<Server>) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/gossip", get(gossip))
        .route("/info", get(info))
        .route("/stats", get(stats))
        .with_state(server.clone())
}

async fn live() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn gossip(State(server): State<Arc<Server>>) -> Json<Value> {
    let (address, port) = server.advertised();
    Json(json!({
        "members": [{
            "instanceId": server.instance.to_string(),
            "timeStamp": crate::clock::now(),
            "state": "Leader",
            "isAlive": true,
            "httpEndPointIp": address,
            "httpEndPointPort": port,
        }],
        "serverIp": address,
        "serverPort": port,
    }))
}

async fn info(State(server): State<Arc<Server>>) -> Json<Value> {
    let authentication = if server.options.credentials.is_some() { "basic" } else { "insecure" };
    Json(json!({
        "dbVersion": SERVER_VERSION,
        "esVersion": SERVER_VERSION,
        "state": "leader",
        "features": {
            "projections": false,
            "userManagement": false,
            "atomPub": false,
        },
        "authentication": { "type": authentication, "properties": {} },
    }))
}

async fn stats(State(server): State<Arc<Server>>) -> Json<Value> {
    Json(json!(figures(&server)))
}
