//! The files of a statement: which there are, and what they are called where files are kept.

use std::fmt;
use std::str::FromStr;

use crate::{AccountId, Month};

/// What a file of a statement is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatementFormat {
    /// For people.
    Pdf,
    /// For spreadsheets.
    Csv,
    /// For machines: ISO 20022 camt.053.
    Camt053,
}

/// Why a text is no format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a statement's format is 'pdf', 'csv' or 'camt053'")]
pub struct StatementFormatError;

impl StatementFormat {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pdf, Self::Csv, Self::Camt053];

    /// The word for it in events and addresses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Csv => "csv",
            Self::Camt053 => "camt053",
        }
    }

    /// How a file's name ends.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Csv => "csv",
            Self::Camt053 => "xml",
        }
    }

    /// Where the file of an issue is: `statements/{account}/{month}/statement.pdf` for the first one, `statement-2.pdf` for the second.
    #[must_use]
    pub fn path(self, account_id: AccountId, month: Month, issue: u32) -> String {
        let number = if issue > 1 { format!("-{issue}") } else { String::new() };
        format!("statements/{account_id}/{month}/statement{number}.{}", self.extension())
    }
}

impl fmt::Display for StatementFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for StatementFormat {
    type Err = StatementFormatError;

    fn from_str(text: &str) -> Result<Self, StatementFormatError> {
        Self::ALL.into_iter().find(|format| format.as_str() == text).ok_or(StatementFormatError)
    }
}

#[cfg(test)]
mod tests {
    use super::StatementFormat;
    use crate::AccountId;

    #[test]
    fn each_issue_has_files_of_its_own() {
        let (account, month) = (AccountId::from_i64(7).unwrap(), "2026-03".parse().unwrap());
        let path = |format: StatementFormat, issue| format.path(account, month, issue);
        assert_eq!(path(StatementFormat::Pdf, 1), "statements/7/2026-03/statement.pdf");
        assert_eq!(path(StatementFormat::Camt053, 2), "statements/7/2026-03/statement-2.xml");
    }

    #[test]
    fn a_format_is_read_as_it_is_written() {
        for format in StatementFormat::ALL {
            assert_eq!(format.as_str().parse(), Ok(format));
        }
        assert!("PDF".parse::<StatementFormat>().is_err());
    }
}
