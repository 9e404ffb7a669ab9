//! Catch-up subscriptions: what comes, in which order, and how it ends.

use eventstore::{
    AppendToStreamOptions, Client, Position, StreamPosition, SubscribeToAllOptions, SubscribeToStreamOptions,
};

use super::support::*;

async fn append(client: &Client, stream: &str, data: &str) -> Position {
    let options = AppendToStreamOptions::default();
    soon(client.append_to_stream(stream, &options, event(data))).await.unwrap().position
}

#[tokio::test]
async fn a_stream_is_followed_from_anywhere() {
    let server = Server::start().await;
    let client = server.client();
    let follow = |from| {
        let client = client.clone();
        async move {
            let options = SubscribeToStreamOptions::default().start_from(from);
            client.subscribe_to_stream("s", &options).await
        }
    };
    let mut early = follow(StreamPosition::Start).await;
    assert_eq!(take(&mut early, 2).await, ["confirmed", "caught up at nothing"]);
    append(&client, "other", "x").await;
    for number in 0..3 {
        append(&client, "s", &number.to_string()).await;
    }
    assert_eq!(take(&mut early, 3).await, ["0", "1", "2"]);

    let mut start = follow(StreamPosition::Start).await;
    assert_eq!(take(&mut start, 5).await, ["confirmed", "0", "1", "2", "caught up at revision 2"]);
    let mut middle = follow(StreamPosition::Position(1)).await;
    assert_eq!(take(&mut middle, 3).await, ["confirmed", "2", "caught up at revision 2"]);
    let mut end = follow(StreamPosition::End).await;
    assert_eq!(take(&mut end, 2).await, ["confirmed", "caught up at revision 2"]);
    let mut future = follow(StreamPosition::Position(3)).await;
    assert_eq!(take(&mut future, 2).await, ["confirmed", "caught up at revision 3"]);

    append(&client, "s", "3").await;
    append(&client, "s", "4").await;
    for subscription in [&mut start, &mut middle, &mut end] {
        assert_eq!(take(subscription, 2).await, ["3", "4"]);
    }
    assert_eq!(take(&mut future, 1).await, ["4"]);
    server.end().await;
}

#[tokio::test]
async fn the_log_is_followed_from_anywhere() {
    let server = Server::start().await;
    let client = server.client();
    let follow = |from| {
        let client = client.clone();
        async move { client.subscribe_to_all(&SubscribeToAllOptions::default().position(from)).await }
    };
    let mut early = follow(StreamPosition::Start).await;
    assert_eq!(take(&mut early, 2).await, ["confirmed", "caught up at nothing"]);
    let first = append(&client, "a", "0").await;
    let second = append(&client, "b", "1").await.commit;
    assert_eq!(take(&mut early, 2).await, ["0", "1"]);
    let caught_up = format!("caught up at {second}");
    let mut start = follow(StreamPosition::Start).await;
    assert_eq!(take(&mut start, 4).await, ["confirmed", "0", "1", &caught_up]);
    let mut middle = follow(StreamPosition::Position(first)).await;
    assert_eq!(take(&mut middle, 3).await, ["confirmed", "1", &caught_up]);
    let mut end = follow(StreamPosition::End).await;
    assert_eq!(take(&mut end, 2).await, ["confirmed", &caught_up]);
    append(&client, "c", "2").await;
    for subscription in [&mut early, &mut start, &mut middle, &mut end] {
        assert_eq!(take(subscription, 1).await, ["2"]);
    }
    server.end().await;
}

#[tokio::test]
async fn a_stop_ends_subscriptions_with_an_error() {
    let server = Server::start().await;
    let client = server.client();
    let mut all = client.subscribe_to_all(&SubscribeToAllOptions::default()).await;
    let mut stream = client.subscribe_to_stream("s", &SubscribeToStreamOptions::default()).await;
    take(&mut all, 2).await;
    take(&mut stream, 2).await;
    server.stop.cancel();
    for subscription in [&mut all, &mut stream] {
        let end = next(subscription).await;
        assert!(matches!(end, Err(eventstore::Error::ServerError(_))), "{end:?}");
    }
    server.end().await;
}
