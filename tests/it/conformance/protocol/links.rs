//! Events that stand for another one: `$>` with `revision@stream`.

use bytes::Bytes;
use eventstore::{
    Client, EventData, ReadAllOptions, ReadStreamOptions, ResolvedEvent, StreamPosition,
    SubscribeToStreamOptions,
};
use eventstore_node::Uuid;

use super::{append, every_server, original, unique};

async fn link(client: &Client, stream: &str, target: &str) -> eventstore::WriteResult {
    let link = EventData::binary("$>", Bytes::copy_from_slice(target.as_bytes())).id(Uuid::new_v4());
    client.append_to_stream(stream, &Default::default(), link).await.unwrap()
}

async fn read(client: &Client, stream: &str, options: ReadStreamOptions) -> Vec<ResolvedEvent> {
    let mut read = client.read_stream(stream, &options).await.unwrap();
    let mut events = Vec::new();
    while let Some(event) = read.next().await.unwrap() {
        events.push(event);
    }
    events
}

#[tokio::test]
async fn a_link_is_followed_if_asked_for() {
    every_server(async |client| {
        let (target, list) = (unique("target"), unique("list"));
        append(&client, &target, "first").await;
        append(&client, &target, "second").await;
        link(&client, &list, &format!("1@{target}")).await;
        append(&client, &list, "own").await;

        let plain = read(&client, &list, ReadStreamOptions::default()).await;
        let link_itself = plain[0].event.as_ref().unwrap();
        assert_eq!((link_itself.event_type.as_str(), plain[0].link.is_none()), ("$>", true));

        let resolved = read(&client, &list, ReadStreamOptions::default().resolve_link_tos()).await;
        let event = resolved[0].event.as_ref().unwrap();
        assert_eq!((event.stream_id(), event.revision, event.event_type.as_str()), (&*target, 1, "second"));
        assert_eq!(original(&resolved[0]), (&*list, 0));
        assert_eq!(resolved[1].event.as_ref().unwrap().event_type, "own");
        assert!(resolved[1].link.is_none());
    })
    .await;
}

#[tokio::test]
async fn a_link_to_nothing_is_all_there_is() {
    every_server(async |client| {
        let (target, list) = (unique("target"), unique("list"));
        append(&client, &target, "only").await;
        for nowhere in [format!("7@{target}"), format!("0@{}", unique("never"))] {
            link(&client, &list, &nowhere).await;
        }
        let resolved = read(&client, &list, ReadStreamOptions::default().resolve_link_tos()).await;
        assert_eq!(resolved.len(), 2);
        for event in &resolved {
            assert!(event.event.is_none());
            assert_eq!(event.link.as_ref().unwrap().event_type, "$>");
        }
    })
    .await;
}

#[tokio::test]
async fn links_are_followed_in_the_log_and_by_subscriptions() {
    every_server(async |client| {
        let (target, list) = (unique("target"), unique("list"));
        append(&client, &target, "happened").await;
        let written = link(&client, &list, &format!("0@{target}")).await;

        let options = ReadAllOptions::default()
            .position(StreamPosition::Position(written.position))
            .resolve_link_tos()
            .max_count(1);
        let event = client.read_all(&options).await.unwrap().next().await.unwrap().unwrap();
        assert_eq!((original(&event), event.event.as_ref().unwrap().stream_id()), ((&*list, 0), &*target));

        let options =
            SubscribeToStreamOptions::default().start_from(StreamPosition::Start).resolve_link_tos();
        let mut subscription = client.subscribe_to_stream(&*list, &options).await;
        for revision in 0..2 {
            let event = subscription.next().await.unwrap();
            assert_eq!(
                (original(&event), event.event.as_ref().unwrap().stream_id()),
                ((&*list, revision), &*target)
            );
            link(&client, &list, &format!("0@{target}")).await;
        }
    })
    .await;
}
