//! Filters of `$all`: which events pass, and where checkpoints are.

use eventstore::{
    AppendToStreamOptions, Client, EventData, Position, ReadAllOptions, StreamPosition,
    SubscribeToAllOptions, SubscriptionFilter,
};
use tonic::Code;

use super::raw::*;
use super::support::*;
use crate::grpc::wire::*;

const PYTHON_DEFAULT: &str = r"^(?!(\$.+$|PersistentConfig\d+$|Result$))";

async fn append(client: &Client, stream: &str, kind: &str, data: &str) -> Position {
    let event = EventData::binary(kind, bytes::Bytes::copy_from_slice(data.as_bytes()));
    let event = event.id(uuid::Uuid::new_v4());
    let options = AppendToStreamOptions::default();
    soon(client.append_to_stream(stream, &options, event)).await.unwrap().position
}

#[tokio::test]
async fn filters_by_prefix_and_regex_on_stream_and_type() {
    let server = Server::start().await;
    let client = server.client();
    for (stream, kind) in [
        ("cat-1", "born"),
        ("cat-2", "$system"),
        ("dog-1", "born"),
        ("$own", "noted"),
        ("dog-2", "Result"),
        ("dog-2", "Results"),
        ("cat-1", "PersistentConfig7"),
        ("cat-1", "PersistentConfig"),
    ] {
        append(&client, stream, kind, &format!("{stream}/{kind}")).await;
    }
    let stream = SubscriptionFilter::on_stream_name;
    let kind = SubscriptionFilter::on_event_type;
    for (filter, expected) in [
        (stream().add_prefix("dog-"), &["dog-1/born", "dog-2/Result", "dog-2/Results"][..]),
        (stream().add_prefix("dog-2").add_prefix("$"), &["$own/noted", "dog-2/Result", "dog-2/Results"]),
        (kind().add_prefix("bo"), &["cat-1/born", "dog-1/born"]),
        (stream().regex(r"^(?!d)\w+-2|^dog-1$"), &["cat-2/$system", "dog-1/born"]),
        (stream().regex("t-2|^dog-1$"), &["cat-2/$system", "dog-1/born"]),
        (
            kind().exclude_system_events().max(7).add_prefix("ignored"),
            &[
                "cat-1/born",
                "dog-1/born",
                "$own/noted",
                "dog-2/Result",
                "dog-2/Results",
                "cat-1/PersistentConfig7",
                "cat-1/PersistentConfig",
            ],
        ),
        (
            kind().regex(PYTHON_DEFAULT),
            &["cat-1/born", "dog-1/born", "$own/noted", "dog-2/Results", "cat-1/PersistentConfig"],
        ),
    ] {
        let read = ReadAllOptions::default().filter(filter.clone()).max_count(usize::MAX);
        let read = drain(soon(client.read_all(&read)).await.unwrap()).await.unwrap();
        assert_eq!(read.iter().map(data).collect::<Vec<_>>(), expected);

        let back =
            ReadAllOptions::default().filter(filter.clone()).position(StreamPosition::End).max_count(2);
        let back = drain(soon(client.read_all(&back)).await.unwrap()).await.unwrap();
        assert!(back.iter().map(data).eq(expected.iter().rev().take(2).map(|data| (*data).to_owned())));

        let mut following = client.subscribe_to_all(&SubscribeToAllOptions::default().filter(filter)).await;
        let mut seen = Vec::new();
        loop {
            match next(&mut following).await.unwrap() {
                word if word.starts_with("caught up") => break,
                word if word == "confirmed" || word.starts_with("checkpoint") => {}
                data => seen.push(data),
            }
        }
        assert_eq!(seen, expected);
    }
    server.end().await;
}

#[tokio::test]
async fn a_filtered_subscription_gets_checkpoints_in_place_of_what_it_does_not_want() {
    let server = Server::start().await;
    let client = server.client();
    let mut positions = Vec::new();
    for number in 0..10 {
        let stream = if number % 5 == 4 { "wanted" } else { "other" };
        positions.push(append(&client, stream, "happened", &number.to_string()).await);
    }
    let filter = SubscriptionFilter::on_stream_name().add_prefix("wanted").max(4);
    let from = |position| SubscribeToAllOptions::default().position(position).filter(filter.clone());
    let checkpoint = |index: usize| format!("checkpoint {}", positions[index].commit);
    let mut start = client.subscribe_to_all(&from(StreamPosition::Start)).await;
    let expected = [
        "confirmed".to_owned(),
        checkpoint(3),
        "4".to_owned(),
        checkpoint(7),
        "9".to_owned(),
        checkpoint(9),
        format!("caught up at {}", positions[9].commit),
    ];
    assert_eq!(take(&mut start, 7).await, expected);
    // What begins at the end has nothing to catch up with.
    let mut end = client.subscribe_to_all(&from(StreamPosition::End)).await;
    assert_eq!(take(&mut end, 2).await, ["confirmed".to_owned(), expected[6].clone()]);

    let mut live = Vec::new();
    for number in 10..18 {
        let stream = if number == 13 { "wanted" } else { "other" };
        live.push(append(&client, stream, "happened", &number.to_string()).await);
    }
    let expected =
        ["13".to_owned(), format!("checkpoint {}", live[3].commit), format!("checkpoint {}", live[7].commit)];
    assert_eq!(take(&mut start, 3).await, expected);
    assert_eq!(take(&mut end, 3).await, expected);
    server.end().await;
}

#[tokio::test]
async fn filters_that_cannot_be_used_are_refused() {
    let server = Server::start().await;
    let client = server.client();
    append(&client, &"a".repeat(40), "happened", "").await;
    let mut raw = Raw::new(&server).await;
    let read = |regex: &str, prefix: &[&str], window| ReadOptions {
        source: Some(ReadSource::All(AllOptions { from: Some(AllOption::Start(Empty {})) })),
        filter: Some(FilterOption::Filter(FilterOptions {
            filter: Some(FilterOn::StreamIdentifier(FilterExpression {
                regex: regex.to_owned(),
                prefix: prefix.iter().map(|prefix| (*prefix).to_owned()).collect(),
            })),
            window,
            checkpoint_interval_multiplier: 1,
        })),
        ..read_options("")
    };
    let window = Some(FilterWindow::Max(1));
    for options in [
        read("(", &[], window),
        read("", &[], window),
        read("x", &[], None),
        read("x", &[], Some(FilterWindow::Max(0))),
        read(&"x".repeat(10_000), &[], window),
        read("(((((a{100}){100}){100}){100}){100})", &[], window),
        read("", &["x"; 2000], window),
        read("", &[&"x".repeat(20_000)], window),
        read(r"^(?:()(?=.)){1000000000000}", &[], window),
        // Would take longer than the universe is old.
        read(r"^((a+)+)(?!b)\2c$", &[], window),
    ] {
        assert_eq!(soon(raw.read(options)).await.unwrap_err().code(), Code::InvalidArgument);
    }
    server.end().await;
}

#[tokio::test]
async fn the_state_of_groups_that_follow_the_log_is_not_in_the_log() {
    let server = Server::start().await;
    let client = server.client();
    let mut follower = client.subscribe_to_all(&SubscribeToAllOptions::default()).await;
    take(&mut follower, 2).await;
    for (number, stream) in [
        "$persistentsubscription-$all::group-checkpoint",
        "$persistentsubscription-$all::group-parked",
        "$persistentsubscription-s::group-parked",
    ]
    .into_iter()
    .enumerate()
    {
        append(&client, stream, "happened", &number.to_string()).await;
    }
    assert_eq!(take(&mut follower, 1).await, ["2"]);
    let read = drain(soon(client.read_all(&ReadAllOptions::default())).await.unwrap()).await.unwrap();
    assert_eq!(read.iter().map(data).collect::<Vec<_>>(), ["2"]);
    server.end().await;
}
