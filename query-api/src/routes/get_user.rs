//! `GET /api/v1/users/{id}`

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use ledger_core::UserId;
use serde::Serialize;
use utoipa::ToSchema;

use super::segments::Segments;
use crate::QueryApi;
use crate::caller::Caller;
use crate::freshness::AtPosition;
use crate::problem::{Problem, ProblemBody};
use crate::read_models::user;

/// A user. An erased user is still answered for, because accounts and history go on naming it: `erased` is true and every detail
/// null.
#[derive(Serialize, ToSchema)]
pub(crate) struct User {
    user_id: String,
    registered_at: DateTime<Utc>,
    /// True once the personal data is gone.
    erased: bool,
    erased_at: Option<DateTime<Utc>>,
    name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    ssn: Option<String>,
    date_of_birth: Option<NaiveDate>,
}

/// A user with its details, for operators and the user.
#[utoipa::path(
    get,
    path = "/api/v1/users/{id}",
    tag = "users",
    params(
        ("id" = String, Path, description = "The user's id"),
        ("x-daybook-position" = Option<String>, Header, description = "Wait until the read models have reached this position"),
    ),
    responses(
        (status = 200, body = User),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_id`, `invalid_position`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: auditors read no personal data"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`user_not_found`"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`projection_behind`"),
    )
)]
pub(crate) async fn handle(
    State(api): State<QueryApi>,
    caller: Caller,
    at: AtPosition,
    Segments(id): Segments<String>,
) -> Result<Json<User>, Problem> {
    let user_id: UserId = id.parse().map_err(|error| Problem::invalid_id(&error))?;
    caller.may_read_details(user_id.as_i64())?;
    let row = api.read_at(at, || async { Ok(user::by_id(&api.databases, user_id.as_i64()).await?) }).await?;
    let user = row.ok_or(Problem::UserNotFound)?.open(&api.keys).await?;
    let erased = user.is_erased();
    let (name, email, phone, ssn, date_of_birth) = match user.details {
        Some(details) => {
            (Some(details.name), details.email, details.phone, details.ssn, details.date_of_birth)
        }
        None => (None, None, None, None, None),
    };
    Ok(Json(User {
        user_id: user.row.user_id.to_string(),
        registered_at: user.row.registered_at,
        erased,
        erased_at: user.row.erased_at,
        name,
        email,
        phone,
        ssn,
        date_of_birth,
    }))
}
