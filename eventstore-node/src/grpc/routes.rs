//! All services by their paths. One line registers a service.

use std::sync::Arc;

use axum::Router;
use tonic::service::Routes;

use super::features::FeaturesService;
use super::limits::MAX_MESSAGE_BYTES;
use super::server::Server;
use super::services::server_features_server::ServerFeaturesServer;
use super::services::streams_server::StreamsServer;
use super::streams::StreamsService;

/// Every path there is. What is not there is unimplemented, as gRPC says it.
pub(crate) fn router(server: &Arc<Server>) -> Router {
    let streams =
        StreamsServer::new(StreamsService(server.clone())).max_decoding_message_size(MAX_MESSAGE_BYTES);
    Routes::new(streams)
        .add_service(ServerFeaturesServer::new(FeaturesService))
        .into_axum_router()
        .with_state(())
}
