//! Persistent subscriptions: groups of consumers whose place the server keeps.

use std::time::Duration;

use eventstore::{
    Client, Error, NakAction, PersistentSubscription, PersistentSubscriptionEvent,
    PersistentSubscriptionOptions, PersistentSubscriptionToAllOptions, Position, ReplayParkedMessagesOptions,
    StreamPosition, SubscriptionFilter,
};

use super::{append, append_many, every_server, unique};
use crate::harness::until;

const GROUP: &str = "group";

/// Statistics follow what happened, but not at once.
const STATISTICS_TIME_MAX: Duration = Duration::from_secs(30);

/// A stream with this many events and a group that begins with the first.
async fn group(client: &Client, events: usize, options: PersistentSubscriptionOptions) -> String {
    let stream = unique("consumed");
    if events > 0 {
        append_many(client, &stream, events).await;
    }
    let options = options.start_from(StreamPosition::Start);
    client.create_persistent_subscription(&*stream, GROUP, &options).await.unwrap();
    stream
}

async fn consume(client: &Client, stream: &str) -> PersistentSubscription {
    client.subscribe_to_persistent_subscription(stream, GROUP, &Default::default()).await.unwrap()
}

/// Revision and number of retries of the next event, and the event.
async fn next(consumer: &mut PersistentSubscription) -> (u64, usize, eventstore::ResolvedEvent) {
    loop {
        match consumer.next_subscription_event().await.unwrap() {
            PersistentSubscriptionEvent::Confirmed(_) => {}
            PersistentSubscriptionEvent::EventAppeared { retry_count, event } => {
                return (event.get_original_event().revision, retry_count, event);
            }
        }
    }
}

async fn parked(client: &Client, stream: &str) -> usize {
    client
        .get_persistent_subscription_info(stream, GROUP, &Default::default())
        .await
        .unwrap()
        .stats
        .parked_message_count
}

#[tokio::test]
async fn a_group_is_created_once() {
    every_server(async |client| {
        let stream = group(&client, 0, Default::default()).await;
        let again = client.create_persistent_subscription(&*stream, GROUP, &Default::default()).await;
        assert!(matches!(again, Err(Error::ResourceAlreadyExists)), "{again:?}");
    })
    .await;
}

#[tokio::test]
async fn a_consumer_gets_old_and_new_events() {
    every_server(async |client| {
        let stream = group(&client, 3, Default::default()).await;
        let mut consumer = consume(&client, &stream).await;
        append(&client, &stream, "happened").await;
        for revision in 0..4 {
            let (found, retries, event) = next(&mut consumer).await;
            assert_eq!((found, retries), (revision, 0));
            consumer.ack(&event).await.unwrap();
        }
        append(&client, &stream, "happened").await;
        assert_eq!(next(&mut consumer).await.0, 4);
    })
    .await;
}

#[tokio::test]
async fn consumers_share_the_events() {
    const EVENTS: usize = 40;
    every_server(async |client| {
        let stream = group(&client, 0, Default::default()).await;
        let (mut one, mut two) = (consume(&client, &stream).await, consume(&client, &stream).await);
        append_many(&client, &stream, EVENTS).await;
        let mut seen = Vec::new();
        while seen.len() < EVENTS {
            tokio::select! {
                (revision, _, event) = next(&mut one) => {
                    one.ack(&event).await.unwrap();
                    seen.push(revision);
                }
                (revision, _, event) = next(&mut two) => {
                    two.ack(&event).await.unwrap();
                    seen.push(revision);
                }
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..EVENTS as u64).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn an_event_to_be_retried_comes_again() {
    every_server(async |client| {
        let stream = group(&client, 1, Default::default()).await;
        let mut consumer = consume(&client, &stream).await;
        let (_, _, event) = next(&mut consumer).await;
        consumer.nack(&event, NakAction::Retry, "busy").await.unwrap();
        let (revision, retries, event) = next(&mut consumer).await;
        assert_eq!((revision, retries), (0, 1));
        consumer.ack(&event).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_event_that_is_not_answered_comes_again() {
    every_server(async |client| {
        let options = PersistentSubscriptionOptions::default().message_timeout(Duration::from_secs(1));
        let stream = group(&client, 1, options).await;
        let mut consumer = consume(&client, &stream).await;
        assert_eq!(next(&mut consumer).await.1, 0);
        let (revision, retries, _) = next(&mut consumer).await;
        assert_eq!(revision, 0);
        assert!(retries > 0);
    })
    .await;
}

#[tokio::test]
async fn a_skipped_event_is_gone() {
    every_server(async |client| {
        let stream = group(&client, 2, Default::default()).await;
        let mut consumer = consume(&client, &stream).await;
        let (_, _, event) = next(&mut consumer).await;
        consumer.nack(&event, NakAction::Skip, "unwanted").await.unwrap();
        let (revision, retries, _) = next(&mut consumer).await;
        assert_eq!((revision, retries), (1, 0));
        assert_eq!(parked(&client, &stream).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_parked_event_waits_to_be_replayed() {
    every_server(async |client| {
        let stream = group(&client, 2, Default::default()).await;
        let mut consumer = consume(&client, &stream).await;
        let (_, _, event) = next(&mut consumer).await;
        consumer.nack(&event, NakAction::Park, "later").await.unwrap();
        let (revision, _, event) = next(&mut consumer).await;
        assert_eq!(revision, 1);
        consumer.ack(&event).await.unwrap();
        until("it is parked", STATISTICS_TIME_MAX, async || {
            (parked(&client, &stream).await == 1).then_some(())
        })
        .await;
        let list = format!("$persistentsubscription-{stream}::{GROUP}-parked");
        let mut read = client.read_stream(&*list, &Default::default()).await.unwrap();
        assert_eq!(read.next().await.unwrap().unwrap().event.unwrap().event_type, "$>");

        let all = ReplayParkedMessagesOptions::default();
        client.replay_parked_messages(&stream, GROUP, &all).await.unwrap();
        let (_, _, event) = next(&mut consumer).await;
        let replayed = event.event.as_ref().unwrap();
        assert_eq!((replayed.stream_id(), replayed.revision), (&*stream, 0));
        consumer.ack(&event).await.unwrap();
        until("nothing is parked", STATISTICS_TIME_MAX, async || {
            (parked(&client, &stream).await == 0).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn an_event_retried_too_often_is_parked() {
    every_server(async |client| {
        let options = PersistentSubscriptionOptions::default().max_retry_count(1);
        let stream = group(&client, 1, options).await;
        let mut consumer = consume(&client, &stream).await;
        for retry in 0..2 {
            let (_, retries, event) = next(&mut consumer).await;
            assert_eq!(retries, retry);
            consumer.nack(&event, NakAction::Retry, "busy").await.unwrap();
        }
        until("it is parked", STATISTICS_TIME_MAX, async || {
            (parked(&client, &stream).await == 1).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_group_goes_on_where_its_consumers_left() {
    every_server(async |client| {
        let options = PersistentSubscriptionOptions::default()
            .checkpoint_lower_bound(1)
            .checkpoint_upper_bound(1)
            .checkpoint_after(Duration::from_millis(100));
        let stream = group(&client, 4, options).await;
        let mut consumer = consume(&client, &stream).await;
        for _ in 0..2 {
            let (_, _, event) = next(&mut consumer).await;
            consumer.ack(&event).await.unwrap();
        }
        until("its place is kept", STATISTICS_TIME_MAX, async || {
            let info =
                client.get_persistent_subscription_info(&stream, GROUP, &Default::default()).await.unwrap();
            (info.stats.last_checkpointed_event_revision == Some(1)).then_some(())
        })
        .await;
        drop(consumer);
        let mut consumer = consume(&client, &stream).await;
        assert_eq!(next(&mut consumer).await.0, 2);
    })
    .await;
}

#[tokio::test]
async fn a_group_follows_the_log_with_a_filter() {
    every_server(async |client| {
        let family = unique("family");
        append(&client, &unique("other"), "happened").await;
        append(&client, &format!("{family}-one"), "happened").await;
        let options = PersistentSubscriptionToAllOptions::default()
            .filter(SubscriptionFilter::on_stream_name().add_prefix(&family))
            .start_from(StreamPosition::Position(Position::start()));
        client.create_persistent_subscription_to_all(&*family, &options).await.unwrap();
        let mut consumer =
            client.subscribe_to_persistent_subscription_to_all(&*family, &Default::default()).await.unwrap();
        append(&client, &unique("other"), "happened").await;
        append(&client, &format!("{family}-two"), "happened").await;
        for stream in ["one", "two"] {
            let (_, _, event) = next(&mut consumer).await;
            assert_eq!(event.get_original_stream_id(), format!("{family}-{stream}"));
            consumer.ack(&event).await.unwrap();
        }
        drop(consumer);
        client.delete_persistent_subscription_to_all(&*family, &Default::default()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn groups_are_listed() {
    every_server(async |client| {
        let stream = group(&client, 1, Default::default()).await;
        let of_stream =
            client.list_persistent_subscriptions_for_stream(&stream, &Default::default()).await.unwrap();
        assert_eq!(of_stream.len(), 1);
        assert_eq!((&*of_stream[0].event_source, &*of_stream[0].group_name), (&*stream, GROUP));
        let all = client.list_all_persistent_subscriptions(&Default::default()).await.unwrap();
        assert_eq!(all.iter().filter(|info| info.event_source == stream).count(), 1);
        let none =
            client.list_persistent_subscriptions_for_stream(unique("never"), &Default::default()).await;
        assert!(matches!(none, Err(Error::ResourceNotFound)), "{none:?}");
    })
    .await;
}

#[tokio::test]
async fn a_group_is_told_by_its_settings() {
    every_server(async |client| {
        let options = PersistentSubscriptionOptions::default().max_retry_count(3).extra_statistics(true);
        let stream = group(&client, 0, options).await;
        let info =
            client.get_persistent_subscription_info(&stream, GROUP, &Default::default()).await.unwrap();
        let settings = info.settings.unwrap();
        assert_eq!((settings.max_retry_count, settings.extra_statistics), (3, true));
        assert!(matches!(settings.start_from, StreamPosition::Start | StreamPosition::Position(0)));
        let changed = PersistentSubscriptionOptions::default().max_retry_count(5);
        client.update_persistent_subscription(&*stream, GROUP, &changed).await.unwrap();
        let info =
            client.get_persistent_subscription_info(&stream, GROUP, &Default::default()).await.unwrap();
        assert_eq!(info.settings.unwrap().max_retry_count, 5);
    })
    .await;
}

#[tokio::test]
async fn a_deleted_group_sends_its_consumers_away() {
    every_server(async |client| {
        let stream = group(&client, 1, Default::default()).await;
        let mut consumer = consume(&client, &stream).await;
        next(&mut consumer).await;
        client.delete_persistent_subscription(&*stream, GROUP, &Default::default()).await.unwrap();
        consumer.next_subscription_event().await.unwrap_err();
        let again = client.delete_persistent_subscription(&*stream, GROUP, &Default::default()).await;
        assert!(matches!(again, Err(Error::ResourceNotFound)), "{again:?}");
        let info = client.get_persistent_subscription_info(&stream, GROUP, &Default::default()).await;
        assert!(matches!(info, Err(Error::ResourceNotFound)), "{info:?}");
    })
    .await;
}
