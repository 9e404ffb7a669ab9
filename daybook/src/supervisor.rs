//! Keeps a role running: when it ends without being asked, says so, and starts it again after a pause.

use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use crate::health::{Component, Health, State};

const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(8);

/// Runs `role` until `stop`. The role itself says when it is ready; its failures are noted and logged here, once each.
pub(crate) async fn supervise<F, E>(
    component: Component,
    health: Arc<Health>,
    stop: CancellationToken,
    mut role: impl FnMut() -> F,
) where
    F: Future<Output = Result<(), E>>,
    E: Display,
{
    let mut pause = PAUSE_MIN;
    loop {
        health.set(component, State::Starting);
        let started = Instant::now();
        let ended = AssertUnwindSafe(role()).catch_unwind().await;
        if stop.is_cancelled() {
            if let Ok(Err(error)) = ended {
                tracing::warn!(%component, %error, "ended with an error while stopping");
            }
            return health.set(component, State::Stopped);
        }
        let reason = match ended {
            Ok(Ok(())) => "it ended without being asked to".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_panic) => "it panicked; the log has the place".to_owned(),
        };
        if started.elapsed() > PAUSE_MAX {
            pause = PAUSE_MIN;
        }
        tracing::error!("{component} failed, again in {:.1} s: {reason}", pause.as_secs_f64());
        let reason = reason.lines().next().unwrap_or_default().to_owned();
        health.set(component, State::Failed { reason });
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return health.set(component, State::Stopped);
        }
        pause = pause.saturating_mul(2).min(PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio_util::sync::CancellationToken;

    use super::supervise;
    use crate::health::{Component, Health, State};

    #[tokio::test]
    async fn a_failed_role_is_not_ready_and_starts_again() {
        let health = Arc::new(Health::new([], Box::new(|| Ok(1))));
        let stop = CancellationToken::new();
        let runs = AtomicU32::new(0);
        supervise(Component::Projector, Arc::clone(&health), stop.clone(), async || {
            match runs.fetch_add(1, Ordering::Relaxed) {
                0 => Err("no"),
                _ => {
                    assert!(!health.report().is_ready(), "it has only begun again");
                    health.set(Component::Projector, State::Ready);
                    stop.cancel();
                    Ok(())
                }
            }
        })
        .await;
        assert_eq!(runs.into_inner(), 2);
    }
}
