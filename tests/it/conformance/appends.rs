//! Which appends are taken, and what the others are told.

use std::collections::HashSet;

use eventstore_node::ExpectedRevision::{Any, Exact, NoStream, StreamExists};
use futures::future::join_all;

use super::door::Refused::{Deleted, WrongRevision};
use super::{events, every_door, happened, ids, proposed_ids, revisions, unique};

#[tokio::test]
async fn any_state_is_any_state() {
    every_door(async |door| {
        let stream = unique("any");
        assert_eq!(door.append(&stream, Any, events(1)).await.unwrap().revision, 0);
        assert_eq!(door.append(&stream, Any, events(1)).await.unwrap().revision, 1);
    })
    .await;
}

#[tokio::test]
async fn no_stream_is_a_stream_without_events() {
    every_door(async |door| {
        let stream = unique("none");
        assert_eq!(door.append(&stream, NoStream, events(2)).await.unwrap().revision, 1);
        assert_eq!(door.append(&stream, NoStream, events(1)).await, Err(WrongRevision(Some(1))));
    })
    .await;
}

#[tokio::test]
async fn an_existing_stream_has_events() {
    every_door(async |door| {
        let stream = unique("exists");
        assert_eq!(door.append(&stream, StreamExists, events(1)).await, Err(WrongRevision(None)));
        door.append(&stream, NoStream, events(1)).await.unwrap();
        assert_eq!(door.append(&stream, StreamExists, events(1)).await.unwrap().revision, 1);
    })
    .await;
}

#[tokio::test]
async fn an_existing_stream_may_have_metadata_only() {
    every_door(async |door| {
        let stream = unique("described");
        door.set_metadata(&stream, NoStream, r#"{"$maxCount":7}"#).await.unwrap();
        assert_eq!(door.append(&stream, StreamExists, events(1)).await.unwrap().revision, 0);
    })
    .await;
}

#[tokio::test]
async fn an_exact_revision_is_the_last_one() {
    every_door(async |door| {
        let stream = unique("exact");
        assert_eq!(door.append(&stream, Exact(0), events(1)).await, Err(WrongRevision(None)));
        assert_eq!(door.append(&stream, NoStream, events(3)).await.unwrap().revision, 2);
        assert_eq!(door.append(&stream, Exact(1), events(1)).await, Err(WrongRevision(Some(2))));
        assert_eq!(door.append(&stream, Exact(3), events(1)).await, Err(WrongRevision(Some(2))));
        assert_eq!(door.append(&stream, Exact(2), events(2)).await.unwrap().revision, 4);
    })
    .await;
}

#[tokio::test]
async fn a_refused_append_leaves_nothing() {
    every_door(async |door| {
        let stream = unique("refused");
        let kept = events(1);
        door.append(&stream, NoStream, kept.clone()).await.unwrap();
        door.append(&stream, Exact(7), events(3)).await.unwrap_err();
        assert_eq!(ids(&door.stream(&stream).await.unwrap()), proposed_ids(&kept));
    })
    .await;
}

#[tokio::test]
async fn an_append_of_several_answers_with_its_last_event() {
    every_door(async |door| {
        let stream = unique("several");
        let proposed = events(5);
        let written = door.append(&stream, NoStream, proposed.clone()).await.unwrap();
        let read = door.stream(&stream).await.unwrap();
        assert_eq!(ids(&read), proposed_ids(&proposed));
        assert_eq!(revisions(&read), [0, 1, 2, 3, 4]);
        assert_eq!((written.revision, written.position), (4, read[4].position));
    })
    .await;
}

#[tokio::test]
async fn an_append_of_several_is_in_one_piece() {
    every_door(async |door| {
        let streams = [unique("piece"), unique("piece"), unique("piece"), unique("piece")];
        let written = join_all(
            streams.iter().map(async |stream| door.append(stream, NoStream, events(20)).await.unwrap()),
        )
        .await;
        let first = door.stream(&streams[0]).await.unwrap()[0].position;
        let earliest = written.iter().map(|written| written.position).min().unwrap();
        let latest = written.iter().map(|written| written.position).max().unwrap();
        let log = door.log(first.min(earliest), latest).await;
        for (stream, written) in streams.iter().zip(written) {
            let seen: Vec<_> = log.iter().take_while(|event| event.position <= written.position).collect();
            let piece = &seen[seen.len().saturating_sub(20)..];
            assert!(piece.iter().all(|event| *event.stream == **stream), "others stand between");
        }
    })
    .await;
}

#[tokio::test]
async fn of_many_writers_at_one_revision_one_wins() {
    const WRITERS: usize = 24;
    every_door(async |door| {
        let stream = unique("contended");
        let mut last = door.append(&stream, NoStream, events(1)).await.unwrap().revision;
        let mut winners = Vec::new();
        for _ in 0..5 {
            let attempts: Vec<_> = (0..WRITERS).map(|writer| happened(&writer.to_string())).collect();
            let answers = join_all(
                attempts
                    .iter()
                    .map(async |event| door.append(&stream, Exact(last), vec![event.clone()]).await),
            )
            .await;
            let won: Vec<_> = (0..WRITERS).filter(|writer| answers[*writer].is_ok()).collect();
            assert_eq!(won.len(), 1, "one wins");
            winners.push(attempts[won[0]].id);
            last += 1;
            assert_eq!(answers[won[0]].as_ref().unwrap().revision, last);
            let lost = answers.iter().filter(|answer| **answer == Err(WrongRevision(Some(last)))).count();
            assert_eq!(lost, WRITERS - 1, "the others are told the winner's revision");
        }
        assert_eq!(ids(&door.stream(&stream).await.unwrap())[1..], winners);
    })
    .await;
}

#[tokio::test]
async fn writers_that_expect_nothing_all_win() {
    every_door(async |door| {
        let stream = unique("crowded");
        let proposed = events(100);
        let written = join_all(
            proposed.iter().map(async |event| door.append(&stream, Any, vec![event.clone()]).await.unwrap()),
        )
        .await;
        let read = door.stream(&stream).await.unwrap();
        assert_eq!(revisions(&read), (0..100).collect::<Vec<_>>());
        for (event, written) in proposed.iter().zip(written) {
            let found = &read[usize::try_from(written.revision).unwrap()];
            assert_eq!((found.id, found.position), (event.id, written.position));
        }
        let distinct: HashSet<_> = ids(&read).into_iter().collect();
        assert_eq!(distinct.len(), proposed.len());
    })
    .await;
}

#[tokio::test]
async fn a_deleted_stream_does_not_exist() {
    every_door(async |door| {
        let stream = unique("deleted");
        door.append(&stream, NoStream, events(1)).await.unwrap();
        door.delete(&stream, Any).await.unwrap();
        assert_eq!(door.append(&stream, StreamExists, events(1)).await, Err(Deleted));
    })
    .await;
}
