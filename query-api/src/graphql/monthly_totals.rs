//! Months of an account.

use async_graphql::{Context, Object, SimpleObject};

use super::failure::Failure;
use super::scope::Scope;
use crate::read_models::monthly_totals::Totals;
use crate::read_models::statement::{Format, IssuedOf};

/// What a month did to an account. Amounts are decimal text of the account's currency.
#[derive(SimpleObject)]
pub(super) struct MonthlyTotals {
    /// YYYY-MM.
    month: String,
    /// The balance before the month's first entry.
    opening: String,
    /// The balance after the month's last entry.
    closing: String,
    /// What left the account.
    total_debits: String,
    /// What came to the account, debits that came back included.
    total_credits: String,
    /// How many entries.
    count: i64,
}

impl From<Totals> for MonthlyTotals {
    fn from(totals: Totals) -> Self {
        Self {
            month: totals.month.to_string(),
            opening: totals.opening,
            closing: totals.closing,
            total_debits: totals.debits,
            total_credits: totals.credits,
            count: totals.count,
        }
    }
}

/// An account's statement of a month.
pub(super) struct Statement {
    pub(super) account_id: i64,
    pub(super) totals: Totals,
}

/// An account's statement of a month. Amounts are decimal text of the account's currency.
#[Object]
impl Statement {
    /// YYYY-MM.
    async fn month(&self) -> String {
        self.totals.month.to_string()
    }

    /// The balance before the month's first entry.
    async fn opening(&self) -> &str {
        &self.totals.opening
    }

    /// The balance after the month's last entry.
    async fn closing(&self) -> &str {
        &self.totals.closing
    }

    /// What left the account.
    async fn total_debits(&self) -> &str {
        &self.totals.debits
    }

    /// What came to the account, debits that came back included.
    async fn total_credits(&self) -> &str {
        &self.totals.credits
    }

    /// How many entries.
    async fn count(&self) -> i64 {
        self.totals.count
    }

    /// A link to a file of the newest statement that was issued, for anybody who has it, for a quarter of an hour: an address of S3, or a path
    /// here. Null while the month is not closed.
    #[graphql(complexity = 10)]
    async fn download_url(&self, context: &Context<'_>, format: Format) -> Result<Option<String>, Failure> {
        let scope = Scope::of(context)?;
        let key = IssuedOf { account_id: self.account_id, month: self.totals.month };
        let issued = scope.loaders.load_one(key).await?;
        let Some(issued) = issued else { return Ok(None) };
        match issued.file(format)? {
            Some(file) => Ok(Some(scope.downloads.link(&file.path).await?.url)),
            None => Ok(None),
        }
    }
}
