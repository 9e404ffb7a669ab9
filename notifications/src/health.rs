//! How an endpoint does: how many posts it is given at a time, and when it rests.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::{DOWN_PAUSE_MAX, FAILURES_UNTIL_DOWN, WINDOW, WINDOW_SLOW};

/// How long what failed waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retry {
    /// At first; doubled each time, with jitter.
    pub(crate) min: Duration,
    /// At most.
    pub(crate) max: Duration,
}

impl Retry {
    pub(crate) fn backoff(self) -> ExponentialBackoff {
        ExponentialBuilder::default()
            .with_min_delay(self.min)
            .with_max_delay(self.max)
            .with_jitter()
            .without_max_times()
            .build()
    }
}

/// How an endpoint does.
#[derive(Debug)]
pub(crate) struct Health {
    /// Failures since the last success.
    failures: u32,
    /// How many may be under way while it is not down.
    window: usize,
    /// While it is down: when it may be tried again, and how long it rests then.
    down: Option<(Instant, ExponentialBackoff)>,
}

impl Health {
    /// Well, as far as anybody knows.
    pub(crate) const fn new() -> Self {
        Self { failures: 0, window: WINDOW, down: None }
    }

    /// True while nothing gets through.
    pub(crate) const fn is_down(&self) -> bool {
        self.down.is_some()
    }

    /// How many may be under way.
    pub(crate) const fn window(&self) -> usize {
        if self.is_down() { 1 } else { self.window }
    }

    /// Until when it rests, or has rested.
    pub(crate) fn resumes_at(&self) -> Option<Instant> {
        self.down.as_ref().map(|(resume, _)| *resume)
    }

    /// A post arrived. True when that ends a time of being down. Each quick answer makes room for one more.
    pub(crate) fn succeeded(&mut self, slow: bool) -> bool {
        self.failures = 0;
        self.window = if slow { WINDOW_SLOW } else { WINDOW.min(self.window.saturating_add(1)) };
        self.down.take().is_some()
    }

    /// A post did not arrive.
    pub(crate) fn failed(&mut self, retry: Retry, now: Instant) {
        self.window = WINDOW_SLOW;
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_UNTIL_DOWN {
            let max = retry.max.min(DOWN_PAUSE_MAX);
            self.down.get_or_insert_with(|| (now, Retry { max, ..retry }.backoff()));
            self.rest(max, now);
        }
    }

    /// A post did not arrive that nobody waits for any more: it counts for nothing, but whoever is down rests after it.
    pub(crate) fn failed_for_nobody(&mut self, retry: Retry, now: Instant) {
        self.rest(retry.max.min(DOWN_PAUSE_MAX), now);
    }

    fn rest(&mut self, max: Duration, now: Instant) {
        // What was under way when it went down says nothing new.
        if let Some((resume, pause)) = &mut self.down
            && *resume <= now
        {
            *resume = now + pause.next().unwrap_or(max);
        }
    }
}
