//! How soon one transaction follows another.

use std::time::Duration;

use tokio::time::Instant;

use crate::ProjectorOptions;

/// Fewer events a second are no load, and transactions follow at once.
const LOAD_EVENTS_PER_SECOND: f64 = 5_000.0;
/// Up to so many, they follow at the shortest interval.
const CALM_EVENTS_PER_SECOND: f64 = 27_000.0;
/// More than any rate is above that; a duration times its fifth power is one still.
const FACTOR_MAX: f64 = 100.0;
/// For how long it matters how many events came: a hiccup is shorter.
const MEMORY: Duration = Duration::from_millis(200);

/// Follows how many events come.
pub(crate) struct Pace {
    /// Events a second, lately.
    rate: f64,
    last_began: Instant,
    /// When the next transaction may begin.
    pub(crate) next: Instant,
}

impl Pace {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self { rate: 0.0, last_began: now, next: now }
    }

    /// Takes note of a transaction of so many events, which came since the one before.
    pub(crate) fn follow(&mut self, events: usize, began: Instant, options: &ProjectorOptions) {
        let since = began.duration_since(self.last_began);
        self.last_began = began;
        // What is older counts the less the longer ago it was.
        let window = (since + MEMORY).as_secs_f64();
        let events = f64::from(u32::try_from(events).unwrap_or(u32::MAX));
        self.rate = (self.rate * MEMORY.as_secs_f64() + events) / window;
        self.next = began + interval(self.rate, options);
    }
}

/// Short transactions are soon visible; near the limit of the machine, great ones are what raises it. In between, it grows with the fifth power of
/// how many events come each second: fast enough to be out of the way at the limit, and without a step over which it could jump back and forth.
fn interval(rate: f64, options: &ProjectorOptions) -> Duration {
    if rate < LOAD_EVENTS_PER_SECOND {
        return Duration::ZERO;
    }
    let factor = (rate / CALM_EVENTS_PER_SECOND).clamp(1.0, FACTOR_MAX).powi(5);
    options.batch_interval_min.mul_f64(factor).min(options.batch_interval_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_wait_longer_the_more_comes_and_without_a_step() {
        let options = ProjectorOptions::default();
        let wait = |rate: u32| interval(f64::from(rate), &options);
        assert_eq!(wait(4_999), Duration::ZERO);
        assert_eq!(wait(5_000), options.batch_interval_min);
        assert_eq!(wait(27_000), options.batch_interval_min);
        assert_eq!(wait(54_000), options.batch_interval_max);
        assert_eq!(wait(u32::MAX), options.batch_interval_max);
        for rate in (5_000..100_000).step_by(1_000) {
            let (before, after) = (wait(rate), wait(rate + 1_000));
            assert!(before <= after, "{rate} events a second");
            assert!(after.as_secs_f64() < before.as_secs_f64() * 1.25, "{rate} events a second");
        }
    }

    /// The waits of transactions every so many milliseconds.
    fn waits(pace: &mut Pace, from: &mut Instant, times: u32, millis: u64, events: usize) -> Vec<Duration> {
        let wait = |_| {
            *from += Duration::from_millis(millis);
            pace.follow(events, *from, &ProjectorOptions::default());
            pace.next - *from
        };
        (0..times).map(wait).collect()
    }

    #[test]
    fn the_rate_is_what_it_was_lately() {
        let options = ProjectorOptions::default();
        let (mut pace, mut now) = (Pace::new(), Instant::now());
        let steady = waits(&mut pace, &mut now, 200, 10, 200);
        assert!(steady.iter().all(|wait| *wait <= options.batch_interval_min), "{steady:?}");
        assert_eq!(steady.last(), Some(&options.batch_interval_min));
        // What a short stop held up comes at once, and is no other rate.
        let hiccup = [waits(&mut pace, &mut now, 1, 50, 400), waits(&mut pace, &mut now, 1, 5, 700)].concat();
        assert!(hiccup.iter().all(|wait| *wait < options.batch_interval_min * 2), "{hiccup:?}");
        // Three times as many are one, soon.
        let busy = waits(&mut pace, &mut now, 100, 10, 600);
        assert_eq!(busy.last(), Some(&options.batch_interval_max));
        // However great it is, one that follows at once is allowed for.
        assert_eq!(waits(&mut pace, &mut now, 1, 0, 20_000), [options.batch_interval_max]);
        // After a quiet while, an event is written at once.
        assert_eq!(waits(&mut pace, &mut now, 2, 10_000, 5), [Duration::ZERO; 2]);
    }
}
