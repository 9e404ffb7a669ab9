//! Appending the same events again: whoever did not hear the answer may ask again.

use eventstore_node::ExpectedRevision::{self, Any, Exact, NoStream, StreamExists};
use eventstore_node::ProposedEvent;

use super::door::Door;
use super::door::Refused::WrongRevision;
use super::{events, every_door, happened, ids, proposed_ids, unique};

/// A stream of its own with these events.
async fn stream_of(door: &Door, events: &[ProposedEvent]) -> String {
    let stream = unique("repeated");
    door.append(&stream, NoStream, events.to_vec()).await.unwrap();
    stream
}

async fn holds(door: &Door, stream: &str, events: &[ProposedEvent]) {
    assert_eq!(ids(&door.stream(stream).await.unwrap()), proposed_ids(events));
}

/// Appending these again is answered as the first time, and writes nothing.
async fn repeats(expected: ExpectedRevision) {
    every_door(async |door| {
        let proposed = events(3);
        let stream = unique("repeated");
        let first = match expected {
            NoStream => door.append(&stream, NoStream, proposed.clone()).await.unwrap(),
            _ => {
                door.append(&stream, NoStream, events(2)).await.unwrap();
                door.append(&stream, expected, proposed.clone()).await.unwrap()
            }
        };
        let before = door.stream(&stream).await.unwrap();
        assert_eq!(door.append(&stream, expected, proposed.clone()).await, Ok(first));
        assert_eq!(door.stream(&stream).await.unwrap(), before);
        // Later events do not hide it.
        door.append(&stream, Any, events(4)).await.unwrap();
        assert_eq!(door.append(&stream, expected, proposed).await, Ok(first));
        assert_eq!(door.stream(&stream).await.unwrap().len(), before.len() + 4);
    })
    .await;
}

#[tokio::test]
async fn a_repeat_at_any_state_writes_nothing() {
    repeats(Any).await;
}

#[tokio::test]
async fn a_repeat_on_an_existing_stream_writes_nothing() {
    repeats(StreamExists).await;
}

#[tokio::test]
async fn a_repeat_on_no_stream_writes_nothing() {
    repeats(NoStream).await;
}

#[tokio::test]
async fn a_repeat_at_an_exact_revision_writes_nothing() {
    repeats(Exact(1)).await;
}

#[tokio::test]
async fn a_part_from_the_beginning_is_a_repeat() {
    every_door(async |door| {
        let proposed = events(3);
        let stream = stream_of(&door, &proposed).await;
        let read = door.stream(&stream).await.unwrap();
        for expected in [NoStream, Any, StreamExists] {
            let written = door.append(&stream, expected, proposed[..2].to_vec()).await.unwrap();
            assert_eq!((written.revision, written.position), (1, read[1].position), "{expected:?}");
        }
        holds(&door, &stream, &proposed).await;
    })
    .await;
}

#[tokio::test]
async fn a_later_part_is_a_repeat_at_its_own_revision() {
    every_door(async |door| {
        let proposed = events(3);
        let stream = stream_of(&door, &proposed).await;
        assert_eq!(door.append(&stream, Exact(0), proposed[1..].to_vec()).await.unwrap().revision, 2);
        assert_eq!(door.append(&stream, NoStream, proposed[1..].to_vec()).await, Err(WrongRevision(Some(2))));
        holds(&door, &stream, &proposed).await;
    })
    .await;
}

#[tokio::test]
async fn a_repeat_with_more_behind_it_is_refused() {
    every_door(async |door| {
        let proposed = events(3);
        let stream = stream_of(&door, &proposed[..2]).await;
        for expected in [NoStream, Any, StreamExists] {
            let answer = door.append(&stream, expected, proposed.clone()).await;
            assert_eq!(answer, Err(WrongRevision(Some(1))), "{expected:?}");
        }
        holds(&door, &stream, &proposed[..2]).await;
    })
    .await;
}

#[tokio::test]
async fn another_event_in_the_place_of_the_first_is_refused() {
    every_door(async |door| {
        let proposed = events(2);
        let stream = stream_of(&door, &proposed).await;
        let other = vec![happened("other"), proposed[1].clone()];
        assert_eq!(door.append(&stream, NoStream, other).await, Err(WrongRevision(Some(1))));
        holds(&door, &stream, &proposed).await;
    })
    .await;
}

#[tokio::test]
async fn at_any_state_a_new_first_event_makes_all_of_it_new() {
    every_door(async |door| {
        let known = happened("known");
        let stream = stream_of(&door, std::slice::from_ref(&known)).await;
        let proposed = [happened("new"), known.clone()];
        assert_eq!(door.append(&stream, Any, proposed.to_vec()).await.unwrap().revision, 2);
        holds(&door, &stream, &[known.clone(), proposed[0].clone(), known]).await;
    })
    .await;
}

#[tokio::test]
async fn ids_count_within_their_stream() {
    every_door(async |door| {
        let proposed = events(2);
        stream_of(&door, &proposed).await;
        for expected in [NoStream, Any] {
            let stream = unique("elsewhere");
            assert_eq!(door.append(&stream, expected, proposed.clone()).await.unwrap().revision, 1);
            holds(&door, &stream, &proposed).await;
        }
    })
    .await;
}

#[tokio::test]
async fn one_append_may_hold_an_id_twice() {
    every_door(async |door| {
        let stream = unique("twice");
        let event = happened("twice");
        assert_eq!(door.append(&stream, Any, vec![event.clone(), event.clone()]).await.unwrap().revision, 1);
        holds(&door, &stream, &[event.clone(), event]).await;
    })
    .await;
}

#[tokio::test]
async fn at_the_last_revision_known_ids_are_written_again() {
    every_door(async |door| {
        let proposed = events(2);
        let stream = stream_of(&door, &proposed).await;
        assert_eq!(door.append(&stream, Exact(1), proposed.clone()).await.unwrap().revision, 3);
        holds(&door, &stream, &[proposed.clone(), proposed].concat()).await;
    })
    .await;
}

#[tokio::test]
async fn beyond_the_last_revision_known_ids_are_refused() {
    every_door(async |door| {
        let proposed = events(2);
        let stream = stream_of(&door, &proposed).await;
        assert_eq!(door.append(&stream, Exact(2), proposed.clone()).await, Err(WrongRevision(Some(1))));
        holds(&door, &stream, &proposed).await;
    })
    .await;
}
