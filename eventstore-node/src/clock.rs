//! The time of events.

use std::time::{SystemTime, UNIX_EPOCH};

/// 100 ns ticks since the UNIX epoch.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| (since.as_nanos() / 100) as i64)
}
