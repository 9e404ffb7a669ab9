//! One account: its files, and the event that names them.

use std::num::NonZeroU32;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use file_store::{Bytes, Sha256};
use ledger_core::statement::StatementIssued;
use ledger_core::{Money, Month, stream};
use ledger_streams::Context;
use tokio::sync::SemaphorePermit;

use super::keep::{Kept, Made};
use super::reads::{Books, Work};
use super::{Close, Outcome};
use crate::{Documents, Issue, Statement};

/// Who issues statements, as the log says it.
const ACTOR: &str = "month-close";

/// A statement that says something else than the last one did.
struct News {
    statement: Statement,
    csv: Bytes,
}

// Why an account fails is text: it is for people.
impl Close {
    /// Makes the statement, if it is another one than before. The files go where none are, and the log takes one event at a revision: whoever
    /// else does the same at the same time, one of them is issued, and no file is ever replaced.
    pub(super) async fn issue<'a>(
        &'a self,
        work: Work,
        month: Month,
        now: DateTime<Utc>,
        mut core: SemaphorePermit<'a>,
    ) -> Result<Outcome, String> {
        let Work { account_id, books, statements: after, position, .. } = work;
        let books = books?;
        let replaces = books.last.as_ref().and_then(|(issue, _)| NonZeroU32::new(*issue));
        let zone = self.inner.parts.time_zone;
        let news = self.on_its_own(move |documents| News::of(documents, books, month, zone)).await?;
        let Some(news) = news.map(Arc::new) else { return Ok(Outcome::Unchanged) };
        let number = replaces.map_or(NonZeroU32::MIN, |last| last.saturating_add(1));
        let mut issue = Issue { number, replaces, issued_at: now };
        let (made, warning) = loop {
            let news = Arc::clone(&news);
            let (made, warning) = self.on_its_own(move |documents| news.made(documents, issue)).await?;
            drop(core);
            match made.keep(&self.inner.parts.files, account_id, month, issue.number.get()).await? {
                Kept::All => break (made, warning),
                Kept::Taken(by) => issue = after_finding(by, issue, now)?,
            }
            core = self.inner.cores.acquire().await.map_err(text)?;
        };

        let statement = &news.statement;
        let money = |minor: i128| {
            let minor = i64::try_from(minor).map_err(|_| "a sum has more than 64 bits".to_owned());
            minor.map(|minor| Money::new(minor, statement.account().currency))
        };
        let files = made.named();
        let bytes = files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.bytes));
        let issued = StatementIssued {
            account_id,
            month: month.to_string(),
            issue: issue.number.get(),
            opening: money(statement.opening())?,
            closing: money(statement.closing())?,
            total_debits: money(statement.debits())?,
            total_credits: money(statement.credits())?,
            count: statement.lines().len() as u64,
            position,
            files,
        };
        let context = Context {
            correlation_id: stream::statement(account_id).into(),
            causation_id: None,
            actor: ACTOR.into(),
            booked_at: now,
        };
        match self.inner.parts.store.issue_statement(issued, after, &context).await {
            Ok(Some(_)) => Ok(Outcome::Issued { first: replaces.is_none(), bytes, warning }),
            Ok(None) => Err(
                "the log has a statement of this account that the read models do not: somebody else issues \
                             statements, or they are behind"
                    .to_owned(),
            ),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Does what takes a core.
    async fn on_its_own<T: Send + 'static>(
        &self,
        make: impl FnOnce(&Documents) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let close = self.clone();
        let made = tokio::task::spawn_blocking(move || make(&close.inner.parts.documents));
        made.await.map_err(text)?
    }
}

/// What to try when another file is in the place of this issue's: the issue that it belongs to is taken over when it is the same but for the
/// time; else it stays where it is, and the next number is free, or left by an earlier close.
fn after_finding(left_at: Option<DateTime<Utc>>, tried: Issue, now: DateTime<Utc>) -> Result<Issue, String> {
    match left_at {
        Some(issued_at) if issued_at != tried.issued_at => Ok(Issue { issued_at, ..tried }),
        Some(_) | None => {
            let number = tried.number.checked_add(1).ok_or("no number is left for another issue")?;
            Ok(Issue { number, issued_at: now, ..tried })
        }
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl News {
    /// None when the statement is as it was.
    fn of(
        documents: &Documents,
        books: Books,
        month: Month,
        zone: chrono_tz::Tz,
    ) -> Result<Option<Self>, String> {
        let Books { account, opening, debits, credits, count, bookings, last } = books;
        if usize::try_from(count) != Ok(bookings.len()) {
            return Err(format!("{} bookings were found and {count} counted", bookings.len()));
        }
        let statement = Statement::new(account, month, zone, opening, bookings).map_err(text)?;
        if (statement.debits(), statement.credits()) != (debits, credits) {
            return Err("its bookings are not what the month's totals say".to_owned());
        }
        let csv = documents.csv(&statement).map_err(text)?;
        let is_as_it_was = last.and_then(|(_, digest)| digest) == Some(Sha256::of(&csv).to_string());
        Ok((!is_as_it_was).then(|| Self { statement, csv: csv.into() }))
    }

    /// The files, and what is missing in them.
    fn made(&self, documents: &Documents, issue: Issue) -> Result<(Made, Option<String>), String> {
        let camt053 = documents.camt053(&self.statement, &issue).map_err(text)?.into();
        let pdf = documents.pdf(&self.statement, &issue).map_err(text)?;
        let warning = pdf.warnings.first().map(ToString::to_string);
        Ok((Made { pdf: pdf.bytes.into(), csv: self.csv.clone(), camt053 }, warning))
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;

    use super::after_finding;
    use crate::Issue;
    use crate::testing::issue;

    #[test]
    fn what_was_left_is_made_again_before_it_is_passed_by() {
        let now = issue(1).issued_at + Duration::days(3);
        let tried = Issue { issued_at: now, ..issue(4) };
        let left_at = issue(4).issued_at;
        assert_eq!(after_finding(Some(left_at), tried, now), Ok(issue(4)));
        // It is another one than that.
        let next = Issue { number: issue(5).number, ..tried };
        assert_eq!(after_finding(Some(left_at), issue(4), now), Ok(next));
        assert_eq!(after_finding(None, tried, now), Ok(next));
        assert_eq!(next.replaces, issue(4).replaces);
        let last = Issue { number: std::num::NonZeroU32::MAX, ..tried };
        assert!(after_finding(None, last, now).is_err());
    }
}
