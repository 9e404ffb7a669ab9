//! What only EventStoreDB's protocol has, through its official client.

mod batches;
mod filters;
mod limits;
mod links;
mod persistent;
mod positions;
mod stream_metadata;

use eventstore::{
    Client, EventData, ResolvedEvent, SubscribeToAllOptions, Subscription, SubscriptionEvent, WriteResult,
};

use super::{every_server, unique};

/// An event with an id of its own.
fn event(event_type: &str) -> EventData {
    EventData::json(event_type, &serde_json::json!({ "of": event_type }))
        .unwrap()
        .id(eventstore_node::Uuid::new_v4())
}

async fn append(client: &Client, stream: &str, event_type: &str) -> WriteResult {
    client.append_to_stream(stream, &Default::default(), event(event_type)).await.unwrap()
}

/// In one append.
async fn append_many(client: &Client, stream: &str, count: usize) -> WriteResult {
    let events: Vec<_> = (0..count).map(|_| event("happened")).collect();
    client.append_to_stream(stream, &Default::default(), events).await.unwrap()
}

/// What was appended: the link, where the event came by one.
fn original(event: &ResolvedEvent) -> (&str, u64) {
    (event.get_original_stream_id(), event.get_original_event().revision)
}

/// A subscription and what it says up to the first `CaughtUp`, without the confirmation.
async fn caught_up(
    client: &Client,
    options: &SubscribeToAllOptions,
) -> (Subscription, Vec<SubscriptionEvent>) {
    let mut subscription = client.subscribe_to_all(options).await;
    let confirmation = subscription.next_subscription_event().await.unwrap();
    assert!(matches!(confirmation, SubscriptionEvent::Confirmed(_)), "{confirmation:?}");
    let mut said = Vec::new();
    loop {
        match subscription.next_subscription_event().await.unwrap() {
            SubscriptionEvent::CaughtUp(_) => return (subscription, said),
            other => said.push(other),
        }
    }
}
