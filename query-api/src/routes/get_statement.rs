//! `GET /api/v1/transactions/{id}/month/{month}/download`

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use ledger_core::Month;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::asked::Asked;
use super::get_account;
use super::segments::Segments;
use crate::QueryApi;
use crate::caller::Caller;
use crate::freshness::AtPosition;
use crate::problem::{Problem, ProblemBody};
use crate::read_models::statement::{Format, IssuedOf};

/// Which file.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct FormatQuery {
    /// `pdf` when absent.
    #[param(inline)]
    format: Format,
}

/// A link to a file of a statement.
#[derive(Serialize, ToSchema)]
pub(crate) struct Download {
    /// Where it is, for anybody who has this link: an address of S3, or a path here.
    url: String,
    /// Until when.
    expires_at: DateTime<Utc>,
    /// SHA-256 of the file, in hex; in quotes its ETag, unless it is on S3, which has its own.
    sha256: String,
    /// How long it is.
    bytes: u64,
    format: Format,
    /// 1 for the month's first statement, a greater one for each correction.
    issue: i32,
}

/// The newest statement of a month, as a link that anybody can follow for a quarter of an hour.
#[utoipa::path(
    get,
    path = "/api/v1/transactions/{id}/month/{month}/download",
    tag = "transactions",
    params(
        ("id" = String, Path, description = "The account's id"),
        ("month" = String, Path, description = "YYYY-MM, in the bank's time zone", example = "2026-11"),
        FormatQuery,
        ("x-daybook-position" = Option<String>, Header, description = "Wait until the read models have reached this position"),
    ),
    responses(
        (status = 302, body = Download, description = "The same link is in the header Location"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json",
            description = "`invalid_id`, `invalid_month`, `invalid_query`, `invalid_position`"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
            description = "`account_not_found`: none, or not for this caller; `statement_not_issued`: the month is not closed"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`projection_behind`, `files_unavailable`"),
    )
)]
pub(crate) async fn handle(
    State(api): State<QueryApi>,
    caller: Caller,
    at: AtPosition,
    Segments((id, month)): Segments<(String, String)>,
    Asked(FormatQuery { format }): Asked<FormatQuery>,
) -> Result<Response, Problem> {
    let account_id = get_account::account_id(&id)?;
    let month: Month = month.parse()?;
    let read = || async {
        let account = get_account::visible(&api, &caller, account_id).await?;
        Ok(api.databases.issued(IssuedOf { account_id: account.account_id, month }).await?)
    };
    let issued = api.read_at(at, read).await?.ok_or(Problem::StatementNotIssued)?;
    let file = issued.file(format)?.ok_or(Problem::StatementNotIssued)?;
    let link = api.downloads.link(&file.path).await?;
    let download = Download {
        url: link.url.clone(),
        expires_at: link.expires_at,
        sha256: file.sha256,
        bytes: file.bytes,
        format,
        issue: file.issue,
    };
    Ok(link.redirect(download))
}
