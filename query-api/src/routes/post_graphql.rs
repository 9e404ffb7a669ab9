//! `POST /graphql`: queries; with `Accept: text/event-stream` also subscriptions.

use async_graphql::{Executor, Request};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};

use super::sse;
use crate::QueryApi;
use crate::caller::Caller;
use crate::freshness::AtPosition;
use crate::graphql::{Scope, failure_response, has_lost_connection};
use crate::problem::Problem;
use crate::read_models::Gathered;

/// Answers one query with GraphQL's own JSON: what is wrong with the query, or not there yet, is an entry in `errors`.
pub(crate) async fn handle(
    State(api): State<QueryApi>,
    caller: Caller,
    at: AtPosition,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body.map_err(|_| Problem::TooLarge)?;
    let request = || {
        serde_json::from_slice::<Request>(&body).map_err(|error| {
            Problem::InvalidQuery(format!("The body is not a GraphQL request in JSON: {error}"))
        })
    };
    if sse::is_wanted(&headers) {
        let request = request()?;
        api.reach(at).await?;
        return Ok(api.graphql_events(caller, at, request));
    }
    let read = || async {
        let request = request()?;
        let gathered = Gathered::default();
        let scope = api.scope(caller.clone(), at).gathering(&gathered);
        Ok(gathered.run(api.graphql.execute(request.data(scope))).await)
    };
    // It has the rest of the answer, too.
    let is_lost = |answer: &Result<_, Problem>| answer.as_ref().is_ok_and(has_lost_connection);
    let read = || api.databases.once_more_if(is_lost, read);
    Ok(match api.read_at(at, read).await {
        Ok(answer) => Json(answer).into_response(),
        Err(problem @ Problem::InvalidQuery(_)) => {
            (StatusCode::BAD_REQUEST, Json(failure_response(problem))).into_response()
        }
        Err(problem) => Json(failure_response(problem)).into_response(),
    })
}

impl QueryApi {
    /// What the resolvers of this caller's request, or connection, share.
    pub(super) fn scope(&self, caller: Caller, AtPosition(at): AtPosition) -> Scope {
        Scope::new(caller, self, at)
    }
}
