//! The files of an issue on their way to where they stay: never in place of another file.

use chrono::{DateTime, Utc};
use file_store::{Bytes, FileStore, Key, PutNew, Sha256};
use futures::future::try_join;
use ledger_core::statement::{StatementFile, StatementFormat};
use ledger_core::{AccountId, Month};

use crate::document::camt053::created_at;

/// An issue's files, made and not yet kept.
pub(super) struct Made {
    pub(super) pdf: Bytes,
    pub(super) csv: Bytes,
    pub(super) camt053: Bytes,
}

/// What became of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// They are there, and nothing else is in their place.
    All,
    /// Another file was in the place of one of them, and still is. When the issue that it belongs to was made, if that can be told.
    Taken(Option<DateTime<Utc>>),
}

impl Made {
    fn each(&self) -> [(StatementFormat, &Bytes); 3] {
        [
            (StatementFormat::Pdf, &self.pdf),
            (StatementFormat::Csv, &self.csv),
            (StatementFormat::Camt053, &self.camt053),
        ]
    }

    /// As an event names them.
    pub(super) fn named(&self) -> Vec<StatementFile> {
        let file = |(format, bytes): (StatementFormat, &Bytes)| StatementFile {
            format: format.as_str().to_owned(),
            sha256: Sha256::of(bytes).to_string(),
            bytes: bytes.len() as u64,
        };
        self.each().map(file).into()
    }

    /// Writes those that are not there. A close that was killed, or another one, may have left some: the same bytes are as good as written,
    /// others stay.
    pub(super) async fn keep(
        &self,
        files: &FileStore,
        account_id: AccountId,
        month: Month,
        number: u32,
    ) -> Result<Kept, String> {
        let put = async |format: StatementFormat, bytes: &Bytes| {
            let key: Key = format.path(account_id, month, number).parse().map_err(text)?;
            put(files, &key, bytes).await
        };
        // Before the others, as it says when it was made: who finds it can make all of them again.
        if let Some(other) = put(StatementFormat::Camt053, &self.camt053).await? {
            return Ok(Kept::Taken(created_at(&other)));
        }
        let rest = try_join(put(StatementFormat::Pdf, &self.pdf), put(StatementFormat::Csv, &self.csv));
        match rest.await? {
            (None, None) => Ok(Kept::All),
            _ => Ok(Kept::Taken(None)),
        }
    }
}

/// Other bytes that are there; none when these are.
async fn put(files: &FileStore, key: &Key, bytes: &Bytes) -> Result<Option<Bytes>, String> {
    match files.put_new(key, bytes.clone()).await.map_err(text)? {
        PutNew::Stored(_) => Ok(None),
        PutNew::Exists => {
            let found = files.get(key).await.map_err(text)?;
            Ok(Some(found).filter(|found| found != bytes))
        }
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
#[path = "keep_tests.rs"]
mod tests;
