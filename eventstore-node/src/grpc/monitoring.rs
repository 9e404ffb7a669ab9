//! `event_store.client.monitoring.Monitoring`: the node's figures, again and again.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use futures::stream::unfold;
use tonic::{Request, Response, Status};

use super::limits::STATS_PERIOD;
use super::server::Server;
use super::services::monitoring_server::Monitoring;
use super::status;
use super::wire::{StatsReq, StatsResp};

/// The service.
pub(crate) struct MonitoringService(pub(crate) Arc<Server>);

#[tonic::async_trait]
impl Monitoring for MonitoringService {
    type StatsStream = Pin<Box<dyn Stream<Item = Result<StatsResp, Status>> + Send>>;

    async fn stats(&self, request: Request<StatsReq>) -> Result<Response<Self::StatsStream>, Status> {
        let asked = Duration::from_millis(request.into_inner().refresh_time_period_in_ms);
        let period = asked.clamp(*STATS_PERIOD.start(), *STATS_PERIOD.end());
        let state = Some((self.0.clone(), self.0.admit_read()?, tokio::time::interval(period)));
        let stats = unfold(state, |state| async {
            let (server, permit, mut interval) = state?;
            tokio::select! {
                biased;
                () = server.stop.cancelled() => Some((Err(status::stopping()), None)),
                _ = interval.tick() => {
                    let stats = figures(&server);
                    Some((Ok(StatsResp { stats }), Some((server, permit, interval))))
                }
            }
        });
        Ok(Response::new(Box::pin(stats)))
    }
}

/// The node's figures by name, in EventStoreDB's way of naming.
pub(crate) fn figures(server: &Server) -> HashMap<String, String> {
    let stats = server.node.stats();
    let figures = [
        ("es-writer-batches", stats.batches),
        ("es-writer-refused", stats.refused),
        ("es-writer-replayed", stats.replayed),
        ("es-writer-events", stats.events),
        ("es-writer-bytes", stats.bytes),
        ("es-writer-syncs", stats.syncs),
        ("es-writer-syncNanos", stats.sync_nanos),
        ("es-writer-largestGroup", stats.largest_group),
        ("es-writer-queuedBatches", stats.queued_batches),
        ("es-writer-queuedBytes", stats.queued_bytes),
        ("es-index-lag", stats.index_lag),
        ("es-index-moves", stats.index_moves),
        ("es-index-cacheBytes", stats.index_cache_bytes),
        ("es-streams-cachedHeads", stats.cached_heads),
        ("es-log-head", stats.head),
        ("es-log-segments", stats.segments),
        ("proc-id", u64::from(std::process::id())),
    ];
    figures.into_iter().map(|(name, value)| (name.to_owned(), value.to_string())).collect()
}
