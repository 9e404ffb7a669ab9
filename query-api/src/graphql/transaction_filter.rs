//! Which entries a client wants to see.

use async_graphql::{ID, InputObject};
use chrono::{DateTime, Utc};
use ledger_core::Money;

use super::account::{account_id, instant};
use super::failure::Failure;
use crate::limits::FILTER_TEXT_CHARS_MAX;
use crate::problem::Problem;
use crate::read_models::CurrencyColumn;
use crate::read_models::entry_filter::EntryFilter;
use crate::read_models::transaction::{TransactionStatus, TransactionType};

/// Entries that fit everything that is given.
#[derive(Default, InputObject)]
pub(super) struct TransactionFilter {
    /// Which side of the account they stand on.
    r#type: Option<TransactionType>,
    /// How final they are.
    status: Option<TransactionStatus>,
    /// Of this amount or more: decimal text with exactly the currency's digits.
    amount_min: Option<String>,
    /// Of this amount or less: decimal text with exactly the currency's digits.
    amount_max: Option<String>,
    /// The id of the account on the other side.
    counterparty: Option<ID>,
    /// Part of the description or of the reference, in small or capital letters: 1 to 100 characters.
    text: Option<String>,
}

impl TransactionFilter {
    /// Reads it, for an account of this currency and a range of business time.
    pub(super) fn within(
        self,
        from: Option<DateTime<Utc>>,
        to: Option<DateTime<Utc>>,
        CurrencyColumn(currency): CurrencyColumn,
    ) -> Result<EntryFilter, Failure> {
        let amount = |text: Option<String>, refusal| {
            let minor = text.map(|text| Money::parse(&text, currency).map(|money| money.minor)).transpose();
            minor.map_err(|_| Failure(Problem::InvalidArgument(refusal)))
        };
        let is_text = |text: &String| {
            (1..=FILTER_TEXT_CHARS_MAX).contains(&text.chars().count()) && !text.contains('\0')
        };
        if !self.text.as_ref().is_none_or(is_text) {
            return Err(Problem::InvalidArgument("'text' must have 1 to 100 characters").into());
        }
        Ok(EntryFilter {
            from: from.map(instant).transpose()?,
            to: to.map(instant).transpose()?,
            side: self.r#type,
            status: self.status,
            amount_min: amount(
                self.amount_min,
                "'amountMin' must be an amount with exactly the digits of the account's currency",
            )?,
            amount_max: amount(
                self.amount_max,
                "'amountMax' must be an amount with exactly the digits of the account's currency",
            )?,
            counterparty: self.counterparty.map(|id| account_id(&id)).transpose()?,
            text: self.text,
        })
    }
}
