//! Reads and checks a whole file before anything is sent.

use std::collections::HashMap;
use std::fmt::Display;
use std::io;
use std::path::Path;

use chrono::NaiveDate;
use csv::StringRecord;
use ledger_core::text::{DESCRIPTION_CHARS_MAX, REFERENCE_CHARS_MAX, is_plain};
use ledger_core::{Currency, Money};

use super::row::{self, Direction, OPERATIONS, PURPOSES, Row};

/// Why a file is refused. Nothing of it was sent.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be opened or read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The header is not that of such a file.
    #[error("line 1: {0}")]
    Header(String),
    /// A line that is no row.
    #[error("line {line}: {reason}")]
    Line {
        /// Where.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A row that cannot be.
    #[error("line {line}, column {column}: {reason}")]
    Row {
        /// Where.
        line: u64,
        /// The column's name.
        column: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A header and nothing else.
    #[error("the file has no rows")]
    Empty,
}

/// What a file may assume.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadOptions {
    /// Accounts may begin with a balance, from an earlier file; otherwise every account begins at zero.
    pub continues: bool,
}

/// Reads a file; all of it is good, or none is taken.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub fn read(path: &Path, options: ReadOptions) -> Result<Vec<Row>, FileError> {
    let file = std::fs::File::open(path)
        .map_err(|source| FileError::Read { path: path.display().to_string(), source })?;
    parse(file, options).map_err(|error| match error {
        FileError::Read { source, .. } => FileError::Read { path: path.display().to_string(), source },
        error => error,
    })
}

/// As [`read`], from anything.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub fn parse(input: impl io::Read, options: ReadOptions) -> Result<Vec<Row>, FileError> {
    let mut reader = csv::ReaderBuilder::new().from_reader(input);
    let columns = Columns::of(reader.headers().map_err(not_a_row)?)?;
    let mut books = Books::new(options);
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(not_a_row)?;
        let row = columns.row(&record)?;
        books.book(&row)?;
        rows.push(row);
    }
    if rows.is_empty() {
        return Err(FileError::Empty);
    }
    Ok(rows)
}

fn not_a_row(error: csv::Error) -> FileError {
    let line = error.position().map_or(1, csv::Position::line);
    let reason = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} columns where the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8 text".to_owned(),
        _ => {
            return match error.into_kind() {
                csv::ErrorKind::Io(source) => FileError::Read { path: String::new(), source },
                other => FileError::Line { line, reason: format!("{other:?}") },
            };
        }
    };
    FileError::Line { line, reason }
}

macro_rules! columns {
    ($($name:ident),*) => {
        /// Where each column stands.
        struct Columns { $($name: usize),* }

        impl Columns {
            const NAMES: &[&str] = &[$(stringify!($name)),*];

            fn of(header: &StringRecord) -> Result<Self, FileError> {
                Ok(Self { $($name: position(header, stringify!($name))?),* })
            }
        }
    };
}

columns!(
    transaction_id,
    account_id,
    booked_on,
    direction,
    amount,
    currency,
    operation,
    purpose,
    counterparty_bank,
    counterparty_account,
    balance_after
);

fn position(header: &StringRecord, name: &str) -> Result<usize, FileError> {
    let mut places = header.iter().enumerate().filter(|(_, column)| *column == name).map(|(place, _)| place);
    match (places.next(), places.next()) {
        (Some(place), None) => Ok(place),
        (Some(_), Some(_)) => Err(FileError::Header(format!("the column {name} is there twice"))),
        (None, _) => Err(FileError::Header(format!(
            "the column {name} is missing; such a file has the columns {}",
            Columns::NAMES.join(", ")
        ))),
    }
}

impl Columns {
    /// Checks column by column, in the order of the file's columns.
    fn row(&self, record: &StringRecord) -> Result<Row, FileError> {
        let line = record.position().map_or(0, csv::Position::line);
        let text = |place: usize| record.get(place).unwrap_or_default();
        let wrong = |column: &'static str| {
            move |reason: &dyn Display| FileError::Row { line, column, reason: reason.to_string() }
        };
        let word = |column: &'static str, place: usize, known: &[&str]| {
            let word = text(place);
            known.contains(&word).then_some(word).ok_or_else(|| {
                wrong(column)(&format!("'{}' is unknown: it is one of {}", cut(word), known.join(", ")))
            })
        };
        let number = |column: &'static str, place: usize| {
            let number = text(place);
            is_plain(number, REFERENCE_CHARS_MAX)
                .then(|| number.to_owned())
                .ok_or_else(|| wrong(column)(&format!("must be 1 to {REFERENCE_CHARS_MAX} characters")))
        };
        let money = |column: &'static str, place: usize, currency: Currency| {
            Money::parse(text(place), currency).map_err(|error| wrong(column)(&error))
        };

        let reference = number("transaction_id", self.transaction_id)?;
        let account = number("account_id", self.account_id)?;
        let booked_on = date(text(self.booked_on)).ok_or_else(|| {
            wrong("booked_on")(&format!("'{}' is not a day such as 1993-01-31", cut(text(self.booked_on))))
        })?;
        let direction = match word("direction", self.direction, &["credit", "debit"])? {
            "credit" => Direction::Credit,
            _ => Direction::Debit,
        };
        let currency = Currency::from_code(text(self.currency)).ok_or_else(|| {
            let reason =
                format!("'{}' is not an ISO 4217 currency code with minor units", cut(text(self.currency)));
            wrong("currency")(&reason)
        })?;
        let amount = money("amount", self.amount, currency)?;
        if amount.minor <= 0 {
            return Err(wrong("amount")(&format!(
                "{} is not above zero; `direction` has the sign",
                amount.amount()
            )));
        }
        let operation = word("operation", self.operation, &OPERATIONS)?;
        if row::direction_of(operation) != direction {
            return Err(wrong("operation")(&format!("{operation} is never a {}", text(self.direction))));
        }
        let purpose = match text(self.purpose) {
            "" => "",
            _ => word("purpose", self.purpose, &PURPOSES)?,
        };
        let description = row::description(
            operation,
            purpose,
            text(self.counterparty_bank),
            text(self.counterparty_account),
        );
        if !is_plain(&description, DESCRIPTION_CHARS_MAX) {
            return Err(wrong("counterparty_account")(
                &"the counterparty is too long, or has control characters",
            ));
        }
        Ok(Row {
            line,
            reference,
            account,
            booked_on,
            direction,
            amount,
            settlement: row::settlement(operation, purpose),
            description,
            balance_after: money("balance_after", self.balance_after, currency)?,
        })
    }
}

/// A day, written as `YYYY-MM-DD` and not otherwise.
fn date(text: &str) -> Option<NaiveDate> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    (date.format("%Y-%m-%d").to_string() == text).then_some(date)
}

fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}

/// What rows must agree on among each other.
struct Books {
    options: ReadOptions,
    /// The line of each transaction.
    references: HashMap<String, u64>,
    /// The line and balance of each account's last row.
    balances: HashMap<String, (u64, Money)>,
}

impl Books {
    fn new(options: ReadOptions) -> Self {
        Self { options, references: HashMap::new(), balances: HashMap::new() }
    }

    fn book(&mut self, row: &Row) -> Result<(), FileError> {
        let wrong = |column, reason| FileError::Row { line: row.line, column, reason };
        if let Some(line) = self.references.insert(row.reference.clone(), row.line) {
            let reason = format!("transaction {} is on line {line} already", row.reference);
            return Err(wrong("transaction_id", reason));
        }
        let last = self.balances.insert(row.account.clone(), (row.line, row.balance_after));
        let (before, since) = match last {
            Some((line, balance)) if balance.currency != row.currency() => {
                let reason = format!("account {} has {} on line {line}", row.account, balance.currency);
                return Err(wrong("currency", reason));
            }
            Some((line, balance)) => (balance, format!("{} on line {line}", balance.amount())),
            None if self.options.continues => return Ok(()),
            None => (Money::zero(row.currency()), "zero, as this is the account's first row".to_owned()),
        };
        let (sum, sign) = match row.direction {
            Direction::Credit => (before.plus(row.amount), '+'),
            Direction::Debit => (before.minus(row.amount), '-'),
        };
        let sum = sum.map_err(|error| wrong("amount", error.to_string()))?;
        if sum == row.balance_after {
            return Ok(());
        }
        let hint = if last.is_none() { " (--continues lets accounts begin with a balance)" } else { "" };
        let reason = format!(
            "the balance of account {} does not add up: {since}, {sign} {} gives {}, not {}{hint}",
            row.account,
            row.amount.amount(),
            sum.amount(),
            row.balance_after.amount()
        );
        Err(wrong("balance_after", reason))
    }
}
