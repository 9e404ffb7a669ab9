//! When a group records how far it is.

use std::time::{Duration, Instant};

use super::Place;
use crate::persistent::settings::GroupSettings;

/// How far everything is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    /// Events passed.
    pub(super) passed: u64,
    /// The place of the last of them; `None` if there is none.
    pub(super) place: Option<Place>,
}

/// When a group records how far it is.
#[derive(Debug)]
pub(super) struct Checkpoints {
    after: Duration,
    min: u64,
    max: u64,
    written: Reached,
    since: Instant,
}

impl Checkpoints {
    pub(super) fn new(settings: &GroupSettings, checkpoint: Option<Place>, now: Instant) -> Self {
        Self {
            after: settings.checkpoint_after,
            min: u64::from(settings.min_checkpoint_count.max(1)),
            max: u64::from(settings.max_checkpoint_count.max(1)),
            written: Reached { passed: 0, place: checkpoint },
            since: now,
        }
    }

    pub(super) fn due(&mut self, reached: Reached, now: Instant) -> Option<Place> {
        let passed = reached.passed - self.written.passed;
        let is_time = passed >= self.min && now.saturating_duration_since(self.since) >= self.after;
        if passed >= self.max || is_time { self.write(reached, now) } else { None }
    }

    pub(super) fn at_end(&mut self, reached: Reached, now: Instant) -> Option<Place> {
        if reached.passed > self.written.passed { self.write(reached, now) } else { None }
    }

    pub(super) fn deadline(&self, reached: Reached) -> Option<Instant> {
        let passed = reached.passed - self.written.passed;
        if passed >= self.min { self.since.checked_add(self.after) } else { None }
    }

    pub(super) fn written(&self) -> Option<Place> {
        self.written.place
    }

    fn write(&mut self, reached: Reached, now: Instant) -> Option<Place> {
        (self.written, self.since) = (reached, now);
        reached.place
    }
}
