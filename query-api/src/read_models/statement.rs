//! Statements as they were issued.

use std::collections::HashMap;

use async_graphql::Enum;
use async_graphql::dataloader::Loader;
use chrono::NaiveDate;
use ledger_core::statement::{StatementFile, StatementFormat};
use ledger_core::{AccountId, Month};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use sqlx::error::BoxDynError;
use utoipa::ToSchema;

use super::{Key, Place, ReadError, ReadModels};
use crate::database::ReadDatabases;

/// Which of a statement's files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum, Serialize, Deserialize, ToSchema)]
#[graphql(name = "StatementFormat")]
#[schema(as = StatementFormat)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// For people.
    #[default]
    Pdf,
    /// For spreadsheets.
    Csv,
    /// For machines: ISO 20022 camt.053.001.08.
    #[graphql(name = "CAMT053")]
    Camt053,
}

impl From<Format> for StatementFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Pdf => Self::Pdf,
            Format::Csv => Self::Csv,
            Format::Camt053 => Self::Camt053,
        }
    }
}

/// The newest statement of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct IssuedOf {
    pub(crate) account_id: i64,
    pub(crate) month: Month,
}

/// A statement that was issued.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct IssuedRow {
    account_id: i64,
    month: NaiveDate,
    issue: i32,
    files: String,
}

/// A file of a statement: where it is, and what it is known by.
#[derive(Clone, Debug)]
pub(crate) struct IssuedFile {
    pub(crate) issue: i32,
    /// Its key where files are kept.
    pub(crate) path: String,
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
}

impl IssuedRow {
    /// `YYYY-MM`.
    pub(crate) fn month(&self) -> String {
        Month::containing(self.month).to_string()
    }

    /// Its file of a format, if it has one.
    ///
    /// # Errors
    /// When the row is none that the projection writes.
    pub(crate) fn file(&self, format: Format) -> Result<Option<IssuedFile>, ReadError> {
        let strange = |error: BoxDynError| ReadError::from(sqlx::Error::Decode(error));
        let format = StatementFormat::from(format);
        let files: Vec<StatementFile> =
            serde_json::from_str(&self.files).map_err(|error| strange(error.into()))?;
        let Some(file) = files.into_iter().find(|file| file.format == format.as_str()) else {
            return Ok(None);
        };
        let account =
            AccountId::from_i64(self.account_id).ok_or_else(|| strange("no account's id".into()))?;
        let path = format.path(account, Month::containing(self.month), self.issue.unsigned_abs());
        Ok(Some(IssuedFile { issue: self.issue, path, sha256: file.sha256, bytes: file.bytes }))
    }
}

const NEWEST: &str = "
    select distinct on (account_id, month) account_id, month, issue, files::text as files
    from statements join unnest($1::bigint[], $2::date[]) as key(account_id, month) using (account_id, month)
    order by account_id, month, issue desc";

const BETWEEN: &str = "
    select distinct on (month) account_id, month, issue, files::text as files
    from statements where account_id = $1 and month between $2 and $3 order by month, issue desc limit $4";

pub(super) const STATEMENTS: super::Statements =
    &[("newest statements of months", NEWEST), ("statements between months", BETWEEN)];

impl Key for IssuedOf {
    fn place(&self) -> Place {
        Place::With(self.account_id)
    }
}

impl Loader<IssuedOf> for ReadModels {
    type Value = IssuedRow;
    type Error = ReadError;

    async fn load(&self, keys: &[IssuedOf]) -> Result<HashMap<IssuedOf, IssuedRow>, ReadError> {
        let (ids, months): (Vec<i64>, Vec<NaiveDate>) =
            keys.iter().map(|key| (key.account_id, key.month.first_day())).unzip();
        let rows: Vec<IssuedRow> =
            sqlx::query_as(NEWEST).bind(ids).bind(months).fetch_all(&self.pool).await?;
        let keyed = rows.into_iter().filter_map(|row| {
            let month = Month::of_first_day(row.month)?;
            Some((IssuedOf { account_id: row.account_id, month }, row))
        });
        Ok(keyed.collect())
    }
}

impl ReadDatabases {
    /// The newest statements of an account's months, in order, so many at most.
    pub(crate) async fn issued_between(
        &self,
        account_id: i64,
        from: Month,
        to: Month,
        months_max: usize,
    ) -> Result<Vec<IssuedRow>, ReadError> {
        let home = self.of(account_id).await?;
        let rows = sqlx::query_as(BETWEEN)
            .bind(account_id)
            .bind(from.first_day())
            .bind(to.first_day())
            .bind(i64::try_from(months_max).unwrap_or(i64::MAX))
            .fetch_all(&home.pool)
            .await?;
        Ok(rows)
    }

    /// The newest statement of one month of one account.
    pub(crate) async fn issued(&self, key: IssuedOf) -> Result<Option<IssuedRow>, ReadError> {
        let home = self.of(key.account_id).await?;
        let row = sqlx::query_as(NEWEST)
            .bind([key.account_id])
            .bind([key.month.first_day()])
            .fetch_optional(&home.pool)
            .await?;
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use super::{Format, IssuedRow};

    fn row(files: &str) -> IssuedRow {
        let month = "2026-01-01".parse().unwrap();
        IssuedRow { account_id: 7, month, issue: 2, files: files.to_owned() }
    }

    #[test]
    fn a_file_is_where_its_statement_is() {
        let row = row(r#"[{"format": "csv", "sha256": "0f", "bytes": 12}]"#);
        let file = row.file(Format::Csv).unwrap().unwrap();
        assert_eq!(file.path, "statements/7/2026-01/statement-2.csv");
        assert_eq!((file.sha256.as_str(), file.bytes, file.issue), ("0f", 12, 2));
        assert!(row.file(Format::Camt053).unwrap().is_none());
    }

    #[test]
    fn what_no_projection_writes_is_an_error_and_not_nothing() {
        for files in ["", "null", "{}", r#"[{"format": "csv"}]"#] {
            let error = row(files).file(Format::Csv).unwrap_err();
            assert!(!error.is_outage() && !error.is_timeout(), "{error}");
        }
    }
}
