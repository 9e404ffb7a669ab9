//! When months are due to be closed by themselves. No clock in here.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveTime, Timelike, Utc};
use chrono_tz::Tz;
use ledger_core::Month;

use crate::statement::last_at;

/// The time of day at which a month is closed: on the first day of the next one, in the bank's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseTime(NaiveTime);

/// Why a text is not such a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time of day such as 03:00")]
pub struct CloseTimeError;

impl CloseTime {
    /// When this month is to be closed. A time that clocks leave out is when they go on, one that they show twice is the second of both.
    #[must_use]
    pub fn of(self, month: Month, zone: Tz) -> DateTime<Utc> {
        last_at(month.next().first_day().and_time(self.0), zone).to_utc()
    }

    /// The newest month that is to be closed by now.
    #[must_use]
    pub fn due(self, now: DateTime<Utc>, zone: Tz) -> Month {
        let last = before(Month::containing(now.with_timezone(&zone).date_naive()));
        if self.of(last, zone) <= now { last } else { before(last) }
    }
}

fn before(month: Month) -> Month {
    Month::containing(month.first_day().pred_opt().unwrap_or(month.first_day()))
}

impl FromStr for CloseTime {
    type Err = CloseTimeError;

    fn from_str(text: &str) -> Result<Self, CloseTimeError> {
        let time = || {
            let (hours, minutes) = text.split_once(':')?;
            let is_number = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            if !is_number(hours) || !is_number(minutes) {
                return None;
            }
            NaiveTime::from_hms_opt(hours.parse().ok()?, minutes.parse().ok()?, 0)
        };
        time().map(Self).ok_or(CloseTimeError)
    }
}

impl fmt::Display for CloseTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0.hour(), self.0.minute())
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use chrono_tz::Tz;
    use proptest::prelude::*;

    use super::CloseTime;

    fn at(text: &str) -> CloseTime {
        text.parse().unwrap()
    }

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn due(time: &str, now: &str, zone: Tz) -> String {
        at(time).due(utc(now), zone).to_string()
    }

    #[test]
    fn a_month_is_due_on_the_first_of_the_next_one_at_the_banks_time() {
        let prague = Tz::Europe__Prague;
        assert_eq!(due("03:00", "2026-11-01T01:59:59Z", prague), "2026-09");
        assert_eq!(due("03:00", "2026-11-01T02:00:00Z", prague), "2026-10");
        assert_eq!(due("03:00", "2026-11-30T23:59:59Z", prague), "2026-10");
        assert_eq!(due("03:00", "2027-01-01T02:00:00Z", prague), "2026-12");
        // The month is another one there.
        assert_eq!(due("00:00", "2026-10-31T23:00:00Z", prague), "2026-10");
        assert_eq!(due("00:00", "2026-11-01T05:00:00Z", Tz::America__Los_Angeles), "2026-09");
        assert_eq!(due("23:59", "2026-11-01T23:58:59Z", Tz::UTC), "2026-09");
    }

    #[test]
    fn a_time_that_clocks_leave_out_is_when_they_go_on() {
        // From 2:00 to 3:00 on the first of April 1990, in New York.
        let march = "1990-03".parse().unwrap();
        let new_york = Tz::America__New_York;
        for time in ["02:00", "02:30", "02:59", "03:00"] {
            assert_eq!(at(time).of(march, new_york), utc("1990-04-01T07:00:00Z"), "{time}");
        }
        // From midnight to one.
        assert_eq!(
            at("00:00").of("1988-09".parse().unwrap(), Tz::America__Asuncion),
            utc("1988-10-01T04:00:00Z")
        );
        // By half an hour.
        assert_eq!(
            at("02:15").of("2017-09".parse().unwrap(), Tz::Australia__Lord_Howe),
            utc("2017-09-30T15:30:00Z")
        );
    }

    #[test]
    fn a_time_that_clocks_show_twice_is_the_second_of_both() {
        // From 2:00 back to 1:00 on the first of November 2026, in New York.
        assert_eq!(due("01:30", "2026-11-01T06:29:59Z", Tz::America__New_York), "2026-09");
        assert_eq!(due("01:30", "2026-11-01T06:30:00Z", Tz::America__New_York), "2026-10");
        // From one past midnight back to the day before, in St. John's: October goes on.
        assert_eq!(due("00:00", "2009-11-01T02:30:30Z", Tz::America__St_Johns), "2009-09");
        assert_eq!(due("00:00", "2009-11-01T03:30:00Z", Tz::America__St_Johns), "2009-10");
    }

    #[test]
    fn any_other_spelling_is_refused() {
        for text in ["", "3:00", "24:00", "03:60", "03:00:00", "0300", "-1:00", "03:0x", "+3:00"] {
            assert!(text.parse::<CloseTime>().is_err(), "{text}");
        }
        assert_eq!(at("03:07").to_string(), "03:07");
    }

    proptest! {
        #[test]
        fn what_is_due_is_over_and_the_next_one_is_not_due(
            seconds in 0_i64..4_000_000_000, hour in 0_u32..24, minute in 0_u32..60,
            zone in prop::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
        ) {
            let now = DateTime::from_timestamp(seconds, 0).unwrap();
            let time = at(&format!("{hour:02}:{minute:02}"));
            let due = time.due(now, zone);
            prop_assert!(time.of(due, zone) <= now);
            prop_assert!(now < time.of(due.next(), zone));
            prop_assert!(now.with_timezone(&zone).date_naive() > due.last_day());
        }
    }
}
