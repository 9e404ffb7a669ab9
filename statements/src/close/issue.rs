//! One account: its files, and the event that names them.

use std::num::NonZeroU32;

use chrono::{DateTime, Utc};
use file_store::{Key, PutNew, Sha256, Stored};
use ledger_core::statement::{StatementFile, StatementFormat, StatementIssued};
use ledger_core::{AccountId, Money, Month, stream};
use ledger_streams::Context;
use tokio::sync::SemaphorePermit;

use super::reads::Work;
use super::ready::Turn;
use super::{Close, Outcome};
use crate::{Documents, Issue, Statement};

/// Who issues statements, as the log says it.
const ACTOR: &str = "month-close";

/// A statement's files, made and not yet kept.
struct Made {
    statement: Statement,
    files: [(StatementFormat, Vec<u8>); 3],
    warning: Option<String>,
}

// Why an account fails is text: it is for people.
impl Close {
    pub(super) async fn issue(
        &self,
        mut work: Work,
        month: Month,
        now: DateTime<Utc>,
        turn: &Turn,
        core: SemaphorePermit<'_>,
    ) -> Result<Outcome, String> {
        if let Some(failure) = work.failure.take() {
            return Err(failure);
        }
        let (account_id, after, position) = (work.account.id, work.statements, work.position);
        let number = work.last.as_ref().map_or(1, |(issue, _)| issue.saturating_add(1));
        let issue = Issue { number: NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN), issued_at: now };
        let Some(made) = self.make(work, month, issue, core).await? else { return Ok(Outcome::Unchanged) };

        let money = |minor: i128| {
            let currency = made.statement.account().currency;
            let minor = i64::try_from(minor).map_err(|_| "a sum has more than 64 bits".to_owned());
            minor.map(|minor| Money::new(minor, currency))
        };
        let [opening, closing, total_debits, total_credits] = [
            money(made.statement.opening())?,
            money(made.statement.closing())?,
            money(made.statement.debits())?,
            money(made.statement.credits())?,
        ];
        let count = made.statement.lines().len() as u64;
        let mut files = Vec::with_capacity(made.files.len());
        let mut sum = 0_u64;
        let puts =
            made.files.map(|(format, bytes)| self.keep(turn, account_id, month, number, format, bytes));
        for (format, stored) in futures::future::try_join_all(puts).await? {
            sum = sum.saturating_add(stored.bytes);
            files.push(StatementFile {
                format: format.as_str().to_owned(),
                sha256: stored.sha256.to_string(),
                bytes: stored.bytes,
            });
        }
        let issued = StatementIssued {
            account_id,
            month: month.to_string(),
            issue: number,
            opening,
            closing,
            total_debits,
            total_credits,
            count,
            position,
            files,
        };
        let context = Context {
            correlation_id: stream::statement(account_id).into(),
            causation_id: None,
            actor: ACTOR.into(),
            booked_at: now,
        };
        // Without the lock the files may be somebody else's by now.
        turn.require_held().await?;
        match self.inner.parts.store.issue_statement(issued, after, &context).await {
            Ok(Some(_)) => Ok(Outcome::Issued { first: number == 1, bytes: sum, warning: made.warning }),
            Ok(None) => Err("somebody else issues statements of this account".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Makes the files on a core of its own, which is free then; none when the statement is as it was.
    async fn make(
        &self,
        work: Work,
        month: Month,
        issue: Issue,
        _core: SemaphorePermit<'_>,
    ) -> Result<Option<Made>, String> {
        let close = self.clone();
        let made = tokio::task::spawn_blocking(move || {
            let parts = &close.inner.parts;
            files(&parts.documents, work, month, parts.time_zone, issue)
        });
        made.await.map_err(|error| error.to_string())?
    }

    /// Writes a file of an issue. One that is there already was left by a close that was killed, unless an event names it.
    async fn keep(
        &self,
        turn: &Turn,
        account_id: AccountId,
        month: Month,
        issue: u32,
        format: StatementFormat,
        bytes: Vec<u8>,
    ) -> Result<(StatementFormat, Stored), String> {
        let parts = &self.inner.parts;
        let key: Key = format.path(account_id, month, issue).parse().map_err(text)?;
        let bytes = file_store::Bytes::from(bytes);
        if let PutNew::Stored(stored) = parts.files.put_new(&key, bytes.clone()).await.map_err(text)? {
            return Ok((format, stored));
        }
        let issued = parts.store.statements_issued(account_id).await.map_err(text)?;
        if issued.iter().any(|issued| issued.month == month.to_string() && issued.issue >= issue) {
            return Err(format!("the log has issue {issue} already, and the read models do not"));
        }
        turn.require_held().await?;
        Ok((format, parts.files.put(&key, bytes).await.map_err(text)?))
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn files(
    documents: &Documents,
    work: Work,
    month: Month,
    zone: chrono_tz::Tz,
    issue: Issue,
) -> Result<Option<Made>, String> {
    let Work { account, opening, debits, credits, count, bookings, last, .. } = work;
    if usize::try_from(count) != Ok(bookings.len()) {
        return Err(format!("{} bookings were found and {count} counted", bookings.len()));
    }
    let statement = Statement::new(account, month, zone, opening, bookings).map_err(text)?;
    if (statement.debits(), statement.credits()) != (debits, credits) {
        return Err("its bookings are not what the month's totals say".to_owned());
    }
    let csv = documents.csv(&statement).map_err(text)?;
    if last.and_then(|(_, digest)| digest) == Some(Sha256::of(&csv).to_string()) {
        return Ok(None);
    }
    let camt053 = documents.camt053(&statement, &issue).map_err(text)?;
    let pdf = documents.pdf(&statement, &issue).map_err(text)?;
    let warning = pdf.warnings.first().map(ToString::to_string);
    let files =
        [(StatementFormat::Pdf, pdf.bytes), (StatementFormat::Csv, csv), (StatementFormat::Camt053, camt053)];
    Ok(Some(Made { statement, files, warning }))
}
