//! An account's statements: what was issued, what it said, and its files.

mod event;
mod file;

pub use event::{StatementEvent, StatementFile, StatementIssued};
pub use file::{StatementFormat, StatementFormatError};
