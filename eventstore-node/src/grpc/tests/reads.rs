//! Read: streams and the log, both ways, in pages and without.

use eventstore::{AppendToStreamOptions, Error, Position, ReadAllOptions, ReadStreamOptions, StreamPosition};

use super::support::*;
use crate::grpc::limits::PAGE_EVENTS;

/// Events of three pages.
const MANY: usize = 2 * PAGE_EVENTS + 10;

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn reversed(range: std::ops::Range<usize>) -> Vec<String> {
    range.rev().map(|number| number.to_string()).collect()
}

#[tokio::test]
async fn reads_a_stream_both_ways() {
    let server = Server::start().await;
    let client = server.client();
    let written =
        soon(client.append_to_stream("s", &AppendToStreamOptions::default(), events(MANY))).await.unwrap();
    let from = |position| ReadStreamOptions::default().position(position).max_count(usize::MAX);
    let read = |options: ReadStreamOptions| {
        let client = client.clone();
        async move { drain(soon(client.read_stream("s", &options)).await.unwrap()).await.unwrap() }
    };
    let all = read(from(StreamPosition::Start)).await;
    assert!(all.iter().map(data).eq(numbers(0..MANY)));
    let last = all.last().unwrap();
    assert_eq!((last.revision, last.position), (MANY as u64 - 1, written.position));
    assert_eq!((last.event_type.as_str(), last.is_json), ("happened", false));
    assert_eq!(last.stream_id(), "s");
    assert!(last.metadata["created"].parse::<u64>().unwrap() > 10_000_000_000_000_000);

    for (options, expected) in [
        (from(StreamPosition::End).backwards(), reversed(0..MANY)),
        (from(StreamPosition::Position(5)).backwards(), reversed(0..6)),
        (from(StreamPosition::Position(1_000_000)).backwards().max_count(2), reversed(MANY - 2..MANY)),
        (from(StreamPosition::Position(5)).max_count(3), numbers(5..8)),
        (from(StreamPosition::Position(MANY as u64)), vec![]),
        (from(StreamPosition::Start).backwards(), reversed(0..1)),
    ] {
        assert!(read(options).await.iter().map(data).eq(expected));
    }
    server.end().await;
}

#[tokio::test]
async fn reads_the_log_both_ways() {
    let server = Server::start().await;
    let client = server.client();
    let mut positions = Vec::new();
    for number in 0..30 {
        let (stream, options) = (format!("s-{}", number % 3), AppendToStreamOptions::default());
        let written =
            soon(client.append_to_stream(stream.as_str(), &options, event(&number.to_string()))).await;
        positions.push(written.unwrap().position);
    }
    let from = |position| ReadAllOptions::default().position(position).max_count(usize::MAX);
    let at = |index: usize| StreamPosition::Position(positions[index]);
    let beyond = StreamPosition::Position(Position { commit: 1 << 40, prepare: 1 << 40 });
    for (options, expected) in [
        (from(StreamPosition::Start), numbers(0..30)),
        (from(StreamPosition::End).backwards(), reversed(0..30)),
        (from(at(7)), numbers(7..30)),
        (from(at(7)).max_count(4), numbers(7..11)),
        (from(at(7)).backwards(), reversed(0..7)),
        (from(StreamPosition::Start).backwards(), vec![]),
        (from(beyond), vec![]),
        (from(beyond).backwards().max_count(1), reversed(29..30)),
    ] {
        let events = drain(soon(client.read_all(&options)).await.unwrap()).await.unwrap();
        assert_eq!(events.iter().map(data).collect::<Vec<_>>(), expected);
    }
    server.end().await;
}

#[tokio::test]
async fn a_stream_that_never_was_is_not_found() {
    let server = Server::start().await;
    let client = server.client();
    for options in [ReadStreamOptions::default(), ReadStreamOptions::default().backwards()] {
        let read = drain(soon(client.read_stream("nothing", &options)).await.unwrap()).await;
        assert!(matches!(read, Err(Error::ResourceNotFound)), "{read:?}");
    }
    server.end().await;
}
