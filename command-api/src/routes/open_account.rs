//! `POST /api/v1/accounts`: open an account.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use ledger_core::account::AccountKind;
use ledger_core::user::UserStatus;
use ledger_core::{Money, Rejection, UserId};
use ledger_streams::NewAccount;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::CommandApi;
use crate::body::{self, AmountText, Body};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::answers::{AccountAnswer, placed};

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenAccountBody {
    /// The holder.
    #[schema(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// ISO 4217 code.
    #[schema(example = "EUR")]
    currency: String,
    /// "checking" (the default) or "savings".
    #[serde(default, rename = "type")]
    kind: CustomerKind,
    /// The account's number elsewhere, unique among accounts, up to 64 characters.
    reference: Option<String>,
    /// How far below zero it may go; nothing by default.
    #[schema(value_type = Option<String>, example = "500.00")]
    overdraft_limit: Option<AmountText>,
}

/// What a customer's account is for.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CustomerKind {
    /// Everyday payments.
    #[default]
    Checking,
    /// Savings.
    Savings,
}

/// Opens an account.
#[utoipa::path(
    post, path = "/api/v1/accounts", tag = "accounts",
    request_body = OpenAccountBody,
    responses(
        (status = 201, description = "Open", body = AccountAnswer),
        (status = 400, description = "Refused: user_not_found, user_erased, invalid_currency, …"),
        (status = 409, description = "reference_taken"),
    )
)]
pub(crate) async fn handle(
    State(api): State<CommandApi>,
    caller: Caller,
    Body(body): Body<OpenAccountBody>,
) -> Result<Response, Problem> {
    caller.operator()?;
    let currency = body::currency(&body.currency)?;
    body::account_reference(body.reference.as_ref())?;
    let overdraft_limit = match &body.overdraft_limit {
        Some(limit) => limit.money(currency.code())?,
        None => Money::zero(currency),
    };
    if let Some(user_id) = body.user_id {
        match api.ledger.view_user(user_id).await?.status {
            UserStatus::Active => {}
            UserStatus::Unknown => return Err(Rejection::UserNotFound.into()),
            UserStatus::Erased => return Err(Rejection::UserErased.into()),
        }
    }
    let kind = match body.kind {
        CustomerKind::Checking => AccountKind::Checking,
        CustomerKind::Savings => AccountKind::Savings,
    };
    let new =
        NewAccount { user_id: body.user_id, kind, currency, reference: body.reference, overdraft_limit };
    let opened = api.ledger.open_account(&new, &caller.context(&api, "")).await??;
    let answer = AccountAnswer { account_id: opened.account_id, position: opened.position };
    Ok(placed(StatusCode::CREATED, answer.position, &answer))
}
