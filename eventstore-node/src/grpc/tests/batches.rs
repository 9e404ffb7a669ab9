//! BatchAppend: in parts, out of order, refused one by one.

use eventstore::{BatchAppendOptions as ClientOptions, StreamState};
use prost::Message;

use super::raw::*;
use super::support::*;
use crate::grpc::wire::*;

/// A part of an append; `expected`: the first one.
fn part(id: u128, expected: Option<Expected>, data: &[&str], is_final: bool) -> BatchAppendReq {
    BatchAppendReq {
        correlation_id: Some(Uuid::structured(uuid::Uuid::from_u128(id))),
        options: expected.map(|expected| BatchAppendOptions {
            stream_identifier: Some(StreamIdentifier::of(&format!("s-{id}"))),
            expected: Some(expected),
            deadline: Some(Deadline::In(Timestamp { seconds: 1_800_000_000, nanos: 0 })),
        }),
        proposed_messages: data.iter().map(|data| proposed(data)).collect(),
        is_final,
    }
}

fn error(answer: &BatchAppendResp) -> (i32, &str, &Any) {
    match answer.result.as_ref().unwrap() {
        BatchAppendResult::Error(status) => (status.code, &status.message, status.details.as_ref().unwrap()),
        BatchAppendResult::Success(success) => panic!("{success:?}"),
    }
}

#[tokio::test]
async fn the_official_client_appends_in_batches() {
    let server = Server::start().await;
    let client = server.client();
    let batch = soon(client.batch_append(&ClientOptions::default())).await.unwrap();
    let appends = (0..20).map(|number| {
        let events = vec![event("a"), event("b")];
        batch.append_to_stream(format!("s-{}", number % 4), StreamState::Any, events)
    });
    for result in soon(futures::future::join_all(appends)).await {
        assert!(result.unwrap().current_position().is_some());
    }
    for stream in 0..4 {
        assert_eq!(server.node.last_revision(&format!("s-{stream}")).unwrap(), Some(9));
    }
    let wrong = soon(batch.append_to_stream("s-0", StreamState::NoStream, vec![event("x")])).await;
    let Err(eventstore::Error::Grpc { code, message }) = wrong else { panic!("unexpected") };
    assert_eq!((code as i32, message.as_str()), (6, "WrongExpectedVersion"));
    server.end().await;
}

#[tokio::test]
async fn parts_are_put_together_and_each_append_is_answered() {
    let server = Server::start().await;
    let mut raw = Raw::new(&server).await;
    let no_stream = Expected::NoStream(Empty {});
    let messages = vec![
        part(1, Some(no_stream), &["a"], false),
        part(2, Some(no_stream), &["a", "b", "c"], true),
        part(1, None, &["b"], false),
        part(1, None, &[], true),
        part(3, Some(any()), &["never finished"], false),
    ];
    let mut answers = raw.batch_append(messages).await.unwrap();
    answers.sort_by_key(|answer| answer.correlation_id.as_ref().unwrap().read());
    assert_eq!(answers.len(), 2);
    for (answer, (id, revision)) in answers.iter().zip([(1, 1), (2, 2)]) {
        assert_eq!(answer.correlation_id, Some(Uuid::structured(uuid::Uuid::from_u128(id))));
        assert_eq!(answer.stream_identifier, Some(StreamIdentifier::of(&format!("s-{id}"))));
        let Some(BatchAppendResult::Success(success)) = answer.result else { panic!("{answer:?}") };
        assert_eq!(success.current_revision, Some(CurrentRevision::Revision(revision)));
        assert!(matches!(success.position, Some(MaybePosition::Position(_))));
    }
    assert_eq!(server.node.last_revision("s-3").unwrap(), None);
    server.end().await;
}

#[tokio::test]
async fn a_refused_append_says_why_and_the_others_go_on() {
    let server = Server::start().await;
    server.node.tombstone_stream("s-2", crate::ExpectedRevision::Any).await.unwrap();
    let mut raw = Raw::new(&server).await;
    let mut late = part(4, Some(any()), &["x"], true);
    late.options.as_mut().unwrap().deadline = Some(Deadline::At(Timestamp { seconds: 1, nanos: 0 }));
    let mut nameless = part(5, Some(any()), &["x"], true);
    nameless.options.as_mut().unwrap().stream_identifier = None;
    let large = "x".repeat(2 * 1024 * 1024);
    let messages = vec![
        part(1, Some(Expected::Revision(4)), &["x"], true),
        part(2, Some(any()), &["x"], true),
        part(3, Some(any()), &[&large], true),
        late,
        nameless,
        part(6, Some(any()), &["x"], true),
    ];
    let mut answers = raw.batch_append(messages).await.unwrap();
    answers.sort_by_key(|answer| answer.correlation_id.as_ref().unwrap().read());
    let [wrong, deleted, large, late, nameless, good] = &answers[..] else { panic!("{answers:?}") };

    let url = |name: &str| format!("type.googleapis.com/event_store.client.{name}");
    for (answer, code, name) in [
        (wrong, 6, "WrongExpectedVersion"),
        (deleted, 5, "StreamDeleted"),
        (large, 3, "MaximumAppendSizeExceeded"),
        (late, 4, "Timeout"),
        (nameless, 3, "BadRequest"),
    ] {
        let (found, message, detail) = error(answer);
        assert_eq!((found, message, &detail.type_url), (code, name, &url(name)));
        assert!(answer.stream_identifier.is_some());
    }
    let detail = WrongExpectedVersion::decode(&error(wrong).2.value[..]).unwrap();
    assert_eq!(detail.current, Some(CurrentRevision::NoStream(Empty {})));
    assert_eq!(detail.expected, Some(ExpectedPosition::Position(4)));
    let detail = StreamDeleted::decode(&error(deleted).2.value[..]).unwrap();
    assert_eq!(detail.stream_identifier, Some(StreamIdentifier::of("s-2")));
    let detail = MaximumAppendSizeExceeded::decode(&error(large).2.value[..]).unwrap();
    assert_eq!(detail.max_append_size, 1024 * 1024);
    assert!(matches!(good.result, Some(BatchAppendResult::Success(_))));
    server.end().await;
}
