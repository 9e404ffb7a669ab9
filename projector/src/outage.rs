//! Waiting for something that went away.

use std::fmt::Display;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Calm this long after a failure, the next one begins a new outage.
const CALM: Duration = Duration::from_secs(60);

/// Paces the attempts of an outage, exponentially and with jitter, and logs it once.
pub(crate) struct Outage {
    what: &'static str,
    delays: ExponentialBuilder,
    current: Option<(ExponentialBackoff, Instant)>,
}

impl Outage {
    /// None yet, of `what`; attempts will be up to `delay_max` apart.
    pub(crate) const fn new(what: &'static str, delay_max: Duration) -> Self {
        let delays = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(delay_max)
            .with_jitter()
            .without_max_times();
        Self { what, delays, current: None }
    }

    /// Waits before the next attempt.
    pub(crate) async fn wait(&mut self, error: &impl Display) {
        let continued = self.current.take().filter(|(_, failed)| failed.elapsed() < CALM);
        let mut delays = if let Some((delays, _)) = continued {
            tracing::debug!(%error, "{} is still not available", self.what);
            delays
        } else {
            tracing::warn!(%error, "{} is not available; trying again until it is", self.what);
            self.delays.build()
        };
        let delay = delays.next().unwrap_or(CALM);
        self.current = Some((delays, Instant::now()));
        tokio::time::sleep(delay).await;
    }
}
