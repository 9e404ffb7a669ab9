//! The months that an instant may belong to.

use chrono::{DateTime, Days, Utc};
use ledger_core::Month;

/// The months that an instant may belong to, whatever the bank's time zone: no zone is a whole day away from UTC. The projector alone knows
/// the zone; asking for both candidates keeps it the only one.
pub(crate) fn months_around(time: DateTime<Utc>) -> (Month, Month) {
    let day = time.date_naive();
    let earliest = day.checked_sub_days(Days::new(1)).unwrap_or(day);
    let latest = day.checked_add_days(Days::new(1)).unwrap_or(day);
    (Month::containing(earliest), Month::containing(latest))
}

#[cfg(test)]
mod tests {
    use super::months_around;

    #[test]
    fn a_month_near_a_boundary_has_two_candidates() {
        let around = |text: &str| {
            let (first, last) = months_around(text.parse().unwrap());
            format!("{first} {last}")
        };
        assert_eq!(around("2026-11-15T12:00:00Z"), "2026-11 2026-11");
        assert_eq!(around("2026-10-31T23:30:00Z"), "2026-10 2026-11");
        assert_eq!(around("2026-12-01T00:30:00Z"), "2026-11 2026-12");
    }
}
