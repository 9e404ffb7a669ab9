//! Months, the unit of statements.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, Months, NaiveDate};
use serde::{Deserialize, Serialize};

/// A calendar month in the bank's time zone: as text `YYYY-MM`, in a database its first day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
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

    /// The month that begins on this day; none if none that has a text does.
    #[must_use]
    pub fn of_first_day(day: NaiveDate) -> Option<Self> {
        (day.day() == 1 && (1..=9999).contains(&day.year())).then_some(Self(day))
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

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use proptest::prelude::*;

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
        let fields =
            ["2026", "2026-1", "2026-13", "2026-00", "0000-01", "2026-011", "26-01", "2026-0x", "2026-01-01"];
        let signs = ["", " 2026-01", "+026-01", "-2026-01", "2026/01", "２０２６-01"];
        for text in fields.into_iter().chain(signs) {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
        let long = "9".repeat(10_000);
        assert!(long.parse::<Month>().unwrap_err().to_string().len() < 120);
    }

    #[test]
    fn a_month_begins_on_a_first_day_of_four_digits() {
        let month =
            |year, month, day| Month::of_first_day(NaiveDate::from_ymd_opt(year, month, day).unwrap());
        assert_eq!(month(2026, 11, 1).unwrap().to_string(), "2026-11");
        assert_eq!([month(2026, 11, 2), month(0, 1, 1), month(10_000, 1, 1)], [None; 3]);
    }

    proptest! {
        #[test]
        fn text_and_back(year in 1_i32..=9999, month in 1_u32..=12) {
            let text = format!("{year:04}-{month:02}");
            prop_assert_eq!(text.parse::<Month>().unwrap().to_string(), text);
        }
    }
}
