//! `GET /graphql` with an upgrade to WebSocket: subscriptions, protocol `graphql-transport-ws`. With `Accept: text/event-stream` the same
//! as server-sent events.

use async_graphql::Data;
use async_graphql::http::{ALL_WEBSOCKET_PROTOCOLS, parse_query_string};
use async_graphql_axum::{GraphQLProtocol, GraphQLWebSocket};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::sse;
use crate::QueryApi;
use crate::caller::Caller;
use crate::freshness::AtPosition;
use crate::limits::{QUERY_BYTES_MAX, SOCKET_READ_BYTES};
use crate::problem::Problem;

pub(crate) async fn handle(
    State(api): State<QueryApi>,
    caller: Caller,
    at: AtPosition,
    protocol: Result<GraphQLProtocol, StatusCode>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    if upgrade.is_err() && sse::is_wanted(&headers) {
        let query = query.unwrap_or_default();
        let request = parse_query_string(&query).map_err(|error| {
            Problem::InvalidQuery(format!("The path's query is not a GraphQL request: {error}"))
        })?;
        api.reach(at).await?;
        return Ok(api.graphql_events(caller, at, request));
    }
    let (Ok(protocol), Ok(upgrade)) = (protocol, upgrade) else {
        return Err(Problem::UpgradeRequired);
    };
    api.reach(at).await?;
    let mut session = Data::default();
    session.insert(api.scope(caller, at));
    let response = upgrade
        .read_buffer_size(SOCKET_READ_BYTES)
        .max_message_size(QUERY_BYTES_MAX)
        .max_frame_size(QUERY_BYTES_MAX)
        .protocols(ALL_WEBSOCKET_PROTOCOLS)
        .on_upgrade(move |socket| {
            GraphQLWebSocket::new(socket, api.graphql, protocol).with_data(session).serve()
        });
    Ok(response)
}
