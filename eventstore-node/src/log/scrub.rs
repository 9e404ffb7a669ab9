//! Reads the part of the log that was not checked at start, slowly, once: damage in old events is found before someone
//! needs them.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::Log;
use super::reader::Forward;
use crate::error::ReadError;
use crate::event::Position;
use crate::limits::READ_CHUNK_BYTES;

/// Tells a scrub to stop early.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    pub(crate) fn stop(&self) {
        *self.stopped.lock() = true;
        self.changed.notify_all();
    }

    /// Waits; true if it was told to stop.
    fn pause(&self, duration: Duration) -> bool {
        let mut stopped = self.stopped.lock();
        if !*stopped {
            self.changed.wait_for(&mut stopped, duration);
        }
        *stopped
    }
}

/// Checks every record before `end`, at most `bytes_per_second`. An error is damage, or the disk's refusal to read.
pub(crate) fn scrub(log: &Log, end: Position, bytes_per_second: u64, stop: &Stop) -> Result<(), ReadError> {
    // A tenth of a second's worth at a time.
    let step = (bytes_per_second / 10).max(1);
    let mut reader = Forward::new(log, 0, end, READ_CHUNK_BYTES);
    let mut pause_at = step;
    while reader.next()?.is_some() {
        if reader.position() >= pause_at {
            pause_at = reader.position() + step;
            if stop.pause(Duration::from_millis(100)) {
                return Ok(());
            }
        }
    }
    tracing::debug!(bytes = end, "all older segments of the log are whole");
    Ok(())
}
