//! Delete and Tombstone, as the official client sees them.

use eventstore::{
    AppendToStreamOptions, DeleteStreamOptions, Error, ReadStreamOptions, StreamPosition, StreamState,
    SubscribeToStreamOptions, TombstoneStreamOptions,
};

use super::support::*;

fn from_start() -> SubscribeToStreamOptions {
    SubscribeToStreamOptions::default().start_from(StreamPosition::Start)
}

#[tokio::test]
async fn a_deleted_stream_is_not_found_until_it_goes_on() {
    let server = Server::start().await;
    let client = server.client();
    let append = AppendToStreamOptions::default();
    soon(client.append_to_stream("s", &append, events(3))).await.unwrap();
    let mut follower = client.subscribe_to_stream("s", &from_start()).await;
    take(&mut follower, 5).await;

    let wrong = DeleteStreamOptions::default().stream_state(StreamState::StreamRevision(1));
    let refused = soon(client.delete_stream("s", &wrong)).await;
    assert!(matches!(refused, Err(Error::Grpc { .. })), "{refused:?}");
    let right = DeleteStreamOptions::default().stream_state(StreamState::StreamRevision(2));
    assert!(soon(client.delete_stream("s", &right)).await.unwrap().is_some());
    let read = drain(soon(client.read_stream("s", &ReadStreamOptions::default())).await.unwrap()).await;
    assert!(matches!(read, Err(Error::ResourceNotFound)), "{read:?}");

    let written = append.clone().stream_state(StreamState::NoStream);
    let written = soon(client.append_to_stream("s", &written, event("again"))).await.unwrap();
    assert_eq!(written.next_expected_version, 3);
    let read =
        drain(soon(client.read_stream("s", &ReadStreamOptions::default())).await.unwrap()).await.unwrap();
    assert_eq!(read.iter().map(data).collect::<Vec<_>>(), ["again"]);
    assert_eq!(take(&mut follower, 1).await, ["again"]);
    server.end().await;
}

#[tokio::test]
async fn a_tombstoned_stream_is_gone_and_its_followers_are_told() {
    let server = Server::start().await;
    let client = server.client();
    soon(client.append_to_stream("s", &AppendToStreamOptions::default(), events(2))).await.unwrap();
    let mut follower = client.subscribe_to_stream("s", &from_start()).await;
    assert_eq!(take(&mut follower, 4).await, ["confirmed", "0", "1", "caught up at revision 1"]);
    soon(client.tombstone_stream("s", &TombstoneStreamOptions::default())).await.unwrap();
    let last = soon(follower.next()).await.unwrap();
    let last = last.get_original_event();
    assert_eq!((last.event_type.as_str(), last.revision), ("$streamDeleted", i64::MAX as u64));
    let end = next(&mut follower).await;
    assert!(matches!(end, Err(Error::ResourceDeleted)), "{end:?}");

    let read = soon(client.read_stream("s", &ReadStreamOptions::default())).await;
    assert!(matches!(read, Err(Error::ResourceDeleted)));
    let append = soon(client.append_to_stream("s", &AppendToStreamOptions::default(), event("x"))).await;
    assert!(matches!(append, Err(Error::ResourceDeleted)), "{append:?}");
    let mut late = client.subscribe_to_stream("s", &from_start()).await;
    let end = next(&mut late).await;
    assert!(matches!(end, Err(Error::ResourceDeleted)), "{end:?}");
    server.end().await;
}
