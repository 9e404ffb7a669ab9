//! Accounts.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Datelike, SubsecRound, Utc};
use ledger_core::{AccountId, Month};

use super::failure::Failure;
use super::monthly_totals::{MonthlyTotals, Statement};
use super::page::{self, Connected, connect};
use super::scope::Scope;
use super::transaction::{TotalCount, Transaction};
use super::transaction_filter::TransactionFilter;
use super::user::{User, user_id};
use crate::connection::{IdCursor, Page, PageArguments, PageRequest};
use crate::limits::LATEST_TRANSACTIONS;
use crate::newest::NewestOf;
use crate::problem::Problem;
use crate::read_models::CurrencyColumn;
use crate::read_models::account::{
    self, AccountById, AccountByReference, AccountKind, AccountRow, AccountStatus, BalanceAt, TimeBasis,
};
use crate::read_models::monthly_totals::{Totals, TotalsOf};
use crate::read_models::range::Range;
use crate::read_models::transaction::EntriesOf;
use ledger_core::text::REFERENCE_CHARS_MAX;

/// An amount of one currency.
#[derive(Clone, Debug, SimpleObject)]
pub(super) struct Money {
    /// Decimal text with exactly the currency's digits: "10.50" EUR, "1050" JPY.
    amount: String,
    /// ISO 4217 code.
    currency: &'static str,
}

impl Money {
    fn of(minor: impl Into<i128>, currency: CurrencyColumn) -> Self {
        Self { amount: currency.amount(minor), currency: currency.0.code() }
    }
}

impl From<ledger_core::Money> for Money {
    fn from(money: ledger_core::Money) -> Self {
        Self { amount: money.amount(), currency: money.currency.code() }
    }
}

/// An account and everything that was booked on it.
pub(super) struct Account(pub(super) AccountRow);

impl Account {
    async fn totals(&self, context: &Context<'_>, month: &str) -> Result<Totals, Failure> {
        let month: Month = month.parse()?;
        let key = TotalsOf { account_id: self.0.account_id, month };
        let row = Scope::of(context)?.loaders.load_one(key).await?.ok_or(Problem::Internal)?;
        Ok(row.in_currency(self.0.currency, month))
    }

    async fn entries(&self, context: &Context<'_>, range: Range) -> Result<Page<Transaction>, Failure> {
        let key = EntriesOf { account_id: self.0.account_id, range };
        let page = Scope::of(context)?.loaders.load_one(key).await?.ok_or(Problem::Internal)?;
        Ok(Page {
            items: page.items.into_iter().map(Transaction).collect(),
            has_previous: page.has_previous,
            has_next: page.has_next,
        })
    }

    /// The newest entries, newest first, which this process keeps until the log says otherwise.
    async fn newest_here(&self, scope: &Scope) -> Result<Vec<Transaction>, Failure> {
        let account_id = self.0.account_id;
        if let Some(rows) = scope.live.latest(account_id, scope.at) {
            return Ok(rows.iter().rev().cloned().map(Transaction).collect());
        }
        let awaited = scope.live.awaits_latest(account_id).await;
        let key = EntriesOf { account_id, range: Range::latest() };
        let rows = scope.loaders.load_one(key).await?.ok_or(Problem::Internal)?.items;
        if let Some(awaited) = awaited {
            scope.live.keep_latest(&awaited, &rows);
        }
        Ok(rows.into_iter().rev().map(Transaction).collect())
    }
}

#[Object]
impl Account {
    /// Its id, a decimal string.
    async fn id(&self) -> ID {
        self.0.account_id.into()
    }

    /// The account's number elsewhere, unique among accounts.
    async fn reference(&self) -> Option<&str> {
        self.0.reference.as_deref()
    }

    /// Its holder's id; none for settlement accounts and imported accounts.
    async fn user_id(&self) -> Option<ID> {
        self.0.user_id.map(ID::from)
    }

    /// Its holder.
    async fn user(&self, context: &Context<'_>) -> Result<Option<User>, Failure> {
        let Some(user_id) = self.0.user_id else {
            return Ok(None);
        };
        User::load(Scope::of(context)?, user_id).await
    }

    /// What it is for.
    async fn r#type(&self) -> AccountKind {
        self.0.kind
    }

    /// The only currency it holds, as ISO 4217 code.
    async fn currency(&self) -> &str {
        self.0.currency.0.code()
    }

    /// Whether it takes debits and credits.
    async fn status(&self) -> AccountStatus {
        self.0.status
    }

    /// When it was opened.
    async fn opened_at(&self) -> DateTime<Utc> {
        self.0.opened_at
    }

    /// What is on it, debits in flight taken off.
    async fn balance(&self) -> Money {
        self.0.balance().into()
    }

    /// What may be taken off it now: balance plus overdraft limit.
    async fn available(&self) -> Money {
        Money::of(self.0.available(), self.0.currency)
    }

    /// Debits whose transfer has not ended.
    async fn in_transit(&self) -> Money {
        Money::of(self.0.in_transit(), self.0.currency)
    }

    /// How far below zero it may go.
    async fn overdraft_limit(&self) -> Money {
        self.0.overdraft_limit().into()
    }

    /// The balance as of an instant: of every entry booked for then or before, or, by the log's time, as it was known then.
    #[graphql(complexity = 100)]
    async fn balance_at(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "RFC 3339, such as 2026-11-30T23:59:59Z")] time: DateTime<Utc>,
        #[graphql(desc = "Which time of an entry counts", default_with = "TimeBasis::Booked")] by: TimeBasis,
    ) -> Result<Money, Failure> {
        let key = BalanceAt { account_id: self.0.account_id, time: instant(time)?, by };
        let minor = Scope::of(context)?.loaders.load_one(key).await?.ok_or(Problem::Internal)?;
        Ok(Money::of(minor, self.0.currency))
    }

    /// The 20 newest entries, newest first.
    #[graphql(complexity = "page::of_list(LATEST_TRANSACTIONS, child_complexity)")]
    async fn latest_transactions(&self, context: &Context<'_>) -> Result<Vec<Transaction>, Failure> {
        let scope = Scope::of(context)?;
        if scope.databases.keep_newest_here() {
            return self.newest_here(scope).await;
        }
        let rows = scope.loaders.load_one(NewestOf::new(&self.0)).await?;
        Ok(rows.ok_or(Problem::Internal)?.into_iter().rev().map(Transaction).collect())
    }

    /// Entries in the order of booking: of one month, of a range of time, or of all; those that fit a filter. Cursors stay valid
    /// whatever is booked meanwhile.
    #[graphql(
        complexity = "page::complexity(first, last, child_complexity) + page::of_filter(filter.is_some() || from.is_some() || to.is_some())"
    )]
    #[expect(clippy::too_many_arguments, reason = "they are the field's arguments")]
    async fn transactions(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "YYYY-MM, in the bank's time zone; all months when absent")] month: Option<String>,
        #[graphql(desc = "Only entries booked for this instant or later, RFC 3339")] from: Option<
            DateTime<Utc>,
        >,
        #[graphql(desc = "Only entries booked for before this instant, RFC 3339")] to: Option<DateTime<Utc>>,
        #[graphql(desc = "Only entries that fit")] filter: Option<TransactionFilter>,
        #[graphql(desc = "How many from the start: 0 to 200, 50 when absent")] first: Option<i32>,
        #[graphql(desc = "Only entries after this cursor")] after: Option<String>,
        #[graphql(desc = "How many from the end: 0 to 200")] last: Option<i32>,
        #[graphql(desc = "Only entries before this cursor")] before: Option<String>,
    ) -> Result<Connected<Transaction, TotalCount>, Failure> {
        let month: Option<Month> = month.map(|month| month.parse()).transpose()?;
        let request = PageRequest::try_new(&PageArguments { first, after, last, before })?;
        let filter = filter.unwrap_or_default().within(from, to, self.0.currency)?;
        let count = TotalCount {
            account_id: self.0.account_id,
            month,
            filtered: (!filter.is_empty())
                .then(|| Range::new(month, filter.clone(), &PageRequest::everything())),
        };
        let page = self.entries(context, Range::new(month, filter, &request)).await?;
        Ok(connect(page, count, |entry| entry.0.cursor(), |entry| entry))
    }

    /// What a month did to the account.
    async fn monthly_totals(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "YYYY-MM, in the bank's time zone")] month: String,
    ) -> Result<MonthlyTotals, Failure> {
        Ok(self.totals(context, &month).await?.into())
    }

    /// The account's statement of a month.
    async fn statement(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "YYYY-MM, in the bank's time zone")] month: String,
    ) -> Result<Statement, Failure> {
        let totals = self.totals(context, &month).await?;
        Ok(Statement { account_id: self.0.account_id, totals })
    }
}

/// Questions about accounts.
#[derive(Default)]
pub(super) struct AccountQuery;

#[Object]
impl AccountQuery {
    /// An account by its id or its external reference: exactly one of the two. Null when there is none, or not for this caller.
    async fn account(
        &self,
        context: &Context<'_>,
        id: Option<ID>,
        reference: Option<String>,
    ) -> Result<Option<Account>, Failure> {
        let scope = Scope::of(context)?;
        let row = match (id, reference) {
            (Some(id), None) => scope.loaders.load_one(AccountById(account_id(&id)?)).await?,
            (None, Some(reference))
                if reference.chars().count() <= REFERENCE_CHARS_MAX && !reference.contains('\0') =>
            {
                scope.loaders.load_one(AccountByReference(reference)).await?
            }
            // What no account can carry is nobody's reference.
            (None, Some(_)) => None,
            (Some(_), Some(_)) | (None, None) => {
                return Err(Problem::InvalidArgument("give either 'id' or 'reference'").into());
            }
        };
        Ok(row.filter(|row| scope.caller.may_read(row.user_id)).map(Account))
    }

    /// Accounts in the order of their ids: of one user, or, for operators and auditors, of everybody.
    #[graphql(complexity = "page::complexity(first, None, child_complexity)")]
    async fn accounts(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only this user's")] user_id: Option<ID>,
        #[graphql(desc = "How many: 0 to 200, 50 when absent")] first: Option<i32>,
        #[graphql(desc = "Only accounts after this cursor")] after: Option<String>,
    ) -> Result<Connected<Account>, Failure> {
        let scope = Scope::of(context)?;
        let owner = user_id.map(|id| self::user_id(&id)).transpose()?;
        if !scope.caller.may_read(owner) {
            scope.require_everything()?;
        }
        let request = PageRequest::<IdCursor>::onward(first, after)?;
        let page = account::page(&scope.databases, owner, &request).await?;
        Ok(connect(page, Default::default(), |row| IdCursor(row.account_id), Account))
    }
}

/// Reads an account's id.
pub(super) fn account_key(id: &ID) -> Result<AccountId, Failure> {
    Ok(id.parse().map_err(|error| Problem::invalid_id(&error))?)
}

/// Reads an account's id, as the read models have it.
pub(super) fn account_id(id: &ID) -> Result<i64, Failure> {
    Ok(account_key(id)?.as_i64())
}

/// An instant that Postgres can hold too.
pub(super) fn instant(time: DateTime<Utc>) -> Result<DateTime<Utc>, Failure> {
    if (1..=9998).contains(&time.year()) {
        // Postgres keeps microseconds.
        return Ok(time.trunc_subsecs(6));
    }
    Err(Problem::InvalidArgument("the time must lie in the years 1 to 9998").into())
}
