//! `DELETE /api/v1/users/{user_id}`: erase a user's personal data.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use ledger_core::user::{UserCommand, UserStatus};
use ledger_core::{Rejection, UserId, stream};

use crate::CommandApi;
use crate::body::Id;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::answers::{UserAnswer, placed};
use crate::routes::register_user::with_keys;
use crate::routes::webhook;

/// Destroys the user's key: nobody can read the details any more, anywhere. The user's webhooks are deleted. Accounts and balances stay.
#[utoipa::path(
    delete, path = "/api/v1/users/{user_id}", tag = "users",
    params(("user_id" = String, Path)),
    responses((status = 200, description = "Erased, now or before", body = UserAnswer), (status = 404, description = "user_not_found"))
)]
pub(crate) async fn handle(
    State(api): State<CommandApi>,
    caller: Caller,
    Id(user_id): Id<UserId>,
) -> Result<Response, Problem> {
    caller.operator()?;
    if api.ledger.view_user(user_id).await?.status == UserStatus::Unknown {
        return Err(Problem::of_resource(Rejection::UserNotFound));
    }
    // The key first: if we crash in between, the data is gone and asking again records it.
    with_keys(&api, move |keys| keys.destroy(user_id)).await?;
    let context = caller.context(&api, stream::user(user_id));
    let executed =
        api.ledger.user(user_id, &UserCommand::Erase, &context).await?.map_err(Problem::of_resource)?;
    // Whoever registers one looks at the user after it was listed, and we at the list after the user was erased. Asking again finishes it.
    let forgotten = webhook::forget_all(&api, &caller, user_id).await?;
    // Who reads there sees no webhook any more, either.
    let position = forgotten.map_or(executed.position, |forgotten| forgotten.max(executed.position));
    let answer = UserAnswer { user_id, position };
    Ok(placed(StatusCode::OK, answer.position, &answer))
}
