//! Writes the plumbing of the gRPC services: traits, routes, codecs. The messages are in `src/grpc/wire`.

use tonic_build::manual::{Builder, Method, Service};

/// Where the messages are.
const WIRE: &str = "crate::grpc::wire";

/// One message each way.
const UNARY: (bool, bool) = (false, false);
/// The server answers with a stream.
const SERVER_STREAMING: (bool, bool) = (false, true);
/// The client sends a stream.
const CLIENT_STREAMING: (bool, bool) = (true, false);
/// Streams both ways.
const BOTH_STREAMING: (bool, bool) = (true, true);

/// A method by its Rust name, its name on the wire, the modules and names of its messages, and who streams.
fn method(
    name: &str,
    route: &str,
    (request, response): (&str, &str),
    codec: &str,
    streaming: (bool, bool),
) -> Method {
    let mut method = Method::builder()
        .name(name)
        .route_name(route)
        .input_type(format!("{WIRE}::{request}"))
        .output_type(format!("{WIRE}::{response}"))
        .codec_path(format!("crate::grpc::codec::{codec}"));
    if streaming.0 {
        method = method.client_streaming();
    }
    if streaming.1 {
        method = method.server_streaming();
    }
    method.build()
}

fn service(name: &str, package: &str, methods: Vec<Method>) -> Service {
    let service = Service::builder().name(name).package(format!("event_store.client.{package}"));
    methods.into_iter().fold(service, |service, method| service.method(method)).build()
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let streams = vec![
        method("append", "Append", ("AppendReq", "AppendResp"), "Small", CLIENT_STREAMING),
        method("batch_append", "BatchAppend", ("BatchAppendReq", "BatchAppendResp"), "Small", BOTH_STREAMING),
        method("read", "Read", ("ReadReq", "ReadResp"), "Bulk", SERVER_STREAMING),
        method("delete", "Delete", ("DeleteReq", "DeleteResp"), "Small", UNARY),
        method("tombstone", "Tombstone", ("DeleteReq", "DeleteResp"), "Small", UNARY),
    ];
    let features = vec![method(
        "get_supported_methods",
        "GetSupportedMethods",
        ("Empty", "SupportedMethods"),
        "Small",
        UNARY,
    )];
    let gossip = vec![method("read", "Read", ("Empty", "ClusterInfo"), "Small", UNARY)];
    let monitoring = vec![method("stats", "Stats", ("StatsReq", "StatsResp"), "Small", SERVER_STREAMING)];
    let persistent = vec![
        method("create", "Create", ("ChangeGroupReq", "Empty"), "Small", UNARY),
        method("update", "Update", ("ChangeGroupReq", "Empty"), "Small", UNARY),
        method("delete", "Delete", ("DeleteGroupReq", "Empty"), "Small", UNARY),
        method("read", "Read", ("GroupReadReq", "GroupReadResp"), "Bulk", BOTH_STREAMING),
        method("get_info", "GetInfo", ("GetInfoReq", "GetInfoResp"), "Small", UNARY),
        method("replay_parked", "ReplayParked", ("ReplayParkedReq", "Empty"), "Small", UNARY),
        method("list", "List", ("ListReq", "ListResp"), "Small", UNARY),
        method("restart_subsystem", "RestartSubsystem", ("Empty", "Empty"), "Small", UNARY),
    ];
    Builder::new().build_client(false).compile(&[
        service("Streams", "streams", streams),
        service("ServerFeatures", "server_features", features),
        service("PersistentSubscriptions", "persistent_subscriptions", persistent),
        service("Gossip", "gossip", gossip),
        service("Monitoring", "monitoring", monitoring),
    ]);
}
