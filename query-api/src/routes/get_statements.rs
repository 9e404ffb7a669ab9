//! `GET /api/v1/transactions/{id}/download`

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
use crate::limits::DOWNLOAD_MONTHS_MAX;
use crate::problem::{Problem, ProblemBody};
use crate::read_models::statement::Format;

/// Which months, and which file of each.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MonthsQuery {
    /// The first month, YYYY-MM.
    #[param(example = "2026-01")]
    from: String,
    /// The last month, YYYY-MM.
    #[param(example = "2026-06")]
    to: String,
    /// `pdf` when absent.
    #[serde(default)]
    #[param(inline)]
    format: Format,
}

/// A link to one file with the statements of several months.
#[derive(Serialize, ToSchema)]
pub(crate) struct MonthsDownload {
    /// Where it is, for anybody who has this link: an address of S3, or a path here.
    url: String,
    /// Until when.
    expires_at: DateTime<Utc>,
    /// SHA-256 of the file, in hex; in quotes its ETag, unless it is on S3, which has its own.
    sha256: String,
    /// How long it is.
    bytes: u64,
    format: Format,
    /// The months in it: those of the range that have a statement.
    months: Vec<String>,
}

/// The newest statements of several months as one file: a PDF with all pages, or a zip. A link that anybody can follow for a quarter of
/// an hour.
#[utoipa::path(
    get,
    path = "/api/v1/transactions/{id}/download",
    tag = "transactions",
    params(
        ("id" = String, Path, description = "The account's id"),
        MonthsQuery,
        ("x-daybook-position" = Option<String>, Header, description = "Wait until the read models have reached this position"),
    ),
    responses(
        (status = 302, body = MonthsDownload, description = "The same link is in the header Location"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json",
            description = "`invalid_id`, `invalid_month`, `invalid_query`, `invalid_position`; `invalid_argument`: more than 120 months, or `from` after `to`; \
                `download_too_large`: ask for fewer months"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
            description = "`account_not_found`: none, or not for this caller; `statement_not_issued`: none of the months has one"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`projection_behind`, `files_unavailable`"),
    )
)]
pub(crate) async fn handle(
    State(api): State<QueryApi>,
    caller: Caller,
    at: AtPosition,
    Segments(id): Segments<String>,
    Asked(MonthsQuery { from, to, format }): Asked<MonthsQuery>,
) -> Result<Response, Problem> {
    let account_id = get_account::account_id(&id)?;
    let (from, to): (Month, Month) = (from.parse()?, to.parse()?);
    if from > to {
        return Err(Problem::InvalidArgument("'from' is a later month than 'to'"));
    }
    let read = || async {
        let account = get_account::visible(&api, &caller, account_id).await?;
        let rows =
            api.databases.issued_between(account.account_id, from, to, DOWNLOAD_MONTHS_MAX + 1).await?;
        Ok(rows)
    };
    let rows = api.read_at(at, read).await?;
    if rows.len() > DOWNLOAD_MONTHS_MAX {
        return Err(Problem::InvalidArgument("at most 120 months can be downloaded together"));
    }
    let (mut months, mut files) = (Vec::new(), Vec::new());
    for row in rows {
        if let Some(file) = row.file(format)? {
            months.push(row.month());
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(Problem::StatementNotIssued);
    }
    let one = api.downloads.together(account_id, files, format).await?;
    let link = api.downloads.link(one.key.as_str()).await?;
    let sha256 = api.downloads.digest(&one).await?.to_string();
    let download = MonthsDownload {
        url: link.url.clone(),
        expires_at: link.expires_at,
        sha256,
        bytes: one.bytes,
        format,
        months,
    };
    Ok(link.redirect(download))
}
