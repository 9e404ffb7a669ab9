//! Deleting a stream, until something is appended to it or for good.

use eventstore_node::ExpectedRevision::{Any, Exact, NoStream, StreamExists};
use eventstore_node::{Direction, StreamFrom};

use super::door::Door;
use super::door::Refused::{Deleted, NotFound, WrongRevision};
use super::following::After;
use super::{events, every_door, ids, proposed_ids, revisions, unique};

/// A stream with the revisions 0 to 2.
async fn three(door: &Door) -> String {
    let stream = unique("doomed");
    door.append(&stream, NoStream, events(3)).await.unwrap();
    stream
}

#[tokio::test]
async fn a_deleted_stream_is_not_found() {
    every_door(async |door| {
        let stream = three(&door).await;
        door.delete(&stream, Exact(2)).await.unwrap();
        assert_eq!(door.stream(&stream).await, Err(NotFound));
        let backward = door.read_stream(&stream, StreamFrom::End, Direction::Backward, 1).await;
        assert_eq!(backward, Err(NotFound));
    })
    .await;
}

#[tokio::test]
async fn a_stream_is_deleted_in_the_expected_state_only() {
    every_door(async |door| {
        let stream = three(&door).await;
        assert_eq!(door.delete(&stream, Exact(1)).await, Err(WrongRevision(Some(2))));
        assert_eq!(door.delete(&stream, Exact(3)).await, Err(WrongRevision(Some(2))));
        assert_eq!(door.delete(&stream, NoStream).await, Err(WrongRevision(Some(2))));
        assert_eq!(door.stream(&stream).await.unwrap().len(), 3);
        door.delete(&stream, StreamExists).await.unwrap();
        assert_eq!(door.stream(&stream).await, Err(NotFound));
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_never_was_cannot_be_deleted() {
    every_door(async |door| {
        for expected in [Any, NoStream, StreamExists, Exact(0)] {
            let answer = door.delete(&unique("never"), expected).await;
            assert_eq!(answer, Err(WrongRevision(None)), "{expected:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_deleted_stream_may_be_deleted_again() {
    every_door(async |door| {
        let stream = three(&door).await;
        door.delete(&stream, Any).await.unwrap();
        for expected in [Any, Exact(2), NoStream] {
            door.delete(&stream, expected).await.unwrap();
        }
        assert_eq!(door.delete(&stream, StreamExists).await, Err(Deleted));
    })
    .await;
}

#[tokio::test]
async fn a_deleted_stream_goes_on_where_it_ended() {
    every_door(async |door| {
        for expected in [NoStream, Any, Exact(2)] {
            let stream = three(&door).await;
            door.delete(&stream, Any).await.unwrap();
            let again = events(2);
            let written = door.append(&stream, expected, again.clone()).await.unwrap();
            assert_eq!(written.revision, 4, "{expected:?}");
            let read = door.stream(&stream).await.unwrap();
            assert_eq!(ids(&read), proposed_ids(&again));
            assert_eq!(revisions(&read), [3, 4]);
            let backward = door.read_stream(&stream, StreamFrom::End, Direction::Backward, 10).await.unwrap();
            assert_eq!(revisions(&backward), [4, 3]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_stream_may_be_deleted_and_begun_again_and_again() {
    every_door(async |door| {
        let stream = unique("again");
        for round in 0..3 {
            assert_eq!(door.append(&stream, NoStream, events(1)).await.unwrap().revision, round);
            door.delete(&stream, Exact(round)).await.unwrap();
        }
        assert_eq!(door.stream(&stream).await, Err(NotFound));
    })
    .await;
}

#[tokio::test]
async fn the_log_keeps_what_was_deleted() {
    every_door(async |door| {
        let stream = three(&door).await;
        let read = door.stream(&stream).await.unwrap();
        let deleted = door.delete(&stream, Any).await.unwrap();
        let log = door.log(read[0].position, deleted).await;
        let kept: Vec<_> = log.iter().filter(|event| *event.stream == *stream).cloned().collect();
        assert_eq!(kept, read);
        let last = log.last().unwrap();
        assert_eq!((&*last.stream, &*last.event_type), (&*format!("$${stream}"), "$metadata"));
    })
    .await;
}

#[tokio::test]
async fn a_follower_outlives_a_delete() {
    every_door(async |door| {
        let stream = three(&door).await;
        let mut following = door.subscribe_stream(&stream, After::Place(0)).await.unwrap();
        assert_eq!(revisions(&following.take(2, |_| true).await), [1, 2]);
        door.delete(&stream, Any).await.unwrap();
        door.append(&stream, NoStream, events(1)).await.unwrap();
        assert_eq!(revisions(&following.take(1, |_| true).await), [3]);
    })
    .await;
}

/// A stream that was deleted for good.
async fn tombstoned(door: &Door) -> String {
    let stream = three(door).await;
    door.tombstone(&stream, Exact(2)).await.unwrap();
    stream
}

#[tokio::test]
async fn a_stream_deleted_for_good_is_neither_read_nor_written() {
    every_door(async |door| {
        let stream = tombstoned(&door).await;
        assert_eq!(door.stream(&stream).await, Err(Deleted));
        let backward = door.read_stream(&stream, StreamFrom::End, Direction::Backward, 1).await;
        assert_eq!(backward, Err(Deleted));
        for expected in [Any, NoStream, StreamExists, Exact(2)] {
            assert_eq!(door.append(&stream, expected, events(1)).await, Err(Deleted), "{expected:?}");
            assert_eq!(door.delete(&stream, expected).await, Err(Deleted), "{expected:?}");
            assert_eq!(door.tombstone(&stream, expected).await, Err(Deleted), "{expected:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn metadata_goes_with_a_stream_deleted_for_good() {
    every_door(async |door| {
        let stream = three(&door).await;
        door.set_metadata(&stream, NoStream, r#"{"$maxCount":2}"#).await.unwrap();
        door.tombstone(&stream, Any).await.unwrap();
        assert_eq!(door.stream(&format!("$${stream}")).await, Err(Deleted));
        assert_eq!(door.set_metadata(&stream, Any, "{}").await, Err(Deleted));
    })
    .await;
}

#[tokio::test]
async fn a_stream_is_deleted_for_good_in_the_expected_state_only() {
    every_door(async |door| {
        let stream = three(&door).await;
        assert_eq!(door.tombstone(&stream, Exact(1)).await, Err(WrongRevision(Some(2))));
        assert_eq!(door.tombstone(&stream, NoStream).await, Err(WrongRevision(Some(2))));
        assert_eq!(door.stream(&stream).await.unwrap().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_never_was_may_be_deleted_for_good() {
    every_door(async |door| {
        for expected in [Any, NoStream] {
            let stream = unique("never");
            door.tombstone(&stream, expected).await.unwrap();
            assert_eq!(door.append(&stream, Any, events(1)).await, Err(Deleted));
        }
    })
    .await;
}

#[tokio::test]
async fn a_deleted_stream_may_be_deleted_for_good() {
    every_door(async |door| {
        let stream = three(&door).await;
        door.delete(&stream, Any).await.unwrap();
        door.tombstone(&stream, Any).await.unwrap();
        assert_eq!(door.stream(&stream).await, Err(Deleted));
    })
    .await;
}

#[tokio::test]
async fn the_log_keeps_what_was_deleted_for_good() {
    every_door(async |door| {
        let stream = three(&door).await;
        let read = door.stream(&stream).await.unwrap();
        let deleted = door.tombstone(&stream, Any).await.unwrap();
        let log = door.log(read[0].position, deleted).await;
        let kept: Vec<_> = log.iter().filter(|event| *event.stream == *stream).collect();
        assert_eq!(kept.len(), 4);
        assert_eq!((&*kept[3].event_type, kept[3].revision), ("$streamDeleted", i64::MAX as u64));
    })
    .await;
}

#[tokio::test]
async fn a_follower_is_told_that_its_stream_was_deleted_for_good() {
    every_door(async |door| {
        let stream = three(&door).await;
        let mut following = door.subscribe_stream(&stream, After::Place(1)).await.unwrap();
        assert_eq!(following.next().await.unwrap().revision, 2);
        door.tombstone(&stream, Any).await.unwrap();
        assert_eq!(&*following.next().await.unwrap().event_type, "$streamDeleted");
        assert_eq!(following.next().await, Err(Deleted));
    })
    .await;
}

#[tokio::test]
async fn a_stream_deleted_for_good_is_not_followed() {
    every_door(async |door| {
        let stream = tombstoned(&door).await;
        let answer = match door.subscribe_stream(&stream, After::Nothing).await {
            Ok(mut following) => following.next().await.map(|_| ()),
            Err(refused) => Err(refused),
        };
        assert_eq!(answer, Err(Deleted));
    })
    .await;
}
