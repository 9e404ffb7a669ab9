//! Server-sent events.

use std::convert::Infallible;

use async_graphql::{Executor, Request};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream, StreamExt};
use http::{HeaderMap, header};

use crate::QueryApi;
use crate::caller::Caller;
use crate::freshness::AtPosition;
use crate::limits::SSE_KEEP_ALIVE;

/// True for a client that wants events instead of one answer.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts.flat_map(|value| value.split(',')).any(|kind| {
        kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
    })
}

impl QueryApi {
    /// Events until they end or the process is about to; now and then a comment tells that it is alive.
    pub(super) fn events(&self, events: impl Stream<Item = Event> + Send + 'static) -> Response {
        let closing = self.options.closing.clone();
        let events = events.take_until(closing.cancelled_owned()).map(Ok::<_, Infallible>);
        Sse::new(events).keep_alive(KeepAlive::new().interval(SSE_KEEP_ALIVE)).into_response()
    }

    /// A GraphQL operation after the protocol "GraphQL over server-sent events", distinct connections: `next` for each answer, then
    /// `complete`.
    pub(super) fn graphql_events(&self, caller: Caller, at: AtPosition, request: Request) -> Response {
        let answers = self.graphql.execute_stream(request.data(self.scope(caller, at)), None);
        let next = answers.map(|answer| {
            let event = Event::default().event("next");
            // An answer is JSON, whose line breaks are escaped.
            event.json_data(answer).unwrap_or_default()
        });
        let complete = stream::once(async { Event::default().event("complete").data("") });
        self.events(next.chain(complete))
    }
}
