//! Following a stream or the log: everything after a place, each event once, in order, old ones and new ones.

use eventstore_node::ExpectedRevision::{Any, NoStream};
use futures::future::join;

use super::door::Door;
use super::following::After;
use super::{events, every_door, ids, proposed_ids, revisions, unique};

/// A stream with the revisions 0 to 9.
async fn ten(door: &Door) -> String {
    let stream = unique("followed");
    door.append(&stream, NoStream, events(10)).await.unwrap();
    stream
}

#[tokio::test]
async fn a_stream_is_followed_from_its_start() {
    every_door(async |door| {
        let stream = ten(&door).await;
        let mut following = door.subscribe_stream(&stream, After::Nothing).await.unwrap();
        let mut seen = following.take(10, |_| true).await;
        door.append(&stream, Any, events(2)).await.unwrap();
        seen.extend(following.take(2, |_| true).await);
        assert_eq!(seen, door.stream(&stream).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_stream_is_followed_after_a_revision() {
    every_door(async |door| {
        let stream = ten(&door).await;
        let mut following = door.subscribe_stream(&stream, After::Place(6)).await.unwrap();
        door.append(&stream, Any, events(2)).await.unwrap();
        assert_eq!(revisions(&following.take(5, |_| true).await), [7, 8, 9, 10, 11]);
    })
    .await;
}

#[tokio::test]
async fn a_stream_is_followed_after_a_revision_that_is_still_to_come() {
    every_door(async |door| {
        let stream = ten(&door).await;
        let mut following = door.subscribe_stream(&stream, After::Place(11)).await.unwrap();
        door.append(&stream, Any, events(4)).await.unwrap();
        assert_eq!(revisions(&following.take(2, |_| true).await), [12, 13]);
    })
    .await;
}

#[tokio::test]
async fn a_stream_is_followed_from_now_on() {
    every_door(async |door| {
        let stream = ten(&door).await;
        let mut following = door.subscribe_stream(&stream, After::Everything).await.unwrap();
        door.append(&stream, Any, events(2)).await.unwrap();
        assert_eq!(revisions(&following.take(2, |_| true).await), [10, 11]);
    })
    .await;
}

#[tokio::test]
async fn a_stream_may_be_followed_before_it_exists() {
    every_door(async |door| {
        let stream = unique("expected");
        let mut following = door.subscribe_stream(&stream, After::Nothing).await.unwrap();
        door.append(&stream, NoStream, events(2)).await.unwrap();
        assert_eq!(revisions(&following.take(2, |_| true).await), [0, 1]);
    })
    .await;
}

#[tokio::test]
async fn the_log_is_followed_after_a_position() {
    every_door(async |door| {
        let stream = ten(&door).await;
        let read = door.stream(&stream).await.unwrap();
        let mut following = door.subscribe_all(After::Place(read[3].position)).await;
        door.append(&stream, Any, events(1)).await.unwrap();
        let seen = following.take(7, |event| *event.stream == *stream).await;
        assert_eq!(revisions(&seen), [4, 5, 6, 7, 8, 9, 10]);
    })
    .await;
}

#[tokio::test]
async fn the_log_is_followed_from_its_start() {
    every_door(async |door| {
        let stream = ten(&door).await;
        let mut following = door.subscribe_all(After::Nothing).await;
        let first = following.next().await.unwrap();
        assert_eq!(
            first,
            door.read_all(eventstore_node::AllFrom::Start, eventstore_node::Direction::Forward, 1).await[0]
        );
        let seen = following.take(10, |event| *event.stream == *stream).await;
        assert_eq!(seen, door.stream(&stream).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn the_log_is_followed_from_now_on() {
    every_door(async |door| {
        let stream = ten(&door).await;
        let mut following = door.subscribe_all(After::Everything).await;
        door.append(&stream, Any, events(2)).await.unwrap();
        assert_eq!(revisions(&following.take(2, |event| *event.stream == *stream).await), [10, 11]);
    })
    .await;
}

/// Appends of 1 to 7 events, one after the other.
async fn write(door: &Door, stream: &str, appends: usize) -> usize {
    let mut written = 0;
    for number in 0..appends {
        let count = 1 + number % 7;
        door.append(stream, Any, events(count)).await.unwrap();
        written += count;
    }
    written
}

#[tokio::test]
async fn a_stream_is_followed_without_a_gap_while_it_grows() {
    const BEFORE: usize = 30;
    const MEANWHILE: usize = 30;
    every_door(async |door| {
        let stream = unique("growing");
        let before = write(&door, &stream, BEFORE).await;
        let mut following = door.subscribe_stream(&stream, After::Nothing).await.unwrap();
        let all = before + write_size(MEANWHILE);
        let (_, seen) = join(write(&door, &stream, MEANWHILE), following.take(all, |_| true)).await;
        assert_eq!(revisions(&seen), (0..all as u64).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn the_log_is_followed_without_a_gap_while_it_grows() {
    const APPENDS: usize = 20;
    every_door(async |door| {
        let streams = [unique("growing"), unique("growing"), unique("growing")];
        for stream in &streams {
            write(&door, stream, APPENDS).await;
        }
        let start = door.stream(&streams[0]).await.unwrap()[0].position - 1;
        let mut following = door.subscribe_all(After::Place(start)).await;
        let writers = futures::future::join_all(streams.iter().map(|stream| write(&door, stream, APPENDS)));
        let all = 2 * streams.len() * write_size(APPENDS);
        let ours =
            |event: &eventstore_node::RecordedEvent| streams.iter().any(|stream| **stream == *event.stream);
        let (_, seen) = join(writers, following.take(all, ours)).await;
        assert!(seen.windows(2).all(|pair| pair[0].position < pair[1].position), "in the order of the log");
        for stream in &streams {
            let of_stream: Vec<_> = seen.iter().filter(|event| *event.stream == **stream).cloned().collect();
            assert_eq!(of_stream, door.stream(stream).await.unwrap());
        }
    })
    .await;
}

/// Events that [`write`] writes.
fn write_size(appends: usize) -> usize {
    (0..appends).map(|number| 1 + number % 7).sum()
}

#[tokio::test]
async fn followers_do_not_disturb_each_other() {
    every_door(async |door| {
        let stream = unique("shared");
        let mut early = door.subscribe_stream(&stream, After::Nothing).await.unwrap();
        let proposed = events(50);
        door.append(&stream, NoStream, proposed.clone()).await.unwrap();
        let mut late = door.subscribe_stream(&stream, After::Nothing).await.unwrap();
        let (early, late) = join(early.take(50, |_| true), late.take(50, |_| true)).await;
        assert_eq!(ids(&early), proposed_ids(&proposed));
        assert_eq!(early, late);
    })
    .await;
}
