//! How often a transfer is tried, and what came of it.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use chrono::{DateTime, Utc};
use ledger_core::dead_letter::FailedAttempt;
use ledger_streams::{RETRY_DELAY_MAX, RETRY_DELAY_MIN, StoreError};

use crate::{DRIVE_TRIES_MAX, FAILED_TRIES_KEPT};

/// The tries of one transfer so far.
#[derive(Debug)]
pub(super) struct Tries {
    failed: u32,
    /// The last of those that failed.
    history: Vec<FailedAttempt>,
    /// Before each further try, until they are used up.
    pauses: ExponentialBackoff,
    /// While the store is away: that says nothing about the transfer, and is waited out.
    outage: ExponentialBackoff,
}

/// What to do after a try that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Try again after this long.
    Again(Duration),
    /// It was tried often enough.
    GiveUp,
}

impl Default for Tries {
    fn default() -> Self {
        Self { failed: 0, history: Vec::new(), pauses: pauses(), outage: outage() }
    }
}

impl Tries {
    /// Notes a try that failed.
    pub(super) fn failed(&mut self, error: &StoreError, at: DateTime<Utc>) -> Next {
        if error.is_outage() {
            return Next::Again(self.outage.next().unwrap_or(RETRY_DELAY_MAX));
        }
        self.outage = outage();
        self.note(error.to_string(), at);
        self.pauses.next().map_or(Next::GiveUp, Next::Again)
    }

    /// Notes a try that is the last, because no other could come to anything else.
    pub(super) fn note(&mut self, reason: String, at: DateTime<Utc>) {
        self.failed = self.failed.saturating_add(1);
        if self.history.len() >= FAILED_TRIES_KEPT {
            self.history.remove(0);
        }
        self.history.push(FailedAttempt { at, reason });
    }

    /// How many failed, and the last of them.
    pub(super) fn report(&self) -> (u32, Vec<FailedAttempt>) {
        (self.failed, self.history.clone())
    }
}

fn pauses() -> ExponentialBackoff {
    growing().with_max_times(DRIVE_TRIES_MAX.saturating_sub(1)).build()
}

fn outage() -> ExponentialBackoff {
    growing().without_max_times().build()
}

fn growing() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(RETRY_DELAY_MIN)
        .with_max_delay(RETRY_DELAY_MAX)
        .with_jitter()
}
