//! A statement for spreadsheets, and for telling whether anything changed.
//!
//! Of the statement alone: neither the bank's name, nor the holder's (it may change, or be erased), nor the issue is in it. The same
//! statement always makes the same bytes. The columns are described in `docs/statements.md`.

use std::borrow::Cow;

use chrono::SecondsFormat;
use csv::{Terminator, WriterBuilder};

use super::DocumentError;
use crate::{Line, Statement};

const COLUMNS: [&str; 13] = [
    "account_id",
    "account_reference",
    "month",
    "currency",
    "entry",
    "booked_at",
    "revision",
    "transfer_id",
    "reference",
    "counterparty",
    "description",
    "amount",
    "balance",
];

/// The statement as RFC 4180 says: a header, the opening balance, a line for each booking, the closing balance.
///
/// # Errors
/// None in practice: it writes to memory.
pub(super) fn csv(statement: &Statement) -> Result<Vec<u8>, DocumentError> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    let (begin, end) = statement.span();
    let [begin, end] = [begin, end].map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true));
    let account = Account::of(statement);
    account.write(
        &mut writer,
        ["opening", &begin, "", "", "", "", "", "", &statement.amount(statement.opening())],
    )?;
    for Line { booking, balance } in statement.lines() {
        let booked_at = statement.local(booking.booked_at).to_rfc3339_opts(SecondsFormat::AutoSi, true);
        account.write(
            &mut writer,
            [
                booking.kind.as_str(),
                &booked_at,
                &booking.revision.to_string(),
                &booking.transfer_id.to_string(),
                &harmless(booking.reference.as_deref()),
                &booking.counterparty.to_string(),
                &harmless(booking.description.as_deref()),
                &statement.amount(booking.change()),
                &statement.amount(*balance),
            ],
        )?;
    }
    account.write(
        &mut writer,
        ["closing", &end, "", "", "", "", "", "", &statement.amount(statement.closing())],
    )?;
    writer.into_inner().map_err(|error| DocumentError::Writing(error.into_error()))
}

/// The columns that are the same in all lines.
struct Account([String; 4]);

impl Account {
    fn of(statement: &Statement) -> Self {
        let account = statement.account();
        Self([
            account.id.to_string(),
            harmless(account.reference.as_deref()).into_owned(),
            statement.month().to_string(),
            account.currency.code().to_owned(),
        ])
    }

    fn write(&self, writer: &mut csv::Writer<Vec<u8>>, rest: [&str; 9]) -> Result<(), csv::Error> {
        writer.write_record(self.0.iter().map(String::as_str).chain(rest))
    }
}

/// A spreadsheet takes a text that begins so for a formula, and an apostrophe for "this is text".
fn harmless(text: Option<&str>) -> Cow<'_, str> {
    let text = text.unwrap_or_default();
    let risky = ['=', '+', '-', '@', '\'', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    if text.starts_with(risky) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
