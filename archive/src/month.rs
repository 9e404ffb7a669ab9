//! Months, the unit of archiving.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

/// A calendar month in the bank's time zone; as text `YYYY-MM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Month(NaiveDate);

/// Why a text is not a month.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a month: write it as YYYY-MM, such as 2026-11")]
pub struct MonthError(String);

impl Month {
    /// The month that begins on this day; none if none of four digits does.
    #[must_use]
    pub fn of_first_day(day: NaiveDate) -> Option<Self> {
        (day.day() == 1 && (1..=9999).contains(&day.year())).then_some(Self(day))
    }

    /// The first day.
    #[must_use]
    pub const fn first_day(self) -> NaiveDate {
        self.0
    }
}

impl FromStr for Month {
    type Err = MonthError;

    fn from_str(text: &str) -> Result<Self, MonthError> {
        let parse = || {
            let (year, month) = text.split_once('-')?;
            let is_number =
                |part: &str, digits| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
            if !is_number(year, 4) || !is_number(month, 2) {
                return None;
            }
            Self::of_first_day(NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, 1)?)
        };
        parse().ok_or_else(|| MonthError(text.chars().take(20).collect()))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

impl TryFrom<String> for Month {
    type Error = MonthError;

    fn try_from(text: String) -> Result<Self, MonthError> {
        text.parse()
    }
}

impl From<Month> for String {
    fn from(month: Month) -> Self {
        month.to_string()
    }
}
