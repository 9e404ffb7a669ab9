//! `PUT /api/v1/users/{user_id}`: replace a user's details.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use ledger_core::user::{UserCommand, UserStatus};
use ledger_core::{Rejection, UserId, stream};

use crate::CommandApi;
use crate::body::{Body, Id};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::answers::{UserAnswer, placed};
use crate::routes::register_user::{UserBody, with_keys};

/// Replaces a user's details.
#[utoipa::path(
    put, path = "/api/v1/users/{user_id}", tag = "users",
    params(("user_id" = String, Path)),
    request_body = UserBody,
    responses(
        (status = 200, description = "Replaced", body = UserAnswer),
        (status = 400, description = "invalid_body, user_erased"),
        (status = 404, description = "user_not_found"),
    )
)]
pub(crate) async fn handle(
    State(api): State<CommandApi>,
    caller: Caller,
    Id(user_id): Id<UserId>,
    Body(body): Body<UserBody>,
) -> Result<Response, Problem> {
    caller.operator()?;
    let details = body.details()?;
    if api.ledger.view_user(user_id).await?.status == UserStatus::Unknown {
        return Err(Problem::of_resource(Rejection::UserNotFound));
    }
    let sealed = with_keys(&api, move |keys| keys.seal(user_id, &details)).await?;
    let sealed = sealed.ok_or(Rejection::UserErased)?;
    let context = caller.context(&api, stream::user(user_id));
    let command = UserCommand::ChangeDetails(sealed);
    let executed = api.ledger.user(user_id, &command, &context).await?.map_err(Problem::of_resource)?;
    let answer = UserAnswer { user_id, position: executed.position };
    Ok(placed(StatusCode::OK, answer.position, &answer))
}
