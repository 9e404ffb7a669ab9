//! The archive's words and ours.

use archive::{Filter, Side, Status};
use chrono::NaiveDate;
use ledger_core::Month;

use crate::read_models::ReadError;
use crate::read_models::entry_filter::EntryFilter;
use crate::read_models::transaction::{TransactionStatus, TransactionType};

/// The month of a first day.
pub(super) fn month(day: NaiveDate) -> Result<Month, ReadError> {
    Month::of_first_day(day).ok_or_else(|| ReadError::misplaced("an archived month begins within a month"))
}

/// The same filter; none when nothing archived fits: a pending entry never is.
pub(super) fn filter(filter: &EntryFilter) -> Option<Filter> {
    let EntryFilter { from, to, side, status, amount_min, amount_max, counterparty, text } = filter.clone();
    let status = match status {
        None => None,
        Some(TransactionStatus::Completed) => Some(Status::Completed),
        Some(TransactionStatus::Reversed) => Some(Status::Reversed),
        Some(TransactionStatus::Pending) => return None,
    };
    let side = side.map(|side| match side {
        TransactionType::Debit => Side::Debit,
        TransactionType::Credit => Side::Credit,
    });
    Some(Filter { from, to, side, status, amount_min, amount_max, counterparty, text })
}
