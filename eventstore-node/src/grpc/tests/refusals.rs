//! Errors to the letter: codes, texts and trailers.

use tonic::Code;

use super::raw::*;
use super::support::*;
use crate::grpc::GrpcOptions;
use crate::grpc::wire::*;

#[tokio::test]
async fn refused_appends_say_why_in_trailers() {
    let grpc = GrpcOptions { max_append_bytes: 1000, ..GrpcOptions::default() };
    let server = Server::with(grpc).await;
    let mut raw = Raw::new(&server).await;
    let event = AppendContent::ProposedMessage;

    let large =
        vec![options("s", any()), event(proposed(&"x".repeat(500))), event(proposed(&"x".repeat(500)))];
    let status = raw.append(large).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.message(), "Maximum Append Size of 1000 Exceeded.");
    assert_eq!(trailer(&status, "exception"), "maximum-append-size-exceeded");
    assert_eq!(trailer(&status, "maximum-append-size"), "1000");

    let bare = ProposedMessage { metadata: Vec::new(), ..proposed("x") };
    let status = raw.append(vec![options("s", any()), event(bare)]).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(trailer(&status, "exception"), "missing-required-metadata-property");
    assert_eq!(trailer(&status, "required-metadata-properties"), "type,content-type");

    let unexpected = AppendContent::Options(AppendOptions {
        stream_identifier: Some(StreamIdentifier::of("s")),
        expected: None,
    });
    assert_eq!(raw.append(vec![unexpected]).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(raw.append(vec![options("", any())]).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(raw.append(vec![event(proposed("x"))]).await.unwrap_err().code(), Code::InvalidArgument);
    let anonymous = ProposedMessage { id: Some(Uuid::structured(uuid::Uuid::nil())), ..proposed("x") };
    let status = raw.append(vec![options("s", any()), event(anonymous)]).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unknown, "Exception was thrown by handler."));
    let message = proposed(&"x".repeat(17 * 1024 * 1024));
    let status = raw.append(vec![options("s", any()), event(message)]).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(server.node.head(), 0);
    server.end().await;
}

#[tokio::test]
async fn an_append_of_nothing_compares_the_revision() {
    let server = Server::start().await;
    let mut raw = Raw::new(&server).await;
    let success = |current_revision| AppendSuccess {
        current_revision: Some(current_revision),
        position: Some(MaybePosition::NoPosition(Empty {})),
    };
    let answer = raw.append(vec![options("s", any())]).await.unwrap();
    assert_eq!(answer, AppendResult::Success(success(CurrentRevision::NoStream(Empty {}))));
    raw.append(vec![options("s", any()), AppendContent::ProposedMessage(proposed("x"))]).await.unwrap();
    let answer = raw.append(vec![options("s", Expected::Revision(0))]).await.unwrap();
    assert_eq!(answer, AppendResult::Success(success(CurrentRevision::Revision(0))));
    let answer = raw.append(vec![options("s", Expected::NoStream(Empty {}))]).await.unwrap();
    let wrong = AppendWrongVersion {
        current_20_6_0: Some(CurrentRevision::Revision(0)),
        expected_20_6_0: Some(Expected2060::Revision(u64::MAX)),
        current: Some(WrongCurrent::Revision(0)),
        expected: Some(WrongExpected::NoStream(Empty {})),
    };
    assert_eq!(answer, AppendResult::WrongExpectedVersion(wrong));
    server.end().await;
}

#[tokio::test]
async fn a_tombstone_ends_everything_with_the_same_error() {
    let server = Server::start().await;
    let mut raw = Raw::new(&server).await;
    let delete = |stream: &str, expected| DeleteReq {
        options: Some(DeleteOptions {
            stream_identifier: Some(StreamIdentifier::of(stream)),
            expected: Some(expected),
        }),
    };
    const DELETE: &str = "/event_store.client.streams.Streams/Delete";
    const TOMBSTONE: &str = "/event_store.client.streams.Streams/Tombstone";
    for method in [DELETE, TOMBSTONE] {
        let request = delete("s", Expected::Revision(7));
        let status = raw.unary::<_, DeleteResp>(method, request).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(
            status.message(),
            "Delete failed due to WrongExpectedVersion. Stream: s, Expected version: 7, Actual version: -1"
        );
        for (name, value) in [
            ("exception", "wrong-expected-version"),
            ("stream-name", "s"),
            ("expected-version", "7"),
            ("actual-version", "-1"),
        ] {
            assert_eq!(trailer(&status, name), value);
        }
    }
    let event = || AppendContent::ProposedMessage(proposed("x"));
    raw.append(vec![options("größe", any()), event()]).await.unwrap();
    let deleted: DeleteResp = raw.unary(TOMBSTONE, delete("größe", any())).await.unwrap();
    assert_eq!(deleted.position, Some(DeletedAt::Position(server.node.head().into())));

    let subscription =
        ReadOptions { count: Some(ReadCount::Subscription(Empty {})), ..read_options("größe") };
    for status in [
        raw.append(vec![options("größe", any()), event()]).await.unwrap_err(),
        raw.read(read_options("größe")).await.unwrap_err(),
        raw.read(subscription).await.unwrap_err(),
        raw.unary::<_, DeleteResp>(DELETE, delete("größe", any())).await.unwrap_err(),
        raw.unary::<_, DeleteResp>(TOMBSTONE, delete("größe", any())).await.unwrap_err(),
    ] {
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(status.message(), "Event stream 'größe' is deleted.");
        assert_eq!(trailer(&status, "exception"), "stream-deleted");
        assert_eq!(trailer(&status, "stream-name"), "gr%C3%B6%C3%9Fe");
    }
    server.end().await;
}

#[tokio::test]
async fn reads_that_make_no_sense_are_invalid() {
    let server = Server::start().await;
    let mut raw = Raw::new(&server).await;
    let all = |from| Some(ReadSource::All(AllOptions { from: Some(from) }));
    let subscription = Some(ReadCount::Subscription(Empty {}));
    let filter = |multiplier| {
        Some(FilterOption::Filter(FilterOptions {
            filter: Some(FilterOn::EventType(FilterExpression { regex: "x".to_owned(), prefix: Vec::new() })),
            window: Some(FilterWindow::Count(Empty {})),
            checkpoint_interval_multiplier: multiplier,
        }))
    };
    let good = || read_options("s");
    let start = || AllOption::Start(Empty {});
    let strange = AllPosition { commit_position: 5, prepare_position: 6 };
    for options in [
        ReadOptions::default(),
        ReadOptions { uuid_option: None, ..good() },
        ReadOptions { source: None, ..good() },
        ReadOptions { count: None, ..good() },
        ReadOptions { filter: None, ..good() },
        ReadOptions { filter: filter(1), ..good() },
        ReadOptions { read_direction: 2, ..good() },
        ReadOptions { read_direction: 1, count: subscription, ..good() },
        ReadOptions { read_direction: 1, count: subscription, source: all(start()), ..good() },
        ReadOptions { source: all(start()), filter: filter(0), ..good() },
        ReadOptions { source: all(AllOption::Position(strange)), ..good() },
    ] {
        assert_eq!(raw.read(options).await.unwrap_err().code(), Code::InvalidArgument);
    }
    let status =
        raw.read(ReadOptions { read_direction: 1, count: subscription, ..good() }).await.unwrap_err();
    assert_eq!(
        status.message(),
        "The combination of (Stream, Subscription, Backwards, NoFilter) is invalid."
    );
    server.end().await;
}

#[tokio::test]
async fn what_is_not_there_is_unimplemented() {
    let server = Server::start().await;
    let mut raw = Raw::new(&server).await;
    for method in [
        "/event_store.client.operations.Operations/Shutdown",
        "/event_store.client.users.Users/Create",
        "/event_store.client.streams.Streams/Nonsense",
    ] {
        let status = raw.unary::<_, Empty>(method, Empty {}).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
    }
    server.end().await;
}
