//! Many appends over one call.

use eventstore::{Error, ReadStreamOptions, StreamState};
use futures::future::join_all;

use super::{append, event, every_server, unique};

#[tokio::test]
async fn a_batch_takes_many_appends_at_once() {
    const STREAMS: usize = 20;
    every_server(async |client| {
        let batch = client.batch_append(&Default::default()).await.unwrap();
        let streams: Vec<_> = (0..STREAMS).map(|_| unique("batched")).collect();
        let answers = join_all(streams.iter().map(async |stream| {
            let events = vec![event("first"), event("second")];
            batch.append_to_stream(stream, StreamState::NoStream, events).await.unwrap()
        }))
        .await;
        for (stream, answer) in streams.iter().zip(answers) {
            assert_eq!((answer.stream_name(), answer.current_revision()), (&**stream, Some(1)));
            let mut read = client.read_stream(&**stream, &ReadStreamOptions::default()).await.unwrap();
            let first = read.next().await.unwrap().unwrap().event.unwrap();
            let second = read.next().await.unwrap().unwrap().event.unwrap();
            assert_eq!((&*first.event_type, &*second.event_type), ("first", "second"));
            assert_eq!(answer.current_position(), Some(second.position));
            assert!(read.next().await.unwrap().is_none());
        }
    })
    .await;
}

#[tokio::test]
async fn a_batch_says_which_append_met_another_revision() {
    every_server(async |client| {
        let stream = unique("batched");
        append(&client, &stream, "happened").await;
        let batch = client.batch_append(&Default::default()).await.unwrap();
        let answer = batch.append_to_stream(&stream, StreamState::NoStream, vec![event("late")]).await;
        let Err(Error::Grpc { message, .. }) = answer else { panic!("{answer:?}") };
        assert_eq!(message, "WrongExpectedVersion");
    })
    .await;
}

#[tokio::test]
async fn a_batch_knows_a_repeat() {
    every_server(async |client| {
        let stream = unique("batched");
        let batch = client.batch_append(&Default::default()).await.unwrap();
        let events = vec![event("first"), event("second")];
        let first = batch.append_to_stream(&stream, StreamState::Any, events.clone()).await.unwrap();
        let again = batch.append_to_stream(&stream, StreamState::Any, events).await.unwrap();
        assert_eq!((first.current_revision(), first.current_position()), (Some(1), again.current_position()));
        assert_eq!(again.current_revision(), Some(1));
    })
    .await;
}
