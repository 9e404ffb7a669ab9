//! The trial balance.

use async_graphql::{Context, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::account::instant;
use super::failure::Failure;
use super::scope::Scope;
use crate::read_models::trial_balance::{self, TrialBalanceRow};

/// The books of one currency in three sums, which add up to zero. Amounts are decimal text of that currency.
#[derive(SimpleObject)]
pub(super) struct TrialBalance {
    /// ISO 4217 code.
    currency: &'static str,
    /// On customers' accounts.
    customers: String,
    /// On the bank's own settlement accounts.
    settlement: String,
    /// Taken off one account and not yet on the other.
    in_transit: String,
    /// The sum of the three: zero, or the books are wrong.
    total: String,
}

impl From<TrialBalanceRow> for TrialBalance {
    fn from(row: TrialBalanceRow) -> Self {
        Self {
            currency: row.currency.0.code(),
            customers: row.currency.amount(row.customers),
            settlement: row.currency.amount(row.settlement),
            in_transit: row.currency.amount(row.in_transit),
            total: row.currency.amount(row.total()),
        }
    }
}

/// Questions about the whole bank.
#[derive(Default)]
pub(super) struct TrialBalanceQuery;

#[Object]
impl TrialBalanceQuery {
    /// The trial balance per currency, for operators and auditors: now, or as of an instant of business time. As of an instant,
    /// what is in transit is what is on no account, so its total is zero by definition; now, all three are kept separately.
    #[graphql(complexity = "1000 + child_complexity")]
    async fn trial_balance(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "RFC 3339; now when absent")] as_of: Option<DateTime<Utc>>,
    ) -> Result<Vec<TrialBalance>, Failure> {
        let scope = Scope::of(context)?;
        scope.require_everything()?;
        let rows = match as_of {
            None => trial_balance::now(&scope.databases).await?,
            Some(time) => trial_balance::as_of(&scope.databases, instant(time)?).await?,
        };
        Ok(rows.into_iter().map(TrialBalance::from).collect())
    }
}
