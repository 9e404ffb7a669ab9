//! Reading streams and the log, both ways, from everywhere.

use std::time::{Duration, SystemTime};

use eventstore_node::ExpectedRevision::{Any, NoStream};
use eventstore_node::{AllFrom, Direction, RecordedEvent, StreamFrom};

use Direction::{Backward, Forward};

use super::door::{Door, Refused};
use super::{events, every_door, ids, proposed_ids, revisions, unique};

/// Another clock may tell this other a time.
const CLOCKS_DIFFER_MAX: Duration = Duration::from_secs(60);

/// A stream with the revisions 0 to 9.
async fn ten(door: &Door) -> String {
    let stream = unique("ten");
    door.append(&stream, NoStream, events(10)).await.unwrap();
    stream
}

#[tokio::test]
async fn a_stream_is_read_forward_from_any_revision() {
    every_door(async |door| {
        let stream = &ten(&door).await;
        let read =
            async |from, count| revisions(&door.read_stream(stream, from, Forward, count).await.unwrap());
        assert_eq!(read(StreamFrom::Start, usize::MAX).await, (0..10).collect::<Vec<_>>());
        assert_eq!(read(StreamFrom::Start, 3).await, [0, 1, 2]);
        assert_eq!(read(StreamFrom::Revision(0), 1).await, [0]);
        assert_eq!(read(StreamFrom::Revision(7), usize::MAX).await, [7, 8, 9]);
        assert_eq!(read(StreamFrom::Revision(7), 2).await, [7, 8]);
        assert_eq!(read(StreamFrom::Revision(9), 2).await, [9]);
        assert_eq!(read(StreamFrom::Revision(10), 2).await, [0; 0]);
        assert_eq!(read(StreamFrom::Revision(1_000_000), 2).await, [0; 0]);
        assert_eq!(read(StreamFrom::End, 2).await, [0; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_stream_is_read_backward_from_any_revision() {
    every_door(async |door| {
        let stream = &ten(&door).await;
        let read =
            async |from, count| revisions(&door.read_stream(stream, from, Backward, count).await.unwrap());
        assert_eq!(read(StreamFrom::End, usize::MAX).await, (0..10).rev().collect::<Vec<_>>());
        assert_eq!(read(StreamFrom::End, 1).await, [9]);
        assert_eq!(read(StreamFrom::Revision(4), 3).await, [4, 3, 2]);
        assert_eq!(read(StreamFrom::Revision(1), 3).await, [1, 0]);
        assert_eq!(read(StreamFrom::Revision(1_000_000), 2).await, [9, 8]);
        assert_eq!(read(StreamFrom::Start, 3).await, [0]);
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_never_was_is_not_found() {
    every_door(async |door| {
        let stream = unique("never");
        for (from, direction) in [(StreamFrom::Start, Forward), (StreamFrom::End, Backward)] {
            assert_eq!(door.read_stream(&stream, from, direction, 10).await, Err(Refused::NotFound));
        }
        let from = StreamFrom::Revision(5);
        assert_eq!(door.read_stream(&stream, from, Forward, 10).await, Err(Refused::NotFound));
    })
    .await;
}

#[tokio::test]
async fn a_long_stream_is_read_whole_both_ways() {
    const PARTS: usize = 8;
    const EVENTS: usize = 400;
    every_door(async |door| {
        let stream = unique("long");
        let mut proposed = Vec::new();
        for _ in 0..PARTS {
            let part = events(EVENTS);
            door.append(&stream, Any, part.clone()).await.unwrap();
            proposed.extend(part);
        }
        let forward = door.stream(&stream).await.unwrap();
        assert_eq!(ids(&forward), proposed_ids(&proposed));
        assert_eq!(revisions(&forward), (0..(PARTS * EVENTS) as u64).collect::<Vec<_>>());
        let mut backward = door.read_stream(&stream, StreamFrom::End, Backward, usize::MAX).await.unwrap();
        backward.reverse();
        assert_eq!(backward, forward);
    })
    .await;
}

/// Events of three streams, written in turns; the log holds them in this order.
async fn interleaved(door: &Door) -> (Vec<String>, Vec<(usize, u64)>) {
    let streams: Vec<_> = (0..3).map(|_| unique("turns")).collect();
    let mut order = Vec::new();
    for turn in 0..12 {
        let stream = turn * 7 % 5 % 3;
        let written = door.append(&streams[stream], Any, events(1 + turn % 2)).await.unwrap();
        order.push((stream, written.position));
    }
    (streams, order)
}

fn of(streams: &[String], log: Vec<RecordedEvent>) -> Vec<RecordedEvent> {
    log.into_iter().filter(|event| streams.iter().any(|stream| **stream == *event.stream)).collect()
}

#[tokio::test]
async fn positions_grow_and_are_the_same_everywhere() {
    every_door(async |door| {
        let (streams, order) = interleaved(&door).await;
        assert!(order.is_sorted_by_key(|(_, position)| *position));
        let first = door.stream(&streams[0]).await.unwrap()[0].position;
        let log = of(&streams, door.log(first, order.last().unwrap().1).await);
        assert!(log.windows(2).all(|pair| pair[0].position < pair[1].position));
        for (stream, position) in order {
            let event = log.iter().find(|event| event.position == position).expect("it is in the log");
            assert_eq!(*event.stream, *streams[stream]);
        }
    })
    .await;
}

#[tokio::test]
async fn the_log_holds_each_stream_in_its_order() {
    every_door(async |door| {
        let (streams, order) = interleaved(&door).await;
        let first = door.stream(&streams[0]).await.unwrap()[0].position;
        let log = of(&streams, door.log(first, order.last().unwrap().1).await);
        for stream in &streams {
            let in_log: Vec<_> = log.iter().filter(|event| *event.stream == **stream).cloned().collect();
            assert_eq!(in_log, door.stream(stream).await.unwrap());
        }
    })
    .await;
}

#[tokio::test]
async fn the_log_is_read_forward_from_a_position_on_and_backward_from_before_it() {
    every_door(async |door| {
        let stream = unique("places");
        for event in events(4) {
            door.append(&stream, Any, vec![event]).await.unwrap();
        }
        let read = door.stream(&stream).await.unwrap();
        let place = AllFrom::Position(read[2].position);
        assert_eq!(door.read_all(place, Forward, 1).await[0], read[2]);
        let before = door.read_all(place, Backward, 1).await;
        assert!(before[0].position < read[2].position && before[0].position >= read[1].position);
    })
    .await;
}

#[tokio::test]
async fn the_log_backward_is_the_log_forward() {
    every_door(async |door| {
        let (streams, order) = interleaved(&door).await;
        let (first, last) = (door.stream(&streams[0]).await.unwrap()[0].position, order.last().unwrap().1);
        let forward = door.log(first, last).await;
        let from = AllFrom::Position(last + 1);
        let mut backward = door.read_all(from, Backward, forward.len()).await;
        backward.reverse();
        assert_eq!(backward, forward);
    })
    .await;
}

#[tokio::test]
async fn the_log_has_a_beginning_and_an_end() {
    every_door(async |door| {
        door.append(&unique("ends"), NoStream, events(3)).await.unwrap();
        let first = door.read_all(AllFrom::Start, Forward, 2).await;
        assert_eq!(first.len(), 2);
        let again = door.read_all(AllFrom::Position(0), Forward, 2).await;
        assert_eq!(again, first);
        assert_eq!(door.read_all(AllFrom::Start, Backward, 2).await, []);
        assert_eq!(door.read_all(AllFrom::End, Forward, 2).await, []);
        assert_eq!(door.read_all(AllFrom::End, Backward, 2).await.len(), 2);
        let all = door.read_all(AllFrom::Position(first[1].position), Backward, 10).await;
        assert_eq!(all, first[..1]);
    })
    .await;
}

#[tokio::test]
async fn an_event_says_when_it_was_written() {
    every_door(async |door| {
        let (streams, order) = interleaved(&door).await;
        let first = door.stream(&streams[0]).await.unwrap()[0].position;
        let log = door.log(first, order.last().unwrap().1).await;
        assert!(log.is_sorted_by_key(|event| event.created), "time does not go back");
        let ticks = u64::try_from(log[0].created).unwrap();
        let created = SystemTime::UNIX_EPOCH + Duration::from_micros(ticks / 10);
        let now = SystemTime::now();
        let apart = now.duration_since(created).or_else(|_| created.duration_since(now)).unwrap();
        assert!(apart < CLOCKS_DIFFER_MAX, "{apart:?}");
    })
    .await;
}
