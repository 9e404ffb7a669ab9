//! Months, the unit of statements.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, Months, NaiveDate};

/// A calendar month: as text `YYYY-MM`, in a database its first day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(NaiveDate);

/// Why a text is not a month.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a month: write it as YYYY-MM, such as 2026-11")]
pub struct MonthError(String);

impl Month {
    /// The month that a day lies in.
    #[must_use]
    pub fn containing(day: NaiveDate) -> Self {
        Self(day.with_day(1).unwrap_or(day))
    }

    /// The first day.
    #[must_use]
    pub const fn first_day(self) -> NaiveDate {
        self.0
    }

    /// The last day.
    #[must_use]
    pub fn last_day(self) -> NaiveDate {
        self.next().0.pred_opt().unwrap_or(NaiveDate::MAX)
    }

    /// The month after.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.checked_add_months(Months::new(1)).unwrap_or(NaiveDate::MAX))
    }

    /// The year.
    #[must_use]
    pub fn year(self) -> i32 {
        self.0.year()
    }

    /// 1 for January.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0.month()
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
mod tests {
    use super::Month;

    #[test]
    fn a_month_ends_where_the_next_begins() {
        let february: Month = "2028-02".parse().unwrap();
        assert_eq!(february.last_day().to_string(), "2028-02-29");
        assert_eq!(february.next().to_string(), "2028-03");
        assert_eq!(Month::containing(february.last_day()), february);
        let december: Month = "1993-12".parse().unwrap();
        assert_eq!(december.next().to_string(), "1994-01");
    }

    #[test]
    fn any_other_spelling_is_refused() {
        for text in ["2026-1", "2026-13", "26-01", "2026/01", "0000-01", "2026-01-01", "", "+026-01"] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
    }
}
