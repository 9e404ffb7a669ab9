//! How long a consumer takes, for the extra statistics.

use std::collections::VecDeque;
use std::time::Duration;

use crate::persistent::limits::OBSERVED_LATENCIES;

/// The latest times from a delivery to its acknowledgement, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Latencies(VecDeque<u64>);

impl Latencies {
    pub(super) fn add(&mut self, latency: Duration) {
        if self.0.len() == OBSERVED_LATENCIES {
            self.0.pop_front();
        }
        self.0.push_back(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX));
    }

    /// Names and values as EventStoreDB's server gives them; empty without observations.
    pub(crate) fn measurements(&self) -> Vec<(String, i64)> {
        let mut sorted: Vec<_> =
            self.0.iter().map(|millis| i64::try_from(*millis).unwrap_or(i64::MAX)).collect();
        sorted.sort_unstable();
        let (Some(fastest), Some(highest)) = (sorted.first(), sorted.last()) else { return Vec::new() };
        let mean = sorted.iter().fold(0_i64, |sum, millis| sum.saturating_add(*millis)) / sorted.len() as i64;
        let at = |permille: usize| sorted[(sorted.len() * permille / 1000).min(sorted.len() - 1)];
        let quantiles = [
            ("Median", 500),
            ("Quintile 1", 200),
            ("Quintile 2", 400),
            ("Quintile 3", 600),
            ("Quintile 4", 800),
            ("90%", 900),
            ("95%", 950),
            ("99%", 990),
            ("99.5%", 995),
            ("99.9%", 999),
        ];
        [("Mean", mean), ("Fastest", *fastest), ("Highest", *highest)]
            .into_iter()
            .chain(quantiles.map(|(name, permille)| (name, at(permille))))
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}
