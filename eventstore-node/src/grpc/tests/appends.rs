//! Append: every mode, and what it refuses.

use std::time::{Duration, Instant};

use eventstore::{AppendToStreamOptions, CurrentRevision, Error, StreamState};

use super::support::*;

fn expecting(state: StreamState) -> AppendToStreamOptions {
    AppendToStreamOptions::default().stream_state(state)
}

#[tokio::test]
async fn appends_in_every_mode_and_answers_revision_and_position() {
    let server = Server::start().await;
    let client = server.client();
    let mut position = 0;
    for (state, revision) in [
        (StreamState::NoStream, 1),
        (StreamState::StreamRevision(1), 3),
        (StreamState::StreamExists, 5),
        (StreamState::Any, 7),
    ] {
        let written = soon(client.append_to_stream("s", &expecting(state), events(2))).await.unwrap();
        assert_eq!(written.next_expected_version, revision);
        assert_eq!(written.position.commit, written.position.prepare);
        assert!(written.position.commit > position);
        position = written.position.commit;
    }
    assert_eq!(server.node.head(), position);
    server.end().await;
}

#[tokio::test]
async fn a_wrong_expected_version_is_an_answer_with_both_revisions() {
    let server = Server::start().await;
    let client = server.client();
    let wrong = |state| {
        let client = client.clone();
        async move {
            match soon(client.append_to_stream("s", &expecting(state), event("x"))).await {
                Err(Error::WrongExpectedVersion { expected, current }) => (expected, current),
                other => panic!("unexpected: {other:?}"),
            }
        }
    };
    for state in [StreamState::StreamExists, StreamState::StreamRevision(3)] {
        assert_eq!(wrong(state).await, (state, CurrentRevision::NoStream));
    }
    soon(client.append_to_stream("s", &expecting(StreamState::Any), events(2))).await.unwrap();
    for state in [StreamState::NoStream, StreamState::StreamRevision(0), StreamState::StreamRevision(9)] {
        assert_eq!(wrong(state).await, (state, CurrentRevision::Current(1)));
    }
    server.end().await;
}

#[tokio::test]
async fn a_repeated_append_answers_as_the_first_one_did() {
    let server = Server::start().await;
    let client = server.client();
    let id = uuid::Uuid::new_v4();
    for state in [StreamState::NoStream, StreamState::Any] {
        let stream = format!("{state:?}");
        let first =
            soon(client.append_to_stream(stream.as_str(), &expecting(state), event("x").id(id))).await;
        let again =
            soon(client.append_to_stream(stream.as_str(), &expecting(state), event("x").id(id))).await;
        let (first, again) = (first.unwrap(), again.unwrap());
        assert_eq!(first.next_expected_version, again.next_expected_version);
        assert_eq!(first.position, again.position);
    }
    server.end().await;
}

#[tokio::test]
async fn a_call_in_several_writes_does_not_wait_for_a_delayed_acknowledgement() {
    let server = Server::start().await;
    let client = server.client();
    let options = expecting(StreamState::StreamExists);
    let begun = Instant::now();
    for _ in 0..50 {
        // Refused, so that the disk's speed does not matter.
        soon(client.append_to_stream("s", &options, event("x"))).await.unwrap_err();
    }
    let mean = begun.elapsed() / 50;
    assert!(mean < Duration::from_millis(30), "{mean:?}");
    server.end().await;
}
