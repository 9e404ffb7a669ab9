//! All services by their paths. One line registers a service.

use std::sync::Arc;

use axum::Router;
use tonic::service::Routes;

use super::features::FeaturesService;
use super::gossip::GossipService;
use super::http1;
use super::limits::MAX_MESSAGE_BYTES;
use super::monitoring::MonitoringService;
use super::persistent::PersistentSubscriptionsService;
use super::server::Server;
use super::services::gossip_server::GossipServer;
use super::services::monitoring_server::MonitoringServer;
use super::services::persistent_subscriptions_server::PersistentSubscriptionsServer;
use super::services::server_features_server::ServerFeaturesServer;
use super::services::streams_server::StreamsServer;
use super::streams::StreamsService;

/// Every path there is. What is not there is unimplemented, as gRPC says it.
pub(crate) fn router(server: &Arc<Server>) -> Router {
    let streams =
        StreamsServer::new(StreamsService(server.clone())).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let services = Routes::new(streams)
        .add_service(ServerFeaturesServer::new(FeaturesService))
        .add_service(PersistentSubscriptionsServer::new(PersistentSubscriptionsService(server.clone())))
        .add_service(GossipServer::new(GossipService(server.clone())))
        .add_service(MonitoringServer::new(MonitoringService(server.clone())));
    services.into_axum_router().merge(http1::pages(server)).with_state(())
}
