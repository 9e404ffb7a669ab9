//! Paging after the Relay cursor connections specification.
//!
//! A cursor names a place in an order that never changes (an entry's month and revision, an account's id), not a distance from the
//! start: what is inserted meanwhile moves no page. Every page is one range of an index.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use ledger_core::Month;

use crate::limits::{CURSOR_BYTES_MAX, PAGE_DEFAULT, PAGE_MAX};

/// Why a page cannot be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PageError {
    /// Both directions at once.
    #[error("give either 'first' or 'last', not both")]
    BothDirections,
    /// Out of bounds.
    #[error("'{argument}' must be from 0 to {PAGE_MAX}")]
    Size {
        /// `first` or `last`.
        argument: &'static str,
    },
    /// Not one of ours.
    #[error(
        "'{argument}' is not a cursor of this list; use one that was given in 'cursor', 'startCursor' or 'endCursor'"
    )]
    Cursor {
        /// `after` or `before`.
        argument: &'static str,
    },
}

/// A place in a list's order, opaque to clients.
pub(crate) trait Cursor: Copy + Ord {
    /// As text.
    fn encode(self) -> String;
    /// From text, which may be anything.
    fn decode(text: &str) -> Option<Self>;
}

/// The place of something among others of its kind: its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct IdCursor(pub(crate) i64);

/// The place of a dead letter among dead letters: its transfer's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DeadLetterCursor(pub(crate) i64);

/// The place of a transfer under way: when it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StuckCursor {
    pub(crate) requested_at: DateTime<Utc>,
    pub(crate) transfer_id: i64,
}

/// The place of an entry among its account's: the order of booking within months.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntryCursor {
    /// First day of the month.
    pub(crate) month: NaiveDate,
    /// Of the event in the account's stream.
    pub(crate) revision: i64,
}

impl EntryCursor {
    /// The place just before the first entry of a month.
    pub(crate) const fn before(month: NaiveDate) -> Self {
        Self { month, revision: -1 }
    }
}

impl Cursor for IdCursor {
    fn encode(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.to_be_bytes())
    }

    fn decode(text: &str) -> Option<Self> {
        Some(Self(i64::from_be_bytes(decode_bytes(text)?)))
    }
}

impl Cursor for DeadLetterCursor {
    fn encode(self) -> String {
        IdCursor(self.0).encode()
    }

    fn decode(text: &str) -> Option<Self> {
        IdCursor::decode(text).map(|IdCursor(id)| Self(id))
    }
}

impl Cursor for StuckCursor {
    fn encode(self) -> String {
        let mut bytes = [0; 16];
        let (time, id) = bytes.split_at_mut(8);
        // Postgres keeps microseconds.
        time.copy_from_slice(&self.requested_at.timestamp_micros().to_be_bytes());
        id.copy_from_slice(&self.transfer_id.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn decode(text: &str) -> Option<Self> {
        let bytes: [u8; 16] = decode_bytes(text)?;
        let (time, id) = bytes.split_at_checked(8)?;
        let requested_at = DateTime::from_timestamp_micros(i64::from_be_bytes(time.try_into().ok()?))?;
        let transfer_id = i64::from_be_bytes(id.try_into().ok()?);
        // Beyond these years Postgres has no time.
        (1..=9999).contains(&requested_at.year()).then_some(Self { requested_at, transfer_id })
    }
}

impl Cursor for EntryCursor {
    fn encode(self) -> String {
        let mut bytes = [0; 12];
        let (days, revision) = bytes.split_at_mut(4);
        days.copy_from_slice(&self.month.num_days_from_ce().to_be_bytes());
        revision.copy_from_slice(&self.revision.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn decode(text: &str) -> Option<Self> {
        let bytes: [u8; 12] = decode_bytes(text)?;
        let (days, revision) = bytes.split_at_checked(4)?;
        let day = NaiveDate::from_num_days_from_ce_opt(i32::from_be_bytes(days.try_into().ok()?))?;
        let month = Month::of_first_day(day)?;
        let revision = i64::from_be_bytes(revision.try_into().ok()?);
        (revision >= 0).then_some(Self { month: month.first_day(), revision })
    }
}

fn decode_bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() > CURSOR_BYTES_MAX {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// One page asked for, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageRequest<C> {
    /// Only what comes after this place.
    pub(crate) after: Option<C>,
    /// Only what comes before this place.
    pub(crate) before: Option<C>,
    /// How many elements.
    pub(crate) limit: usize,
    /// Counted from the end.
    pub(crate) backward: bool,
}

/// `first`, `after`, `last` and `before` as a client sent them.
#[derive(Clone, Debug, Default)]
pub(crate) struct PageArguments {
    pub(crate) first: Option<i32>,
    pub(crate) after: Option<String>,
    pub(crate) last: Option<i32>,
    pub(crate) before: Option<String>,
}

impl<C: Cursor> PageRequest<C> {
    /// The first elements after a place, for lists that are only read onward.
    pub(crate) fn onward(first: Option<i32>, after: Option<String>) -> Result<Self, PageError> {
        Self::try_new(&PageArguments { first, after, ..PageArguments::default() })
    }

    /// The whole list, of which nothing is shown.
    pub(crate) const fn everything() -> Self {
        Self { after: None, before: None, limit: 0, backward: false }
    }

    /// Reads what a client sent.
    pub(crate) fn try_new(arguments: &PageArguments) -> Result<Self, PageError> {
        let backward = match (arguments.first, arguments.last) {
            (Some(_), Some(_)) => return Err(PageError::BothDirections),
            (_, last) => last.is_some(),
        };
        let size = |size: Option<i32>, argument| match size.map(usize::try_from) {
            None => Ok(PAGE_DEFAULT),
            Some(Ok(size)) if size <= PAGE_MAX => Ok(size),
            Some(_) => Err(PageError::Size { argument }),
        };
        let cursor = |text: &Option<String>, argument| match text {
            None => Ok(None),
            Some(text) => C::decode(text).map(Some).ok_or(PageError::Cursor { argument }),
        };
        Ok(Self {
            after: cursor(&arguments.after, "after")?,
            before: cursor(&arguments.before, "before")?,
            limit: if backward { size(arguments.last, "last")? } else { size(arguments.first, "first")? },
            backward,
        })
    }
}

/// A page of an ascending list, and whether there is more on either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) has_previous: bool,
    pub(crate) has_next: bool,
}

impl<T> Page<T> {
    /// Where the next page begins; none after the last.
    pub(crate) fn next<C: Cursor>(&self, cursor: impl Fn(&T) -> C) -> Option<String> {
        self.items.last().filter(|_| self.has_next).map(|last| cursor(last).encode())
    }

    /// Makes a page of rows that were read in the page's own direction, one more than asked for where there is one: that one row
    /// answers "is there more" without counting.
    ///
    /// `cut_off` says whether the far side was cut by a cursor: the cursor's own element lies there.
    pub(crate) fn from_rows(mut rows: Vec<T>, limit: usize, backward: bool, cut_off: bool) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let (has_previous, has_next) = if backward { (more, cut_off) } else { (cut_off, more) };
        if backward {
            rows.reverse();
        }
        Self { items: rows, has_previous, has_next }
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
