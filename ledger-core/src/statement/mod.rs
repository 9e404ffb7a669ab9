//! An account's statements: what was issued, and what it said.

mod event;

pub use event::{StatementEvent, StatementFile, StatementIssued};
