//! How calls end that do not end by themselves.

use std::time::Duration;

use eventstore::{AppendToStreamOptions, SubscribeToStreamOptions};
use futures::StreamExt;
use tonic::Code;

use super::raw::*;
use super::support::*;
use crate::grpc::limits::{MAX_READS, SLOW_CONSUMER};
use crate::grpc::server::Server as Shared;
use crate::grpc::streams::follow_all_for_test;
use crate::grpc::wire::*;
use crate::grpc::{GrpcOptions, serve};

#[tokio::test]
async fn a_stop_tells_everybody_and_the_next_run_goes_on() {
    let server = Server::start().await;
    let client = server.client();
    soon(client.append_to_stream("s", &AppendToStreamOptions::default(), events(3))).await.unwrap();
    let mut raw = Raw::new(&server).await;
    let options = ReadOptions { count: Some(ReadCount::Subscription(Empty {})), ..read_options("s") };
    let mut answers = raw.read(options).await.unwrap();
    for _ in 0..5 {
        answers.message().await.unwrap().unwrap();
    }
    const STATS: &str = "/event_store.client.monitoring.Monitoring/Stats";
    raw.0.ready().await.unwrap();
    let request = tonic::Request::new(StatsReq { use_metadata: false, refresh_time_period_in_ms: 1 });
    let codec = tonic::codec::ProstCodec::<StatsReq, StatsResp>::default();
    let path = http::uri::PathAndQuery::from_static(STATS);
    let mut stats = raw.0.server_streaming(request, path, codec).await.unwrap().into_inner();
    let figures = soon(stats.message()).await.unwrap().unwrap();
    assert_eq!(figures.stats["es-writer-events"], "3");

    server.stop.cancel();
    assert_eq!(soon(answers.message()).await.unwrap_err().code(), Code::Unavailable);
    let ended = loop {
        match soon(stats.message()).await {
            Ok(Some(_)) => {}
            other => break other,
        }
    };
    assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
    soon(server.serving).await.unwrap().unwrap();

    // The node is still there, and may be served again.
    let listener = tokio::net::TcpListener::bind(server.address).await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let serving = tokio::spawn(serve(server.node.clone(), listener, GrpcOptions::default(), stop.clone()));
    let from = SubscribeToStreamOptions::default().start_from(eventstore::StreamPosition::Position(1));
    let again = super::support::client(&format!("esdb://{}?tls=false&discoveryInterval=1", server.address));
    let mut follower = again.subscribe_to_stream("s", &from).await;
    assert_eq!(take(&mut follower, 2).await, ["confirmed", "2"]);
    stop.cancel();
    soon(serving).await.unwrap().unwrap();
    server.node.shutdown().await;
}

/// More than all windows and buffers between a client and its answers hold.
async fn fill(server: &Server, stream: &str) {
    let client = server.client();
    for _ in 0..20 {
        let large: Vec<_> = (0..60).map(|_| event(&"x".repeat(16_000))).collect();
        soon(client.append_to_stream(stream, &AppendToStreamOptions::default(), large)).await.unwrap();
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_who_does_not_listen() {
    let server = Server::start().await;
    fill(&server, "s").await;
    let mut raw = Raw::new(&server).await;
    // Neither is read any further.
    let _read = raw.read(read_options("s")).await.unwrap();
    let options = ReadOptions { count: Some(ReadCount::Subscription(Empty {})), ..read_options("s") };
    let _subscription = raw.read(options).await.unwrap();
    server.end().await;
}

#[tokio::test]
async fn who_takes_nothing_for_long_loses_its_connection_and_its_places() {
    let server = Server::start().await;
    fill(&server, "s").await;
    let follow = || ReadOptions { count: Some(ReadCount::Subscription(Empty {})), ..read_options("s") };
    let short = || ReadOptions { count: Some(ReadCount::Count(1)), ..read_options("s") };
    let mut slow = Raw::new(&server).await;
    let mut answers = Vec::new();
    for number in 0..MAX_READS {
        let options = if number % 2 == 0 { follow() } else { read_options("s") };
        answers.push(soon(slow.read(options)).await.unwrap());
    }
    let mut other = Raw::new(&server).await;
    assert!(soon(other.read(short())).await.is_err());
    soon(async { while other.read(short()).await.is_err() {} }).await;
    let mut first = answers.swap_remove(0);
    let ended = soon(async {
        loop {
            if let Err(status) = first.message().await {
                break status;
            }
        }
    })
    .await;
    assert_ne!(ended.code(), Code::Ok);
    drop(answers);
    server.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_for_long_is_sent_away_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let node = crate::Node::open(crate::NodeOptions::new(dir.path())).unwrap();
    for _ in 0..10 {
        let events = (0..1000).map(|_| crate::ProposedEvent {
            id: uuid::Uuid::new_v4(),
            event_type: "happened".into(),
            is_json: false,
            data: "x".into(),
            metadata: bytes::Bytes::new(),
        });
        let append = crate::StreamAppend {
            stream: "s".into(),
            expected: crate::ExpectedRevision::Any,
            follows: None,
            events: events.collect(),
        };
        node.append(vec![append]).await.unwrap();
    }
    let address = "127.0.0.1:1".parse().unwrap();
    let server =
        std::sync::Arc::new(Shared::new(node.clone(), GrpcOptions::default(), address, Default::default()));
    let (mut after, mut seen) = (None, 0);
    let begun = tokio::time::Instant::now();
    let mut rounds = 0;
    while seen < 10_000 {
        let messages = follow_all_for_test(&server, after);
        if rounds == 0 {
            tokio::time::sleep(SLOW_CONSUMER + Duration::from_secs(1)).await;
        }
        rounds += 1;
        let mut messages = std::pin::pin!(messages);
        while seen < 10_000 {
            match messages.next().await.unwrap() {
                Ok(ReadResp { content: Some(ReadContent::Event(event)) }) => {
                    after = event.commit_position;
                    seen += 1;
                }
                Ok(_) => {}
                Err(status) => {
                    assert_eq!((status.code(), status.message()), (Code::Aborted, "Consumer too slow"));
                    break;
                }
            }
        }
    }
    assert_eq!((rounds, after), (2, Some(node.head())));
    assert!(begun.elapsed() >= SLOW_CONSUMER);
    server.stop.cancel();
    server.tasks.close();
    server.tasks.wait().await;
    node.shutdown().await;
}
