//! `GET /api/v1/transactions/{id}/month/{month}`

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use ledger_core::Month;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::asked::Asked;
use super::get_account;
use super::segments::Segments;
use crate::QueryApi;
use crate::caller::Caller;
use crate::connection::PageRequest;
use crate::freshness::AtPosition;
use crate::problem::{Problem, ProblemBody};
use crate::read_models::entry_filter::EntryFilter;
use crate::read_models::monthly_totals::TotalsOf;
use crate::read_models::range::Range;
use crate::read_models::transaction::{TransactionRow, TransactionStatus, TransactionType};

/// Which part of the month.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// How many transactions: 0 to 200, 50 when absent.
    first: Option<i32>,
    /// Only transactions after this cursor: `next` of the page before.
    after: Option<String>,
}

/// A month of an account, page by page. Amounts are decimal text with exactly the currency's digits.
#[derive(Serialize, ToSchema)]
pub(crate) struct MonthPage {
    account_id: String,
    /// YYYY-MM.
    month: String,
    /// ISO 4217 code.
    currency: &'static str,
    /// The balance before the month's first transaction.
    opening: String,
    /// The balance after the month's last transaction.
    closing: String,
    /// What left the account.
    total_debits: String,
    /// What came to the account, debits that came back included.
    total_credits: String,
    /// How many transactions the month has on all pages.
    count: i64,
    /// This page's, in the order of booking.
    transactions: Vec<Transaction>,
    /// The cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// An entry: one transfer as one account saw it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Transaction {
    id: String,
    transfer_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    r#type: TransactionType,
    #[schema(example = "10.50")]
    amount: String,
    currency: &'static str,
    /// The balance with this entry in it.
    balance_after: String,
    /// The account on the other side.
    counterparty: String,
    status: TransactionStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Business time: months follow it.
    booked_at: DateTime<Utc>,
    /// When the log recorded it.
    recorded_at: DateTime<Utc>,
    /// Of its event in the account's stream.
    revision: i64,
}

impl From<TransactionRow> for Transaction {
    fn from(row: TransactionRow) -> Self {
        Self {
            id: row.id(),
            transfer_id: row.transfer_id.to_string(),
            r#type: row.side(),
            amount: row.amount(),
            currency: row.currency.0.code(),
            balance_after: row.balance_after(),
            counterparty: row.counterparty.to_string(),
            status: row.status(),
            booked_at: row.booked_at,
            recorded_at: row.recorded_at,
            revision: row.revision,
            reference: row.reference,
            description: row.description,
        }
    }
}

/// A month's transactions of an account, in the order of booking, with the month's figures.
#[utoipa::path(
    get,
    path = "/api/v1/transactions/{id}/month/{month}",
    tag = "transactions",
    params(
        ("id" = String, Path, description = "The account's id"),
        ("month" = String, Path, description = "YYYY-MM, in the bank's time zone", example = "2026-11"),
        PageQuery,
        ("x-daybook-position" = Option<String>, Header, description = "Wait until the read models have reached this position"),
    ),
    responses(
        (status = 200, body = MonthPage),
        (status = 400, body = ProblemBody, content_type = "application/problem+json",
            description = "`invalid_id`, `invalid_month`, `invalid_page`, `invalid_cursor`, `invalid_query`, `invalid_position`"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`account_not_found`: none, or not for this caller"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`projection_behind`"),
    )
)]
pub(crate) async fn handle(
    State(api): State<QueryApi>,
    caller: Caller,
    at: AtPosition,
    Segments((id, month)): Segments<(String, String)>,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<MonthPage>, Problem> {
    let account_id = get_account::account_id(&id)?;
    let month: Month = month.parse()?;
    let page = PageRequest::onward(query.first, query.after)?;
    let range = Range::new(Some(month), EntryFilter::default(), &page);
    let read = || async {
        let account = get_account::visible(&api, &caller, account_id).await?;
        let account_id = account.account_id;
        let (totals, page) = tokio::try_join!(
            api.databases.totals(TotalsOf { account_id, month }),
            api.databases.entries_page(account_id, &range),
        )?;
        Ok((account, totals, page))
    };
    let (account, totals, page) = api.read_at(at, read).await?;
    let account_id = account.account_id;
    let totals = totals.in_currency(account.currency, month);
    let next = page.next(|entry| entry.cursor());
    Ok(Json(MonthPage {
        account_id: account_id.to_string(),
        month: month.to_string(),
        currency: account.currency.0.code(),
        opening: totals.opening,
        closing: totals.closing,
        total_debits: totals.debits,
        total_credits: totals.credits,
        count: totals.count,
        transactions: page.items.into_iter().map(Transaction::from).collect(),
        next,
    }))
}
