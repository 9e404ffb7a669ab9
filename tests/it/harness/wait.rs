//! Waiting, never longer than said.

use std::time::{Duration, Instant};

/// Time between two looks.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Looks again and again until there is something to see, and panics when there is nothing `within` that time.
pub(crate) async fn until<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(started.elapsed() < within, "{what}: not within {within:?}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// As [`until`], where nothing can be awaited; false when the time is over.
pub(super) fn happens(within: Duration, mut look: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while !look() {
        if started.elapsed() > within {
            return false;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    true
}
