//! Filters at the server, and the checkpoints that tell how far it looked.

use eventstore::{
    Client, Position, ReadAllOptions, StreamPosition, SubscribeToAllOptions, SubscriptionEvent,
    SubscriptionFilter,
};

use super::{append, append_many, caught_up, every_server, unique};

/// Six events of three streams: types `made`, `moved`, each.
async fn six(client: &Client) -> (String, Position) {
    let family = unique("family");
    let mut first = None;
    for stream in ["one", "two", "other"] {
        for event_type in ["made", "moved"] {
            let written =
                append(client, &format!("{family}-{stream}"), &format!("{event_type}-{family}")).await;
            first = first.or(Some(written.position));
        }
    }
    (family, first.unwrap())
}

/// Stream and type of what a filter lets through, from a position on.
async fn filtered(client: &Client, from: Position, filter: SubscriptionFilter) -> Vec<String> {
    let options = ReadAllOptions::default().position(StreamPosition::Position(from)).filter(filter);
    let mut read = client.read_all(&options).await.unwrap();
    let mut found = Vec::new();
    while let Some(event) = read.next().await.unwrap() {
        let event = event.event.unwrap();
        let stream = event.stream_id().rsplit('-').next().unwrap().to_owned();
        found.push(format!("{stream} {}", event.event_type.split('-').next().unwrap()));
    }
    found
}

#[tokio::test]
async fn the_log_is_filtered_by_the_names_of_streams() {
    every_server(async |client| {
        let (family, from) = six(&client).await;
        let on = SubscriptionFilter::on_stream_name;
        let prefix = on().add_prefix(format!("{family}-t"));
        assert_eq!(filtered(&client, from, prefix).await, ["two made", "two moved"]);
        let prefixes = on().add_prefix(format!("{family}-t")).add_prefix(format!("{family}-oth"));
        assert_eq!(
            filtered(&client, from, prefixes).await,
            ["two made", "two moved", "other made", "other moved"]
        );
        let regex = on().regex(format!("^{family}-(one|two)$"));
        assert_eq!(filtered(&client, from, regex).await, ["one made", "one moved", "two made", "two moved"]);
        let unanchored = on().regex(format!("{}-oth", &family[3..]));
        assert_eq!(filtered(&client, from, unanchored).await, ["other made", "other moved"]);
        assert_eq!(filtered(&client, from, on().add_prefix(unique("nobody"))).await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn the_log_is_filtered_by_the_types_of_events() {
    every_server(async |client| {
        let (family, from) = six(&client).await;
        let on = SubscriptionFilter::on_event_type;
        let prefix = on().add_prefix(format!("made-{family}"));
        assert_eq!(filtered(&client, from, prefix).await, ["one made", "two made", "other made"]);
        let regex = on().regex(format!("m.v.d-{family}"));
        assert_eq!(filtered(&client, from, regex).await, ["one moved", "two moved", "other moved"]);
    })
    .await;
}

#[tokio::test]
async fn a_filter_may_say_what_it_does_not_want() {
    every_server(async |client| {
        let (family, from) = six(&client).await;
        let lookahead = format!(r"^(?!(\$.+$|moved|[^m])).*{family}");
        let filter = SubscriptionFilter::on_event_type().regex(lookahead);
        assert_eq!(filtered(&client, from, filter).await, ["one made", "two made", "other made"]);
    })
    .await;
}

#[tokio::test]
async fn a_filtered_read_counts_what_it_returns() {
    every_server(async |client| {
        let (family, from) = six(&client).await;
        let filter = SubscriptionFilter::on_stream_name().add_prefix(format!("{family}-other"));
        let options =
            ReadAllOptions::default().position(StreamPosition::Position(from)).filter(filter).max_count(1);
        let mut read = client.read_all(&options).await.unwrap();
        assert_eq!(read.next().await.unwrap().unwrap().event.unwrap().stream_id(), format!("{family}-other"));
        assert!(read.next().await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn a_filtered_subscription_gives_old_and_new_events() {
    every_server(async |client| {
        let (family, from) = six(&client).await;
        let filter = SubscriptionFilter::on_stream_name().add_prefix(format!("{family}-two"));
        let options =
            SubscribeToAllOptions::default().position(StreamPosition::Position(from)).filter(filter);
        let (mut subscription, said) = caught_up(&client, &options).await;
        let old = said.iter().filter(|event| matches!(event, SubscriptionEvent::EventAppeared(_))).count();
        assert_eq!(old, 2);
        append(&client, &format!("{family}-one"), "made").await;
        append(&client, &format!("{family}-two"), "made").await;
        let new = subscription.next().await.unwrap();
        assert_eq!(new.event.unwrap().stream_id(), format!("{family}-two"));
    })
    .await;
}

#[tokio::test]
async fn a_filtered_subscription_says_how_far_it_looked() {
    every_server(async |client| {
        let family = unique("nobody");
        let other = unique("other");
        let first = append(&client, &other, "happened").await.position;
        append_many(&client, &other, 40).await;
        let filter = SubscriptionFilter::on_stream_name().add_prefix(&family).max(10);
        let options =
            SubscribeToAllOptions::default().position(StreamPosition::Position(first)).filter(filter);
        let (mut subscription, said) = caught_up(&client, &options).await;
        let checkpoints: Vec<_> = said
            .iter()
            .map(|event| match event {
                SubscriptionEvent::Checkpoint(position) => *position,
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(checkpoints.len() >= 4, "one for each ten events: {checkpoints:?}");
        assert!(checkpoints.windows(2).all(|pair| pair[0] < pair[1]), "{checkpoints:?}");
        let last = append_many(&client, &other, 40).await.position;
        let mut told = *checkpoints.last().unwrap();
        let mut live = 0;
        while live < 4 && told < last {
            match subscription.next_subscription_event().await.unwrap() {
                SubscriptionEvent::Checkpoint(position) => {
                    assert!(position > told, "{position} after {told}");
                    told = position;
                    live += 1;
                }
                SubscriptionEvent::CaughtUp(_) => {}
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_unfiltered_subscription_says_when_it_has_caught_up() {
    every_server(async |client| {
        let stream = unique("caught-up");
        let first = append(&client, &stream, "happened").await.position;
        let last = append(&client, &stream, "happened").await.position;
        let options = SubscribeToAllOptions::default().position(StreamPosition::Position(first));
        let (mut subscription, said) = caught_up(&client, &options).await;
        let seen = said.iter().any(|event| match event {
            SubscriptionEvent::EventAppeared(event) => event.get_original_event().position == last,
            other => panic!("{other:?}"),
        });
        assert!(seen, "caught up before what was there");
        let next = append(&client, &stream, "happened").await.position;
        while subscription.next().await.unwrap().get_original_event().position != next {}
    })
    .await;
}

#[tokio::test]
async fn a_filter_without_meaning_is_refused() {
    every_server(async |client| {
        for filter in
            [SubscriptionFilter::on_stream_name().regex("("), SubscriptionFilter::on_event_type().regex("[a")]
        {
            let read = match client.read_all(&ReadAllOptions::default().filter(filter).max_count(1)).await {
                Ok(mut read) => read.next().await.map(|_| ()),
                Err(error) => Err(error),
            };
            assert!(read.is_err());
        }
    })
    .await;
}
