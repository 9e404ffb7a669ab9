//! Entries of accounts.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use ledger_core::Month;

use super::account::Account;
use super::big_int::BigInt;
use super::failure::Failure;
use super::scope::Scope;
use super::transfer::Transfer;
use crate::problem::Problem;
use crate::read_models::account::AccountById;
use crate::read_models::entry_filter::FilteredCountOf;
use crate::read_models::monthly_totals::CountOf;
use crate::read_models::range::Range;
use crate::read_models::transaction::{TransactionRow, TransactionStatus, TransactionType};
use crate::read_models::transfer::TransferById;

/// An entry: one transfer as one account saw it.
pub(super) struct Transaction(pub(super) TransactionRow);

#[Object]
impl Transaction {
    /// Unique and unchanging.
    async fn id(&self) -> ID {
        self.0.id().into()
    }

    /// The transfer this is a leg of.
    async fn transfer_id(&self) -> ID {
        self.0.transfer_id.into()
    }

    /// The transfer this is a leg of.
    async fn transfer(&self, context: &Context<'_>) -> Result<Option<Transfer>, Failure> {
        let row = Scope::of(context)?.loaders.load_one(TransferById(self.0.transfer_id)).await?;
        Ok(row.map(Transfer))
    }

    /// The transaction's number elsewhere.
    async fn reference(&self) -> Option<&str> {
        self.0.reference.as_deref()
    }

    /// Which side of the account it stands on.
    async fn r#type(&self) -> TransactionType {
        self.0.side()
    }

    /// Decimal text with exactly the currency's digits, never negative.
    async fn amount(&self) -> String {
        self.0.amount()
    }

    /// The account's currency, as ISO 4217 code.
    async fn currency(&self) -> &str {
        self.0.currency.0.code()
    }

    /// The balance with this entry in it.
    async fn balance_after(&self) -> String {
        self.0.balance_after()
    }

    /// The id of the account on the other side.
    async fn counterparty(&self) -> ID {
        self.0.counterparty.into()
    }

    /// The account on the other side; null when it is not for this caller.
    async fn counterparty_account(&self, context: &Context<'_>) -> Result<Option<Account>, Failure> {
        let scope = Scope::of(context)?;
        let row = scope.loaders.load_one(AccountById(self.0.counterparty)).await?;
        Ok(row.filter(|row| scope.caller.may_read(row.user_id)).map(Account))
    }

    /// How final it is. Credits are; a debit is once its transfer completed.
    async fn status(&self) -> TransactionStatus {
        self.0.status()
    }

    /// The payer's text.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// Business time: months and statements follow it.
    async fn booked_at(&self) -> DateTime<Utc> {
        self.0.booked_at
    }

    /// When the log recorded it.
    async fn recorded_at(&self) -> DateTime<Utc> {
        self.0.recorded_at
    }

    /// Of its event in the account's stream: the order of booking.
    async fn revision(&self) -> i64 {
        self.0.revision
    }

    /// Its place in the log, in `accountActivity`: `after` it a subscription goes on. Null elsewhere.
    async fn position(&self) -> Option<BigInt> {
        self.0.position.map(BigInt)
    }
}

/// How many entries a connection has on all its pages.
pub(super) struct TotalCount {
    pub(super) account_id: i64,
    pub(super) month: Option<Month>,
    /// Everything that fits, where not everything does.
    pub(super) filtered: Option<Range>,
}

impl TotalCount {
    /// The count and whether it is exact. What is not filtered is known from the months' totals, however much it is.
    async fn count(&self, context: &Context<'_>) -> Result<(i64, bool), Failure> {
        let loaders = &Scope::of(context)?.loaders;
        let account_id = self.account_id;
        let Some(range) = self.filtered.clone() else {
            let key = CountOf { account_id, month: self.month };
            return Ok((loaders.load_one(key).await?.ok_or(Problem::Internal)?, true));
        };
        let count =
            loaders.load_one(FilteredCountOf { account_id, range }).await?.ok_or(Problem::Internal)?;
        Ok((count.fitting, count.is_exact()))
    }
}

#[Object(name = "TransactionConnectionFields")]
impl TotalCount {
    /// How many entries the month, or the account, has on all pages. With a filter or a range of time only the first 10,000 entries of
    /// the months in question are looked at; `totalCountExact` tells whether those were all.
    async fn total_count(&self, context: &Context<'_>) -> Result<i64, Failure> {
        Ok(self.count(context).await?.0)
    }

    /// False when there may be more than `totalCount` says.
    async fn total_count_exact(&self, context: &Context<'_>) -> Result<bool, Failure> {
        Ok(self.count(context).await?.1)
    }
}
