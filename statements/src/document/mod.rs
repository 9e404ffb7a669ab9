//! Files of a statement.

mod bank;
pub(crate) mod camt053;
mod csv;
mod pdf;
mod xml;

use std::num::NonZeroU32;

use chrono::{DateTime, Utc};
use pdf_binding::BindingError;

pub use self::bank::{BankProfile, Logo, ProfileError};
pub use self::pdf::{FontSources, Pdf, Warning};
use crate::Statement;

/// Which making of a statement this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Issue {
    /// 1 for the first, a greater one whenever it is made anew.
    pub number: NonZeroU32,
    /// The issue that this one replaces.
    pub replaces: Option<NonZeroU32>,
    /// When it was made, as the documents say. Files hold no other clock.
    pub issued_at: DateTime<Utc>,
}

/// Why a statement has no such file.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// ISO 20022 has 18 digits for an amount.
    #[error("camt.053 cannot hold {0}: an amount has at most 18 digits there")]
    AmountTooLong(String),
    /// The typesetter gave up.
    #[error("the statement could not be set: {0}")]
    Typesetting(String),
    /// The parts of a long PDF do not come together.
    #[error("the parts of the PDF could not be put together: {0}")]
    Binding(#[from] BindingError),
    /// A line of a CSV could not be written.
    #[error("the CSV could not be written: {0}")]
    Csv(#[from] ::csv::Error),
    /// Bytes could not be written.
    #[error("the file could not be written: {0}")]
    Writing(#[from] std::io::Error),
}

/// Makes files of statements. Make one and share it: fonts are read once, and what statements have in common is typeset once.
///
/// The same statement, issue, bank and fonts make the same bytes.
#[derive(Debug)]
pub struct Documents {
    bank: BankProfile,
    press: pdf::Press,
}

impl Documents {
    /// Reads the fonts, and makes a first document to see that everything is as it should be.
    ///
    /// # Errors
    /// [`ProfileError`], for whoever configured it.
    pub fn new(bank: BankProfile, fonts: &FontSources) -> Result<Self, ProfileError> {
        bank::check(&bank)?;
        let press = pdf::Press::new(&bank, fonts)?;
        Ok(Self { bank, press })
    }

    /// For people: A4, with embedded fonts.
    ///
    /// # Errors
    /// [`DocumentError::Typesetting`].
    pub fn pdf(&self, statement: &Statement, issue: &Issue) -> Result<Pdf, DocumentError> {
        self.press.pdf(&self.bank, statement, issue)
    }

    /// For spreadsheets. Of the statement alone: its digest tells whether anything changed.
    ///
    /// # Errors
    /// None in practice: it writes to memory.
    pub fn csv(&self, statement: &Statement) -> Result<Vec<u8>, DocumentError> {
        csv::csv(statement)
    }

    /// For machines: ISO 20022 camt.053.001.08.
    ///
    /// # Errors
    /// [`DocumentError::AmountTooLong`].
    pub fn camt053(&self, statement: &Statement, issue: &Issue) -> Result<Vec<u8>, DocumentError> {
        camt053::camt053(statement, &self.bank, issue)
    }
}
