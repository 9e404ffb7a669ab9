//! `event_store.client.server_features.ServerFeatures`: what clients may use here.

use tonic::{Request, Response, Status};

use super::services::server_features_server::ServerFeatures;
use super::wire::{Empty, SupportedMethod, SupportedMethods};

/// The version of EventStoreDB whose behaviour this is.
pub(crate) const SERVER_VERSION: &str = "24.10.0";

/// Method, and what of it there is; all in lower case, for clients compare so.
type Method = (&'static str, &'static [&'static str]);

/// What persistent subscriptions can be on.
const STREAM_AND_ALL: &[&str] = &["stream", "all"];

/// Implemented methods by service.
const METHODS: &[(&str, &[Method])] = &[
    (
        "event_store.client.streams.streams",
        &[
            ("append", &[]),
            ("batchappend", &["deadline_duration"]),
            ("delete", &[]),
            ("read", &["position", "events"]),
            ("tombstone", &[]),
        ],
    ),
    (
        "event_store.client.persistent_subscriptions.persistentsubscriptions",
        &[
            ("create", STREAM_AND_ALL),
            ("update", STREAM_AND_ALL),
            ("delete", STREAM_AND_ALL),
            ("read", STREAM_AND_ALL),
            ("getinfo", STREAM_AND_ALL),
            ("replayparked", STREAM_AND_ALL),
            ("list", STREAM_AND_ALL),
            ("restartsubsystem", &[]),
        ],
    ),
    ("event_store.client.server_features.serverfeatures", &[("getsupportedmethods", &[])]),
    ("event_store.client.gossip.gossip", &[("read", &[])]),
    ("event_store.client.monitoring.monitoring", &[("stats", &[])]),
];

/// The service.
pub(crate) struct FeaturesService;

#[tonic::async_trait]
impl ServerFeatures for FeaturesService {
    async fn get_supported_methods(&self, _: Request<Empty>) -> Result<Response<SupportedMethods>, Status> {
        let methods = METHODS.iter().flat_map(|(service, methods)| {
            methods.iter().map(|(method, features)| SupportedMethod {
                method_name: (*method).to_owned(),
                service_name: (*service).to_owned(),
                features: features.iter().map(|feature| (*feature).to_owned()).collect(),
            })
        });
        let event_store_server_version = SERVER_VERSION.to_owned();
        Ok(Response::new(SupportedMethods { methods: methods.collect(), event_store_server_version }))
    }
}
