//! `POST /api/v1/import`: history that another bank has already booked.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeZone, Utc};
use http::StatusCode;
use ledger_core::account::AccountKind;
use ledger_core::settlement::Settlement;
use ledger_core::transfer::{AMOUNT_MINOR_MAX, TransferStatus};
use ledger_core::{AccountId, Money, Position, Rejection, TransferId, stream};
use ledger_streams::{Context, NewAccount, TransferRequest};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use utoipa::ToSchema;

use crate::body::{self, AmountText, Body};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::answers::placed;
use crate::routes::cash::settle;
use crate::{CommandApi, IMPORT_LANES_MAX, IMPORT_ROWS_MAX, IMPORT_YEARS};

/// The client name under which imported references are idempotency keys. Callers' names have a role in them, so none is this.
const CLIENT: &str = "import";

/// Rows to book, those of one account in their order.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportBody {
    /// At most 1,000.
    rows: Vec<ImportRow>,
}

/// One booking of the other bank.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportRow {
    /// Its number there; a row whose number is known is not booked again.
    reference: String,
    /// The account's number there; opened on first use.
    account_reference: String,
    /// The day it was booked.
    booked_on: NaiveDate,
    /// Onto the account, or off it.
    direction: Direction,
    /// Positive; decimal text with exactly the currency's digits.
    #[schema(value_type = String)]
    amount: AmountText,
    /// ISO 4217 code.
    currency: String,
    /// Which of the bank's own accounts stands on the other side.
    settlement: SettlementName,
    /// Up to 140 characters.
    description: Option<String>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Direction {
    Credit,
    Debit,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SettlementName {
    Cash,
    Clearing,
    Interest,
    Fees,
}

impl From<SettlementName> for Settlement {
    fn from(name: SettlementName) -> Self {
        match name {
            SettlementName::Cash => Self::Cash,
            SettlementName::Clearing => Self::Clearing,
            SettlementName::Interest => Self::Interest,
            SettlementName::Fees => Self::Fees,
        }
    }
}

/// What became of the rows.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct ImportAnswer {
    /// Accounts that were new.
    accounts_opened: usize,
    /// Rows booked now.
    booked: usize,
    /// Rows that had been booked before.
    already_booked: usize,
    /// Where in the log the last of them stands.
    position: Position,
    /// One for each row, in the order of the request.
    rows: Vec<ImportedRow>,
}

/// What became of one row.
#[derive(Serialize, ToSchema)]
pub(crate) struct ImportedRow {
    /// The row's reference.
    reference: String,
    /// The account it is on.
    #[schema(value_type = String)]
    account_id: AccountId,
    /// The transfer it became.
    #[schema(value_type = String)]
    transfer_id: TransferId,
    /// The account's balance right after; null for a row that had been booked before.
    balance_after: Option<String>,
}

/// A row that holds together.
struct Row {
    index: usize,
    reference: String,
    direction: Direction,
    amount: Money,
    booked_at: DateTime<Utc>,
    settlement: Settlement,
    description: Option<String>,
}

/// What became of one account's rows.
struct Lane {
    opened: bool,
    rows: Vec<(usize, ImportedRow, Position)>,
}

/// Books history as it was: each row a transfer against a settlement account, on its own day, whether or not it is covered. Rows of one
/// account are booked in order, accounts side by side. Repeating it changes nothing.
#[utoipa::path(
    post, path = "/api/v1/import", tag = "operations",
    request_body = ImportBody,
    responses((status = 200, description = "Every row is booked, now or before", body = ImportAnswer), (status = 400, description = "invalid_amount, invalid_currency, invalid_date, invalid_reference, invalid_description: nothing was booked; or a refusal, with what came before it booked"))
)]
pub(crate) async fn handle(
    State(api): State<CommandApi>,
    caller: Caller,
    Body(body): Body<ImportBody>,
) -> Result<Response, Problem> {
    caller.operator()?;
    if body.rows.len() > IMPORT_ROWS_MAX {
        let detail = format!("At most {IMPORT_ROWS_MAX} rows fit into one request.");
        return Err(Problem::bad_request("too_many_rows", detail));
    }
    let lanes = lanes(&api, body.rows)?;
    let actor: Arc<str> = caller.0.to_string().into();
    let places = Arc::new(Semaphore::new(IMPORT_LANES_MAX));
    let mut tasks = JoinSet::new();
    for (account_reference, rows) in lanes {
        let (api, actor, places) = (api.clone(), Arc::clone(&actor), Arc::clone(&places));
        tasks.spawn(async move {
            let _place = places.acquire().await;
            book(&api, &account_reference, rows, actor).await
        });
    }
    let mut answer = ImportAnswer::default();
    let mut booked = Vec::new();
    while let Some(lane) = tasks.join_next().await {
        let lane = lane.map_err(|error| {
            tracing::error!(%error, "an import was cut short");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something is broken on our side.")
        })??;
        answer.accounts_opened += usize::from(lane.opened);
        booked.extend(lane.rows);
    }
    booked.sort_by_key(|(index, ..)| *index);
    for (_, row, position) in booked {
        let fresh = row.balance_after.is_some();
        answer.booked += usize::from(fresh);
        answer.already_booked += usize::from(!fresh);
        answer.position = answer.position.max(position);
        answer.rows.push(row);
    }
    Ok(placed(StatusCode::OK, answer.position, &answer))
}

/// Checks every row before the first is booked, and sorts them by account.
fn lanes(api: &CommandApi, rows: Vec<ImportRow>) -> Result<HashMap<String, Vec<Row>>, Problem> {
    let mut lanes: HashMap<String, Vec<Row>> = HashMap::new();
    for (index, row) in rows.into_iter().enumerate() {
        let (amount, booked_at) =
            check(api, &row).map_err(|problem| problem.in_row(index, &row.reference))?;
        lanes.entry(row.account_reference).or_default().push(Row {
            index,
            reference: row.reference,
            direction: row.direction,
            amount,
            booked_at,
            settlement: row.settlement.into(),
            description: row.description,
        });
    }
    Ok(lanes)
}

fn check(api: &CommandApi, row: &ImportRow) -> Result<(Money, DateTime<Utc>), Problem> {
    body::reference(Some(&row.reference))?;
    body::account_reference(Some(&row.account_reference))?;
    body::description(row.description.as_ref())?;
    let amount = row.amount.money(&row.currency)?;
    if !(1..=AMOUNT_MINOR_MAX).contains(&amount.minor) {
        return Err(Rejection::InvalidAmount.into());
    }
    Ok((amount, start_of_day(api, row.booked_on)?))
}

/// The first moment of a day in the bank's time zone.
fn start_of_day(api: &CommandApi, day: NaiveDate) -> Result<DateTime<Utc>, Problem> {
    if !IMPORT_YEARS.contains(&day.year()) {
        let detail = format!("{day} is not in the years {} to {}.", IMPORT_YEARS.start(), IMPORT_YEARS.end());
        return Err(Problem::bad_request("invalid_date", detail));
    }
    let midnight = day.and_time(NaiveTime::MIN);
    // Where clocks skip midnight, the day begins an hour later.
    let candidates = [midnight, midnight + chrono::Duration::hours(1)];
    candidates
        .into_iter()
        .find_map(|local| api.options.time_zone.from_local_datetime(&local).earliest())
        .map(|local| local.with_timezone(&Utc))
        .ok_or_else(|| {
            Problem::bad_request("invalid_date", format!("{day} is not a day in the bank's time zone."))
        })
}

async fn book(
    api: &CommandApi,
    account_reference: &str,
    rows: Vec<Row>,
    actor: Arc<str>,
) -> Result<Lane, Problem> {
    let Some(first) = rows.first() else {
        return Ok(Lane { opened: false, rows: vec![] });
    };
    let context = Context {
        correlation_id: stream::account_reference(account_reference).into(),
        causation_id: None,
        actor,
        booked_at: first.booked_at,
    };
    let (account_id, opened) = account(api, account_reference, first, &context).await?;
    let mut booked = Vec::with_capacity(rows.len());
    for row in rows {
        let (index, reference) = (row.index, row.reference.clone());
        let imported = book_row(api, account_id, row, &context).await;
        booked.push(imported.map_err(|problem| problem.in_row(index, &reference))?);
    }
    Ok(Lane { opened, rows: booked })
}

async fn account(
    api: &CommandApi,
    reference: &str,
    first: &Row,
    context: &Context,
) -> Result<(AccountId, bool), Problem> {
    let currency = first.amount.currency;
    let new = NewAccount {
        user_id: None,
        kind: AccountKind::Checking,
        currency,
        reference: Some(reference.to_owned()),
        overdraft_limit: Money::zero(currency),
    };
    match api.ledger.open_account(&new, context).await? {
        Ok(opened) => Ok((opened.account_id, true)),
        Err(Rejection::ReferenceTaken) => {
            let known = api.ledger.account_of_reference(reference).await?;
            Ok((known.ok_or(Rejection::AccountNotFound)?, false))
        }
        Err(rejection) => Err(rejection.into()),
    }
}

async fn book_row(
    api: &CommandApi,
    account: AccountId,
    row: Row,
    context: &Context,
) -> Result<(usize, ImportedRow, Position), Problem> {
    let context = Context { booked_at: row.booked_at, ..context.clone() };
    let settlement = api.ledger.settlement_account(row.settlement, row.amount.currency, &context).await?;
    let (from, to) = match row.direction {
        Direction::Credit => (settlement, account),
        Direction::Debit => (account, settlement),
    };
    let request = TransferRequest {
        client: CLIENT.to_owned(),
        idempotency_key: row.reference.clone(),
        from,
        to,
        amount: row.amount,
        description: row.description,
        reference: Some(row.reference.clone()),
        already_booked: true,
    };
    let context = Context { correlation_id: request.stream(), ..context };
    let (receipt, status) = settle(api, &request, &context).await?;
    match status {
        TransferStatus::Completed => {}
        TransferStatus::Rejected(reason) | TransferStatus::Failed(reason) => return Err(reason.into()),
        // The next row of this account must not overtake it. Repeating the request goes on with this row.
        TransferStatus::Pending => return Err(Problem::unavailable()),
    }
    let balance_after = if receipt.replayed {
        None
    } else {
        api.ledger.view(account).await?.map(|account| account.balance.amount())
    };
    let imported = ImportedRow {
        reference: row.reference,
        account_id: account,
        transfer_id: receipt.transfer_id,
        balance_after,
    };
    Ok((row.index, imported, receipt.position))
}
