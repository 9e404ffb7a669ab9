//! Months, the unit of statements and of the transaction table's key.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};

/// A calendar month: as text `YYYY-MM`, in the database its first day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Month(NaiveDate);

/// Why a text is not a month.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a month: write it as YYYY-MM, such as 2026-11")]
pub(crate) struct MonthError(String);

impl Month {
    /// The first day.
    pub(crate) const fn first_day(self) -> NaiveDate {
        self.0
    }

    /// The first day of the month after.
    pub(crate) fn end(self) -> NaiveDate {
        self.0.checked_add_months(Months::new(1)).unwrap_or(NaiveDate::MAX)
    }

    /// The month of a first day.
    pub(crate) fn of_first_day(day: NaiveDate) -> Option<Self> {
        (day.day() == 1).then_some(Self(day))
    }

    /// The months that an instant may belong to, whatever the bank's time zone: no zone is a whole day away from UTC. The projector
    /// alone knows the zone; asking for both candidates keeps it the only one.
    pub(crate) fn around(time: DateTime<Utc>) -> (Self, Self) {
        let day = time.date_naive();
        let earliest = day.checked_sub_days(Days::new(1)).unwrap_or(day);
        let latest = day.checked_add_days(Days::new(1)).unwrap_or(day);
        (Self::containing(earliest), Self::containing(latest))
    }

    fn containing(day: NaiveDate) -> Self {
        Self(day.with_day(1).unwrap_or(day))
    }
}

impl FromStr for Month {
    type Err = MonthError;

    fn from_str(text: &str) -> Result<Self, MonthError> {
        let parse = || {
            let (year, month) = text.split_once('-')?;
            let digits =
                |part: &str, count| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
            if !digits(year, 4) || !digits(month, 2) {
                return None;
            }
            let year = year.parse().ok().filter(|year| *year > 0)?;
            NaiveDate::from_ymd_opt(year, month.parse().ok()?, 1).map(Self)
        };
        parse().ok_or_else(|| MonthError(text.chars().take(20).collect()))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

#[cfg(test)]
#[path = "month_tests.rs"]
mod tests;
