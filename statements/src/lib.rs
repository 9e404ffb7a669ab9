//! Month end: statements of accounts, as files.
//!
//! [`Statement`] is what one says: one month of one account, checked to add up. [`Documents`] makes files of it: a PDF for people,
//! a CSV for spreadsheets, ISO 20022 camt.053 for machines. Both are pure: what is in a file follows from the statement, the bank's
//! profile, the fonts and the issue alone. [`Close`] is the month end itself: it reads, makes, keeps and says so in the log.
//!
//! [`archiving`] takes old months out of the read models into the [`archive`], and back.

pub mod archiving;
mod close;
pub mod document;
mod limits;
pub mod statement;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tools;

pub use close::{
    AccountFailure, Close, CloseError, CloseParts, CloseSummary, CloseTime, CloseTimeError, Step,
};
pub use document::{
    BankProfile, DocumentError, Documents, FontSources, Issue, Logo, Pdf, ProfileError, Warning,
};
pub use statement::{Booking, EntryKind, Line, Statement, StatementAccount, StatementError};
