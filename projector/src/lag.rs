//! How far the projections are behind the log, as metrics.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ledger_streams::EventStore;
use metrics::gauge;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::ProjectorStatus;
use crate::status::labels;

/// Time between two looks at the log's end.
const INTERVAL: Duration = Duration::from_secs(1);

/// Looks again and again at the log's end and at every projection, stopped ones too.
pub(crate) async fn observe(store: &EventStore, status: watch::Receiver<ProjectorStatus>) -> Infallible {
    // Since when a projection has been behind is not before it was last seen at the end: a new event after a quiet hour is no lag.
    let mut seen_at_end: HashMap<&'static str, DateTime<Utc>> = HashMap::new();
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Ok(head) = store.head().await else { continue };
        let now = Utc::now();
        let ProjectorStatus { placement, projections, .. } = status.borrow().clone();
        for projection in projections {
            let behind = head.saturating_sub(projection.position);
            if behind == 0 {
                seen_at_end.insert(projection.name, now);
            }
            let since = projection.recorded_at.max(seen_at_end.get(projection.name).copied());
            let seconds = since.map_or(0.0, |since| (now - since).as_seconds_f64().max(0.0));
            #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
            gauge!("daybook_projection_lag_positions", labels(projection.name, placement)).set(behind as f64);
            gauge!("daybook_projection_lag_seconds", labels(projection.name, placement)).set(seconds);
        }
    }
}
