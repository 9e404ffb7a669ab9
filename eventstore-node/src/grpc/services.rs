//! The services' traits and routes, written by `build.rs`.

#![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]

tonic::include_proto!("event_store.client.gossip.Gossip");
tonic::include_proto!("event_store.client.monitoring.Monitoring");
tonic::include_proto!("event_store.client.persistent_subscriptions.PersistentSubscriptions");
tonic::include_proto!("event_store.client.server_features.ServerFeatures");
tonic::include_proto!("event_store.client.streams.Streams");
