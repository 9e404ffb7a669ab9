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

/// Each link is a few bytes, what it points to many: no page may hold them all.
#[tokio::test]
async fn many_links_to_a_large_event_are_read_in_small_pages() {
    let server = Server::start().await;
    let client = server.client();
    let options = eventstore::AppendToStreamOptions::default();
    soon(client.append_to_stream("large", &options, event(&"x".repeat(100_000)))).await.unwrap();
    let link = || eventstore::EventData::binary("$>", "0@large".into()).id(uuid::Uuid::new_v4());
    let links: Vec<_> = (0..300).map(|_| link()).collect();
    soon(client.append_to_stream("links", &options, links)).await.unwrap();

    use eventstore::{ReadAllOptions, ReadStreamOptions, StreamPosition};
    for back in [false, true] {
        let options = ReadStreamOptions::default().resolve_link_tos().max_count(1000);
        let options = if back { options.backwards().position(StreamPosition::End) } else { options };
        let mut read = soon(client.read_stream("links", &options)).await.unwrap();
        let mut revisions = Vec::new();
        while let Some(event) = soon(read.next()).await.unwrap() {
            assert_eq!(event.event.as_ref().unwrap().data.len(), 100_000);
            revisions.push(event.link.unwrap().revision);
        }
        if back {
            revisions.reverse();
        }
        assert!(revisions.into_iter().eq(0..300));
        let options = ReadAllOptions::default().resolve_link_tos().max_count(1000);
        let options = if back { options.backwards().position(StreamPosition::End) } else { options };
        let mut read = soon(client.read_all(&options)).await.unwrap();
        let mut count = 0;
        while let Some(event) = soon(read.next()).await.unwrap() {
            count += usize::from(event.link.is_some());
        }
        assert_eq!(count, 300);
    }
    let options = eventstore::SubscribeToStreamOptions::default().resolve_link_tos();
    let options = options.start_from(StreamPosition::Start);
    let mut following = client.subscribe_to_stream("links", &options).await;
    for revision in 0..300 {
        let event = soon(following.next()).await.unwrap();
        assert_eq!(event.link.unwrap().revision, revision);
    }
    server.end().await;
}
