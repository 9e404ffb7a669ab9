//! What statements are made of, read from the read models: many accounts at a time, each group of them as of one moment.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use ledger_core::user::Sealed;
use ledger_core::{AccountId, Currency, Month, Position, TransferId, UserId};
use ledger_streams::KeyStore;
use sqlx::{FromRow, PgConnection, PgPool};
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use super::archived::{ARCHIVED, edition, is_gone};
use super::{CloseError, Inner};
use crate::limits::{ACCOUNTS_READ_MAX, ENTRIES_READ_MAX, SETTLE_LOOK, SETTLE_LOOKS_MAX};
use crate::{Booking, EntryKind, StatementAccount};

/// An account of which there should be a statement.
pub(super) struct Work {
    pub(super) account_id: AccountId,
    /// What goes on it; or why that cannot be told, as when the bookings cannot be read.
    pub(super) books: Result<Books, String>,
    /// False when another look may find something else.
    settled: bool,
    /// How many statements the account has, of whatever months.
    pub(super) statements: u64,
    /// The log's, up to which this is known to be all.
    pub(super) position: Position,
}

/// An account's month, and what was issued of it.
pub(super) struct Books {
    pub(super) account: StatementAccount,
    pub(super) opening: i128,
    pub(super) debits: i128,
    pub(super) credits: i128,
    /// How many bookings there should be.
    pub(super) count: i64,
    pub(super) bookings: Vec<Booking>,
    /// The last issue of the month's statement, and the digest of its CSV.
    pub(super) last: Option<(u32, Option<String>)>,
}

macro_rules! of_accounts {
    ($select:literal, $rest:literal) => {
        concat!(
            $select,
            " from monthly_totals where month <= $1 and account_id > $2 group by account_id \
              having max(month) = $1 or sum(credits - debits) <> 0 \
              or exists (select from statements as had where had.account_id = monthly_totals.account_id and had.month = $1) ",
            $rest
        )
    };
}

const COUNT: &str = concat!("select count(*) from (", of_accounts!("select account_id", ""), ") as found");

/// Whether one of them has no statement of as many entries.
pub(super) const MISSING: &str = concat!(
    "select exists (select from (",
    of_accounts!("select account_id, coalesce(sum(count) filter (where month = $1), 0) as count", ""),
    ") as found where not exists (
         select from statements as issued
         where issued.account_id = found.account_id and issued.month = $1 and issued.count = found.count))"
);

const ACCOUNTS: &str = concat!(
    "select account_id, user_id, reference, kind, currency, opening, debits, credits, count,
            (select coalesce(max(revision) + 1, 0) from statements as issued where issued.account_id = found.account_id) as statements,
            last.issue, last.csv
     from (",
    of_accounts!(
        "select account_id,
                coalesce(sum(credits - debits) filter (where month < $1), 0)::text as opening,
                coalesce(sum(debits) filter (where month = $1), 0)::text as debits,
                coalesce(sum(credits) filter (where month = $1), 0)::text as credits,
                coalesce(sum(count) filter (where month = $1), 0)::bigint as count",
        "order by account_id limit $3"
    ),
    ") as found
     left join accounts using (account_id)
     left join lateral (
         select issue, (select file->>'sha256' from jsonb_array_elements(files) as file where file->>'format' = 'csv') as csv
         from statements as issued where issued.account_id = found.account_id and issued.month = $1 order by issue desc limit 1
     ) as last on true
     order by account_id"
);

const ENTRIES: &str = "
    select account_id, revision, transfer_id, kind, amount, counterparty, description, reference, booked_at
    from transactions where month = $1 and account_id = any($2)";

const USERS: &str = "select user_id, details from users where user_id = any($1) and details is not null and erased_at is null";

#[derive(FromRow)]
struct AccountRow {
    account_id: i64,
    user_id: Option<i64>,
    reference: Option<String>,
    /// These two are of the account, which may not be there yet.
    kind: Option<String>,
    currency: Option<String>,
    opening: String,
    debits: String,
    credits: String,
    count: i64,
    statements: i64,
    issue: Option<i32>,
    csv: Option<String>,
}

#[derive(FromRow)]
struct EntryRow {
    account_id: i64,
    revision: i64,
    transfer_id: i64,
    kind: String,
    amount: i64,
    counterparty: i64,
    description: Option<String>,
    reference: Option<String>,
    booked_at: DateTime<Utc>,
}

/// Names by user; the reason where one cannot be opened.
type Names = HashMap<i64, Result<String, String>>;

impl Inner {
    pub(super) async fn count_accounts(&self, month: Month) -> Result<u64, CloseError> {
        let mut sum = 0_u64;
        for database in &self.parts.databases {
            let count: i64 =
                sqlx::query_scalar(COUNT).bind(month.first_day()).bind(0_i64).fetch_one(database).await?;
            sum = sum.saturating_add(count.unsigned_abs());
        }
        Ok(sum)
    }

    /// Reads all accounts of all databases; false when it was told to stop before.
    pub(super) async fn read_all(
        &self,
        month: Month,
        to: Sender<Work>,
        stop: &CancellationToken,
    ) -> Result<bool, CloseError> {
        for database in &self.parts.databases {
            let mut after = 0;
            loop {
                let group = self.read_settled(database, month, after).await?;
                let Some(last) = group.last() else { break };
                after = last.account_id.as_i64();
                for work in group {
                    if stop.is_cancelled() || to.send(work).await.is_err() {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// Totals and entries are written by different transactions: while something is booked for the month they may differ for a moment. A
    /// month may be restored from the archive meanwhile.
    async fn read_settled(
        &self,
        database: &PgPool,
        month: Month,
        after: i64,
    ) -> Result<Vec<Work>, CloseError> {
        let mut looks = 0;
        loop {
            let group = self.read_group(database, month, after).await;
            let again = match &group {
                Ok(group) => !group.iter().all(|work| work.settled),
                Err(CloseError::Archive(error)) => is_gone(error),
                Err(_) => false,
            };
            if !again || looks >= SETTLE_LOOKS_MAX {
                return group;
            }
            looks = u32::saturating_add(looks, 1);
            tokio::time::sleep(SETTLE_LOOK).await;
        }
    }

    /// The next accounts: as many as have so many entries together, and one at least.
    async fn read_group(&self, database: &PgPool, month: Month, after: i64) -> Result<Vec<Work>, CloseError> {
        let mut db = database.begin_with("begin isolation level repeatable read read only").await?;
        let position: i64 = sqlx::query_scalar(
            "select coalesce(min(position), 0) from checkpoints where projection in ('transactions', 'monthly_totals')",
        )
        .fetch_one(&mut *db)
        .await?;
        let mut rows: Vec<AccountRow> = sqlx::query_as(ACCOUNTS)
            .bind(month.first_day())
            .bind(after)
            .bind(ACCOUNTS_READ_MAX)
            .fetch_all(&mut *db)
            .await?;
        rows.truncate(together(&rows));
        let ids: Vec<i64> = rows.iter().map(|row| row.account_id).collect();
        let archived: Option<String> =
            sqlx::query_scalar(ARCHIVED).bind(month.first_day()).fetch_optional(&mut *db).await?;
        let mut bookings = bookings(&mut db, month.first_day(), &ids).await?;
        db.rollback().await?;
        let mut failures = match archived {
            Some(digest) => {
                let active = rows.iter().filter(|row| row.count > 0).map(|row| row.account_id).collect();
                self.add_archived(edition(month, &digest)?, active, &mut bookings).await?
            }
            None => HashMap::new(),
        };
        let holders = self.holders(rows.iter().filter_map(|row| row.user_id).collect()).await?;
        let work = |row: AccountRow| {
            let bookings = bookings.remove(&row.account_id).unwrap_or_default();
            let failure = failures.remove(&row.account_id);
            let is_whole = row.kind.is_some() && usize::try_from(row.count) == Ok(bookings.len());
            Ok(Work {
                account_id: account(row.account_id)?,
                settled: is_whole || failure.is_some(),
                statements: row.statements.unsigned_abs(),
                position: position.unsigned_abs(),
                books: failure.map_or_else(|| row.books(bookings, &holders), Err),
            })
        };
        rows.into_iter().map(work).collect()
    }

    /// The names of these users; of those who were erased there is none.
    async fn holders(&self, mut users: Vec<i64>) -> Result<Names, CloseError> {
        users.sort_unstable();
        users.dedup();
        let Some(first) = self.parts.databases.first().filter(|_| !users.is_empty()) else {
            return Ok(HashMap::new());
        };
        let rows: Vec<(i64, String)> = sqlx::query_as(USERS).bind(users).fetch_all(first).await?;
        let keys = self.parts.keys.clone();
        // Keys are files.
        let opened = tokio::task::spawn_blocking(move || {
            rows.into_iter().map(|(id, details)| (id, name(&keys, id, details))).collect()
        });
        opened.await.map_err(|error| sqlx::Error::Configuration(Box::new(error)).into())
    }
}

/// How many of these are read together: so many that their entries are not too many, and one at least.
fn together(rows: &[AccountRow]) -> usize {
    let mut entries = 0_i64;
    let fits = |row: &&AccountRow| {
        entries = entries.saturating_add(row.count);
        entries <= ENTRIES_READ_MAX
    };
    rows.iter().take_while(fits).count().max(1)
}

async fn bookings(
    db: &mut PgConnection,
    month: NaiveDate,
    accounts: &[i64],
) -> Result<HashMap<i64, Vec<Booking>>, sqlx::Error> {
    let rows: Vec<EntryRow> = sqlx::query_as(ENTRIES).bind(month).bind(accounts).fetch_all(db).await?;
    let mut bookings: HashMap<i64, Vec<Booking>> = HashMap::new();
    for row in rows {
        bookings.entry(row.account_id).or_default().push(row.booking()?);
    }
    Ok(bookings)
}

/// Nobody erased this user, so the key has to be there: a statement that says otherwise could not be put right.
fn name(keys: &KeyStore, user_id: i64, details: String) -> Result<String, String> {
    let id = UserId::from_i64(user_id).ok_or("the holder's id is none")?;
    match keys.open_details(id, &Sealed(details)) {
        Ok(Some(details)) => Ok(details.name),
        Ok(None) => Err(format!("the key of the holder, user {user_id}, is not there")),
        Err(error) => Err(format!("the holder's name could not be opened: {error}")),
    }
}

/// What a column holds is not what the projector writes.
pub(super) fn strange(what: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(what.into())
}

fn sum(text: &str) -> Result<i128, sqlx::Error> {
    text.parse().map_err(|_| strange("not a sum"))
}

pub(super) fn account(id: i64) -> Result<AccountId, sqlx::Error> {
    AccountId::from_i64(id).ok_or_else(|| strange("not an account's id"))
}

impl AccountRow {
    /// Whose account it is.
    fn holder(&self, names: &Names) -> Result<String, String> {
        match (self.user_id, &self.reference) {
            (Some(user), _) => names.get(&user).cloned().unwrap_or_else(|| Ok("(erased)".to_owned())),
            (None, _) if self.kind.as_deref() == Some("settlement") => Ok("Settlement account".to_owned()),
            (None, Some(reference)) => Ok(reference.clone()),
            (None, None) => Ok("(no holder)".to_owned()),
        }
    }

    fn books(self, bookings: Vec<Booking>, names: &Names) -> Result<Books, String> {
        let text = |error: sqlx::Error| error.to_string();
        let code =
            self.currency.as_deref().ok_or("the read models have bookings of it, and not the account")?;
        Ok(Books {
            account: StatementAccount {
                id: account(self.account_id).map_err(text)?,
                currency: Currency::from_code(code).ok_or_else(|| format!("'{code}' is not a currency"))?,
                holder: self.holder(names)?,
                reference: self.reference,
            },
            opening: sum(&self.opening).map_err(text)?,
            debits: sum(&self.debits).map_err(text)?,
            credits: sum(&self.credits).map_err(text)?,
            count: self.count,
            bookings,
            last: self.issue.map(|issue| (issue.unsigned_abs(), self.csv)),
        })
    }
}

impl EntryRow {
    fn booking(self) -> Result<Booking, sqlx::Error> {
        let kind = match self.kind.as_str() {
            "debit" => EntryKind::Debit,
            "credit" => EntryKind::Credit,
            "reversal" => EntryKind::Reversal,
            _ => return Err(strange("not a kind of entry")),
        };
        Ok(Booking {
            revision: self.revision.unsigned_abs(),
            transfer_id: TransferId::from_i64(self.transfer_id)
                .ok_or_else(|| strange("not a transfer's id"))?,
            kind,
            amount: self.amount,
            counterparty: account(self.counterparty)?,
            description: self.description,
            reference: self.reference,
            booked_at: self.booked_at,
        })
    }
}
