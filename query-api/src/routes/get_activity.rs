//! `GET /api/v1/accounts/{id}/activity`: an account's new entries as server-sent events.

use axum::extract::State;
use axum::response::Response;
use axum::response::sse::Event;
use futures::stream::{self, StreamExt};
use http::HeaderMap;
use ledger_core::Position;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::asked::Asked;
use super::get_account;
use super::get_month::Transaction;
use super::segments::Segments;
use crate::QueryApi;
use crate::caller::Caller;
use crate::freshness::AtPosition;
use crate::live::AccountActivity;
use crate::problem::{Problem, ProblemBody};

/// Where a browser's EventSource says how far it has come.
const LAST_EVENT_ID: &str = "last-event-id";

/// From where on.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ActivityQuery {
    /// Every entry after this position, those of the past included. The header Last-Event-ID goes before it.
    after: Option<String>,
}

/// An account's new entries, as they come, each once, in the order of booking. A client that connects again with the id of the last event it
/// got misses none.
///
/// Events: first `position`, from which to go on if nothing else comes; then an `entry` for each new transaction, its id the position; at last
/// `problem`, with the code and what is wrong, if the server has to end it.
#[utoipa::path(
    get,
    path = "/api/v1/accounts/{id}/activity",
    tag = "accounts",
    params(
        ("id" = String, Path, description = "The account's id"),
        ActivityQuery,
        ("last-event-id" = Option<String>, Header, description = "Every entry after this position: the id of the last event that came"),
        ("x-daybook-position" = Option<String>, Header, description = "Wait until the read models have reached this position"),
    ),
    responses(
        (status = 200, body = Transaction, content_type = "text/event-stream"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json",
            description = "`invalid_id`, `invalid_position`, `invalid_query`, `resume_too_far`"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`account_not_found`: none, or not for this caller"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`projection_behind`, `interrupted`"),
    )
)]
pub(crate) async fn handle(
    State(api): State<QueryApi>,
    caller: Caller,
    at: AtPosition,
    Segments(id): Segments<String>,
    Asked(query): Asked<ActivityQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let account_id = get_account::account_id(&id)?;
    let after = match headers.get(LAST_EVENT_ID) {
        Some(id) => Some(position(id.to_str().map_err(|_| Problem::InvalidEventId)?)?),
        None => query.after.as_deref().map(position).transpose()?,
    };
    api.reach(at).await?;
    // Read before the account is, so that it holds everything up to here.
    let start = match after {
        Some(after) => after,
        None => api.freshness.checkpoint().await?,
    };
    let activity = AccountActivity::start(&api.live, &caller, account_id, after).await?;
    let first = Event::default().event("position").id(start.to_string()).data(start.to_string());
    let entries = activity.stream().map(|entry| match entry {
        Ok(row) => {
            let position = row.position.unwrap_or_default();
            let event = Event::default().event("entry").id(position.to_string());
            event.json_data(Transaction::from(row)).unwrap_or_default()
        }
        Err(problem) => problem_event(&problem),
    });
    Ok(api.events(stream::once(async { first }).chain(entries)))
}

fn position(text: &str) -> Result<Position, Problem> {
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|text| text.parse().ok()).ok_or(Problem::InvalidEventId)
}

#[derive(Serialize)]
struct Ended {
    code: &'static str,
    detail: String,
}

fn problem_event(problem: &Problem) -> Event {
    let ended = Ended { code: problem.code(), detail: problem.to_string() };
    Event::default().event("problem").json_data(ended).unwrap_or_default()
}
