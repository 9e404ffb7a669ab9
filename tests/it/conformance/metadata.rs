//! Metadata of a stream, and the events that it hides.

use std::time::Duration;

use eventstore_node::ExpectedRevision::{Any, Exact, NoStream};
use eventstore_node::{Direction, StreamFrom};

use super::door::Door;
use super::door::Refused::{NotFound, WrongRevision};
use super::following::After;
use super::{events, every_door, ids, proposed_ids, revisions, unique};
use crate::harness::until;

/// More than the second after which an event is too old.
const GROW_OLD_TIME_MAX: Duration = Duration::from_secs(30);

/// A stream with the revisions 0 to 9 and this metadata.
async fn ten_with(door: &Door, metadata: &str) -> String {
    let stream = unique("truncated");
    door.append(&stream, NoStream, events(10)).await.unwrap();
    door.set_metadata(&stream, NoStream, metadata).await.unwrap();
    stream
}

async fn readable(door: &Door, stream: &str) -> Vec<u64> {
    revisions(&door.stream(stream).await.unwrap())
}

#[tokio::test]
async fn of_metadata_the_last_one_counts_and_is_read() {
    every_door(async |door| {
        let stream = unique("described");
        let metadata = format!("$${stream}");
        assert_eq!(door.stream(&metadata).await, Err(NotFound));
        assert_eq!(
            door.set_metadata(&stream, NoStream, r#"{"$maxCount":3,"ours":1}"#).await.unwrap().revision,
            0
        );
        assert_eq!(door.set_metadata(&stream, NoStream, "{}").await, Err(WrongRevision(Some(0))));
        assert_eq!(door.set_metadata(&stream, Exact(0), r#"{"ours":[2]}"#).await.unwrap().revision, 1);
        let read = door.stream(&metadata).await.unwrap();
        assert_eq!(revisions(&read), [1], "metadata has no history");
        assert_eq!((&*read[0].event_type, &*read[0].data), ("$metadata", &b"{\"ours\":[2]}"[..]));
        assert_eq!(door.stream(&stream).await, Err(NotFound), "metadata makes no stream");
    })
    .await;
}

#[tokio::test]
async fn max_count_leaves_the_last_events() {
    every_door(async |door| {
        let stream = ten_with(&door, r#"{"$maxCount":3}"#).await;
        assert_eq!(readable(&door, &stream).await, [7, 8, 9]);
        door.append(&stream, Exact(9), events(2)).await.unwrap();
        assert_eq!(readable(&door, &stream).await, [9, 10, 11]);
        door.set_metadata(&stream, Any, r#"{"$maxCount":5}"#).await.unwrap();
        assert!(readable(&door, &stream).await.ends_with(&[9, 10, 11]));
    })
    .await;
}

#[tokio::test]
async fn truncate_before_hides_what_is_before() {
    every_door(async |door| {
        let stream = ten_with(&door, r#"{"$tb":6}"#).await;
        assert_eq!(readable(&door, &stream).await, [6, 7, 8, 9]);
        let backward = door.read_stream(&stream, StreamFrom::End, Direction::Backward, 100).await.unwrap();
        assert_eq!(revisions(&backward), [9, 8, 7, 6]);
        let from_below =
            door.read_stream(&stream, StreamFrom::Revision(2), Direction::Forward, 3).await.unwrap();
        assert_eq!(revisions(&from_below), [6, 7, 8]);
    })
    .await;
}

#[tokio::test]
async fn of_max_count_and_truncate_before_the_stricter_counts() {
    every_door(async |door| {
        let stream = ten_with(&door, r#"{"$maxCount":3,"$tb":2}"#).await;
        assert_eq!(readable(&door, &stream).await, [7, 8, 9]);
        let stream = ten_with(&door, r#"{"$maxCount":8,"$tb":9}"#).await;
        assert_eq!(readable(&door, &stream).await, [9]);
    })
    .await;
}

#[tokio::test]
async fn a_stream_of_which_everything_is_hidden_still_exists() {
    every_door(async |door| {
        let stream = ten_with(&door, r#"{"$tb":10}"#).await;
        assert_eq!(readable(&door, &stream).await, [0; 0]);
        assert_eq!(door.append(&stream, NoStream, events(1)).await, Err(WrongRevision(Some(9))));
        door.append(&stream, Exact(9), events(1)).await.unwrap();
        assert_eq!(readable(&door, &stream).await, [10]);
    })
    .await;
}

#[tokio::test]
async fn max_age_hides_what_is_older() {
    every_door(async |door| {
        let stream = ten_with(&door, r#"{"$maxAge":3600}"#).await;
        assert_eq!(readable(&door, &stream).await.len(), 10);
        door.set_metadata(&stream, Any, r#"{"$maxAge":1}"#).await.unwrap();
        until("the events are a second old", GROW_OLD_TIME_MAX, async || {
            readable(&door, &stream).await.is_empty().then_some(())
        })
        .await;
        let fresh = events(1);
        door.append(&stream, Exact(9), fresh.clone()).await.unwrap();
        door.set_metadata(&stream, Any, r#"{"$maxAge":3600,"$tb":10}"#).await.unwrap();
        assert_eq!(ids(&door.stream(&stream).await.unwrap()), proposed_ids(&fresh));
    })
    .await;
}

#[tokio::test]
async fn what_is_no_metadata_hides_nothing() {
    every_door(async |door| {
        for nonsense in [r#""$maxCount""#, r#"["$tb",3]"#, "7", "null"] {
            let stream = ten_with(&door, nonsense).await;
            assert_eq!(readable(&door, &stream).await.len(), 10, "{nonsense}");
        }
    })
    .await;
}

#[tokio::test]
async fn new_metadata_replaces_the_old() {
    every_door(async |door| {
        let stream = ten_with(&door, r#"{"$tb":6}"#).await;
        door.set_metadata(&stream, Exact(0), r#"{"ours":true}"#).await.unwrap();
        assert_eq!(readable(&door, &stream).await.len(), 10);
    })
    .await;
}

#[tokio::test]
async fn the_log_hides_nothing() {
    every_door(async |door| {
        let stream = unique("truncated");
        door.append(&stream, NoStream, events(10)).await.unwrap();
        let read = door.stream(&stream).await.unwrap();
        let written = door.set_metadata(&stream, NoStream, r#"{"$maxCount":1}"#).await.unwrap();
        let log = door.log(read[0].position, written.position).await;
        let kept: Vec<_> = log.into_iter().filter(|event| *event.stream == *stream).collect();
        assert_eq!(kept, read);
    })
    .await;
}

#[tokio::test]
async fn a_follower_begins_with_what_is_not_hidden() {
    every_door(async |door| {
        let stream = ten_with(&door, r#"{"$tb":6}"#).await;
        let mut following = door.subscribe_stream(&stream, After::Nothing).await.unwrap();
        assert_eq!(revisions(&following.take(4, |_| true).await), [6, 7, 8, 9]);
    })
    .await;
}

#[tokio::test]
async fn metadata_of_a_deleted_stream_brings_it_back_empty() {
    every_door(async |door| {
        let stream = unique("revived");
        door.append(&stream, NoStream, events(3)).await.unwrap();
        door.delete(&stream, Any).await.unwrap();
        door.set_metadata(&stream, Any, r#"{"ours":1}"#).await.unwrap();
        assert_eq!(readable(&door, &stream).await, [0; 0]);
        assert_eq!(door.append(&stream, Exact(2), events(1)).await.unwrap().revision, 3);
        assert_eq!(readable(&door, &stream).await, [3]);
    })
    .await;
}
