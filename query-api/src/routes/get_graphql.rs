//! `GET /graphql` with an upgrade to WebSocket: subscriptions, protocol `graphql-transport-ws`.

use async_graphql::Data;
use async_graphql::http::ALL_WEBSOCKET_PROTOCOLS;
use async_graphql_axum::{GraphQLProtocol, GraphQLWebSocket};
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use http::StatusCode;

use crate::QueryApi;
use crate::caller::Caller;
use crate::freshness::AtPosition;
use crate::limits::QUERY_BYTES_MAX;
use crate::problem::Problem;

pub(crate) async fn handle(
    State(api): State<QueryApi>,
    caller: Caller,
    at: AtPosition,
    protocol: Result<GraphQLProtocol, StatusCode>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let (Ok(protocol), Ok(upgrade)) = (protocol, upgrade) else {
        return Err(Problem::UpgradeRequired);
    };
    api.reach(at).await?;
    let mut session = Data::default();
    session.insert(api.scope(caller));
    let response = upgrade
        .max_message_size(QUERY_BYTES_MAX)
        .max_frame_size(QUERY_BYTES_MAX)
        .protocols(ALL_WEBSOCKET_PROTOCOLS)
        .on_upgrade(move |socket| {
            GraphQLWebSocket::new(socket, api.graphql, protocol).with_data(session).serve()
        });
    Ok(response)
}
