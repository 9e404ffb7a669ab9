//! `POST /api/v1/users`: register a user.

use axum::extract::State;
use axum::response::Response;
use chrono::NaiveDate;
use http::StatusCode;
use ledger_core::stream;
use ledger_core::user::UserCommand;
use ledger_streams::{KeyStore, UserDetails};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::body::{self, Body};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::answers::{UserAnswer, placed};
use crate::{CommandApi, DETAIL_CHARS_MAX};

/// What identifies a person. Encrypted before it reaches the log.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserBody {
    /// Full name.
    #[schema(example = "Jana Nováková")]
    name: String,
    /// E-mail address.
    email: Option<String>,
    /// Telephone number.
    phone: Option<String>,
    /// Social security number.
    ssn: Option<String>,
    /// Date of birth.
    date_of_birth: Option<NaiveDate>,
}

impl UserBody {
    pub(crate) fn details(self) -> Result<UserDetails, Problem> {
        let Self { name, email, phone, ssn, date_of_birth } = self;
        body::plain("name", "invalid_name", &name, DETAIL_CHARS_MAX)?;
        let optional = [
            ("email", "invalid_email", &email),
            ("phone", "invalid_phone", &phone),
            ("ssn", "invalid_ssn", &ssn),
        ];
        for (field, code, text) in optional {
            if let Some(text) = text {
                body::plain(field, code, text, DETAIL_CHARS_MAX)?;
            }
        }
        if email.as_ref().is_some_and(|email| !email.contains('@')) {
            return Err(Problem::bad_request("invalid_email", "email must contain an @."));
        }
        Ok(UserDetails { name, email, phone, ssn, date_of_birth })
    }
}

/// Registers a user.
#[utoipa::path(
    post, path = "/api/v1/users", tag = "users",
    request_body = UserBody,
    responses((status = 201, description = "Registered", body = UserAnswer), (status = 400, description = "invalid_body, invalid_name, …"))
)]
pub(crate) async fn handle(
    State(api): State<CommandApi>,
    caller: Caller,
    Body(body): Body<UserBody>,
) -> Result<Response, Problem> {
    caller.operator()?;
    let details = body.details()?;
    let user_id = api.ledger.new_user_id()?;
    let sealed = with_keys(&api, move |keys| keys.create(user_id, &details)).await?;
    let context = caller.context(&api, stream::user(user_id));
    let executed = api.ledger.user(user_id, &UserCommand::Register(user_id, sealed), &context).await??;
    let answer = UserAnswer { user_id, position: executed.position };
    Ok(placed(StatusCode::CREATED, answer.position, &answer))
}

/// Key files are read and written beside the async threads.
pub(crate) async fn with_keys<T: Send + 'static>(
    api: &CommandApi,
    work: impl FnOnce(&KeyStore) -> Result<T, ledger_streams::KeyError> + Send + 'static,
) -> Result<T, Problem> {
    let keys = api.keys.clone();
    match tokio::task::spawn_blocking(move || work(&keys)).await {
        Ok(result) => Ok(result?),
        Err(error) => {
            tracing::error!(%error, "work with a user's key was cut short");
            Err(Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Something is broken on our side.",
            ))
        }
    }
}
