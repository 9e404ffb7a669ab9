//! What can be set, with its defaults.

use std::time::Duration;

use chrono_tz::Tz;
use tokio::sync::watch;

use crate::ProjectorStatus;
use crate::partition::Placement;

/// How a projector works.
#[derive(Clone, Debug)]
pub struct ProjectorOptions {
    /// The bank's time zone, which decides the month of an entry. Default: UTC. Changing it changes only what is projected from then
    /// on: rebuild `transactions` and `monthly_totals`.
    pub time_zone: Tz,
    /// Most events in one transaction, also read ahead while one is written. Default: 20,000, about 10 MB of events; more does not
    /// make it faster.
    pub batch_events_max: usize,
    /// Under load, a transaction begins no sooner than this after the one before, so that more events share its cost. An event that
    /// comes after a quiet moment is written at once. Default: 10 ms.
    pub batch_interval_min: Duration,
    /// The same when more than 27,000 events come each second: transactions wait longer, and grow; from 47,000 on, this long. Default: 150 ms.
    pub batch_interval_max: Duration,
    /// The server ends the session of a projector that says nothing for so long, because its process is stopped or its machine hangs, and its
    /// partitions go to the others. One that works says something every second. Default: 10 s.
    pub silence_max: Duration,
    /// Which of the read models' databases it is. Default: the only one.
    pub placement: Placement,
    /// Told how it goes: keep a receiver of it, `options.status.subscribe()`.
    pub status: watch::Sender<ProjectorStatus>,
}

impl Default for ProjectorOptions {
    fn default() -> Self {
        Self {
            time_zone: Tz::UTC,
            batch_events_max: 20_000,
            batch_interval_min: Duration::from_millis(10),
            batch_interval_max: Duration::from_millis(150),
            silence_max: Duration::from_secs(10),
            placement: Placement::ALONE,
            status: watch::Sender::default(),
        }
    }
}
