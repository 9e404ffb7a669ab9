//! Who may connect, and how: passwords, TLS, addresses, the pages over HTTP.

use eventstore::{AppendToStreamOptions, Error, ReadAllOptions, SubscribeToAllOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

use super::raw::*;
use super::support::*;
use crate::grpc::wire::*;
use crate::grpc::{Credentials, GrpcError, GrpcOptions, TlsOptions, check_exposure};

fn credentials() -> Option<Credentials> {
    Some(Credentials { user: "admin".to_owned(), password: "changeit".to_owned() })
}

/// An answer over HTTP/1.1: its first line and its last.
async fn get(server: &Server, path: &str, headers: &str) -> (String, String) {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n{headers}\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(socket.read_to_string(&mut answer)).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[tokio::test]
async fn a_password_is_asked_for_if_there_is_one() {
    let grpc = GrpcOptions { credentials: credentials(), ..GrpcOptions::default() };
    let server = Server::with(grpc).await;
    let url = |who: &str| format!("esdb://{who}{}?tls=false&discoveryInterval=1", server.address);
    for who in ["", "admin:changedit@", "Admin:changeit@"] {
        let client = client(&url(who));
        let append = soon(client.append_to_stream("s", &AppendToStreamOptions::default(), event("x"))).await;
        assert!(matches!(append, Err(Error::AccessDenied)), "{append:?}");
        assert!(matches!(soon(client.read_all(&ReadAllOptions::default())).await, Err(Error::AccessDenied)));
        let mut all = client.subscribe_to_all(&SubscribeToAllOptions::default()).await;
        assert!(matches!(next(&mut all).await, Err(Error::AccessDenied)));
    }
    let client = client(&url("admin:changeit@"));
    soon(client.append_to_stream("s", &AppendToStreamOptions::default(), event("x"))).await.unwrap();

    let mut raw = Raw::new(&server).await;
    let status = raw.append(vec![options("s", any())]).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    const FEATURES: &str = "/event_store.client.server_features.ServerFeatures/GetSupportedMethods";
    raw.unary::<_, SupportedMethods>(FEATURES, Empty {}).await.unwrap();
    assert_eq!(get(&server, "/stats", "").await.0, "HTTP/1.1 401 Unauthorized");
    assert_eq!(get(&server, "/health/live", "").await.0, "HTTP/1.1 204 No Content");
    let authorization = "Authorization: Basic YWRtaW46Y2hhbmdlaXQ=\r\n";
    assert_eq!(get(&server, "/stats", authorization).await.0, "HTTP/1.1 200 OK");
    server.end().await;
}

#[tokio::test]
async fn without_a_password_credentials_are_ignored() {
    let server = Server::start().await;
    let client = client(&format!("esdb://who:ever@{}?tls=false&discoveryInterval=1", server.address));
    soon(client.append_to_stream("s", &AppendToStreamOptions::default(), event("x"))).await.unwrap();
    server.end().await;
}

#[tokio::test]
async fn connections_are_encrypted_if_there_is_a_certificate() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = certified.cert.pem().into_bytes();
    let tls = TlsOptions {
        certificate: certificate.clone(),
        key: certified.signing_key.serialize_pem().into_bytes(),
    };
    let grpc = GrpcOptions { tls: Some(tls), credentials: credentials(), ..GrpcOptions::default() };
    let server = Server::with(grpc).await;
    let authority = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(authority.path(), certificate).unwrap();
    let client = client(&format!(
        "esdb://admin:changeit@localhost:{}?tls=true&discoveryInterval=1&tlsCaFile={}",
        server.address.port(),
        authority.path().display()
    ));
    soon(client.append_to_stream("s", &AppendToStreamOptions::default(), events(10))).await.unwrap();
    let read = drain(soon(client.read_all(&ReadAllOptions::default())).await.unwrap()).await.unwrap();
    assert_eq!(read.len(), 10);

    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain.write_all(b"GET /health/live HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // Whatever comes, and be it a reset, is no HTTP.
    let _ = soon(plain.read_to_end(&mut answer)).await;
    assert!(!answer.starts_with(b"HTTP"));
    server.end().await;
}

#[tokio::test]
async fn a_certificate_that_is_none_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let node = crate::Node::open(crate::NodeOptions::new(dir.path())).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tls = TlsOptions { certificate: b"x".to_vec(), key: b"y".to_vec() };
    let options = GrpcOptions { tls: Some(tls), ..GrpcOptions::default() };
    let served = crate::grpc::serve(node.clone(), listener, options, Default::default()).await;
    assert!(matches!(served, Err(GrpcError::Tls { .. })), "{served:?}");
    node.shutdown().await;
}

#[test]
fn others_are_kept_out_of_an_open_server() {
    let tls = || Some(TlsOptions { certificate: Vec::new(), key: Vec::new() });
    let options = |tls, credentials, allow_insecure| GrpcOptions {
        tls,
        credentials,
        allow_insecure,
        ..GrpcOptions::default()
    };
    for (address, options, allowed) in [
        ("127.0.0.1:2113", options(None, None, false), true),
        ("127.5.5.5:2113", options(None, None, false), true),
        ("[::1]:2113", options(None, None, false), true),
        ("[::ffff:127.0.0.1]:2113", options(None, None, false), true),
        ("0.0.0.0:2113", options(None, None, false), false),
        ("[::]:2113", options(None, None, false), false),
        ("10.0.0.1:2113", options(tls(), None, false), false),
        ("10.0.0.1:2113", options(None, credentials(), false), false),
        ("10.0.0.1:2113", options(tls(), credentials(), false), true),
        ("10.0.0.1:2113", options(None, None, true), true),
    ] {
        let address = address.parse().unwrap();
        assert_eq!(check_exposure(address, &options).is_ok(), allowed, "{address}");
    }
    let refusal = check_exposure("0.0.0.0:1".parse().unwrap(), &GrpcOptions::default()).unwrap_err();
    assert!(refusal.to_string().contains("set a TLS certificate and key"));
}

#[tokio::test]
async fn the_pages_are_there_over_http_1() {
    let advertised = Some(("node.example".to_owned(), 4711));
    let grpc = GrpcOptions { advertised, ..GrpcOptions::default() };
    let server = Server::with(grpc).await;
    assert_eq!(get(&server, "/health/live", "").await.0, "HTTP/1.1 204 No Content");
    let json = async |path| {
        let (head, body) = get(&server, path, "").await;
        assert_eq!(head, "HTTP/1.1 200 OK");
        serde_json::from_str::<serde_json::Value>(&body).unwrap()
    };
    assert_eq!(json("/info").await["esVersion"], "24.10.0");
    let member = &json("/gossip").await["members"][0];
    assert_eq!((&member["state"], &member["httpEndPointPort"]), (&"Leader".into(), &4711.into()));
    assert_eq!(json("/stats").await["es-log-head"], "0");
    server.end().await;
}

#[tokio::test]
async fn the_cluster_is_this_node_and_clients_find_it() {
    let server = Server::start().await;
    let client = client(&format!("esdb+discover://{}?tls=false&discoveryInterval=1", server.address));
    soon(client.append_to_stream("s", &AppendToStreamOptions::default(), event("x"))).await.unwrap();

    let mut raw = Raw::new(&server).await;
    let cluster: ClusterInfo = raw.unary("/event_store.client.gossip.Gossip/Read", Empty {}).await.unwrap();
    let [member] = &cluster.members[..] else { panic!("{cluster:?}") };
    assert_eq!((member.state, member.is_alive), (8, true));
    let end_point = member.http_end_point.clone().unwrap();
    assert_eq!((end_point.address.as_str(), end_point.port), ("127.0.0.1", server.address.port().into()));
    server.end().await;
}
