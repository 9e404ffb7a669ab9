//! Every event after a place, once, in order.

use std::os::unix::fs::FileExt;
use std::time::Duration;

use super::support::*;
use crate::ExpectedRevision::Any;
use crate::*;

const WRITERS: u64 = 4;
const BATCHES: u64 = 60;

#[test]
fn subscriptions_see_every_event_once_in_order_while_many_write() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.index_batch_events = 50;
    let mut position = None;
    let mut seen = Vec::new();
    for round in 1..=3 {
        let node = Node::open(options.clone()).unwrap();
        run(async {
            let mut from_start = node.subscribe_all(None);
            let mut resumed = node.subscribe_all(position);
            let mut one_stream = node.subscribe_stream("writer-0", None);
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let node = node.clone();
                    tokio::spawn(async move {
                        for number in 0..BATCHES {
                            let batch = vec![
                                part(&format!("writer-{writer}"), Any, vec![fresh(&format!("{number}"))]),
                                part("common", Any, vec![fresh("")]),
                            ];
                            node.append(batch).await.unwrap();
                        }
                    })
                })
                .collect();
            let total = (round * WRITERS * BATCHES * 2) as usize;
            while seen.len() < total {
                // Cancelled every now and then, which must lose nothing.
                match tokio::time::timeout(Duration::from_micros(200), resumed.next_batch(5)).await {
                    Ok(events) => seen.extend(events.unwrap()),
                    Err(_) => tokio::task::yield_now().await,
                }
            }
            for writer in writers {
                writer.await.unwrap();
            }
            assert!(resumed.caught_up());
            let mut all_events = Vec::new();
            while all_events.len() < total {
                assert!(!from_start.caught_up());
                all_events.extend(from_start.next_batch(1000).await.unwrap());
            }
            assert!(from_start.caught_up());
            assert_eq!(all_events, seen);
            let mut revisions = Vec::new();
            while revisions.len() < (round * BATCHES) as usize {
                assert!(!one_stream.caught_up().unwrap());
                revisions.extend(one_stream.next_batch(7).await.unwrap().iter().map(|event| event.revision));
            }
            assert!(one_stream.caught_up().unwrap());
            assert_eq!(revisions, (0..round * BATCHES).collect::<Vec<_>>());
            node.shutdown().await;
            assert!(matches!(resumed.next_batch(1).await, Err(ReadError::ShuttingDown)));
            assert!(matches!(one_stream.next_batch(1).await, Err(ReadError::ShuttingDown)));
        });
        position = seen.last().map(|event| event.position);
        assert!(
            seen.windows(2)
                .all(|pair| pair[0].position < pair[1].position && pair[0].created <= pair[1].created)
        );
        let common: Vec<_> =
            seen.iter().filter(|event| &*event.stream == "common").map(|event| event.revision).collect();
        assert_eq!(common, (0..round * WRITERS * BATCHES).collect::<Vec<_>>());
    }
}

#[test]
fn a_subscription_waits_for_what_is_not_there_yet() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path());
    run(async {
        let mut all_events = node.subscribe_all(None);
        let mut stream = node.subscribe_stream("later", Some(0));
        assert!(all_events.caught_up());
        let waiting = tokio::spawn(async move { all_events.next_batch(10).await.unwrap() });
        let waiting_stream = tokio::spawn(async move { stream.next_batch(10).await.unwrap() });
        let first = node.append(vec![part("later", Any, vec![fresh("0"), fresh("1")])]).await.unwrap();
        assert_eq!(waiting.await.unwrap().len(), 2);
        assert_eq!(waiting_stream.await.unwrap()[0].revision, 1);
        // After a position that is no event's, and one that is not reached yet.
        let last = first.streams[0].position;
        let mut between = node.subscribe_all(Some(last - 1));
        assert_eq!(between.next_batch(10).await.unwrap()[0].position, last);
        let mut beyond = node.subscribe_all(Some(last + 1_000));
        let skipped = node.append(vec![part("later", Any, vec![fresh("2")])]).await.unwrap();
        assert!(skipped.streams[0].position < last + 1_000);
        let large = fresh(&"x".repeat(2_000));
        node.append(vec![part("later", Any, vec![large])]).await.unwrap();
        let after = node.append(vec![part("later", Any, vec![fresh("4")])]).await.unwrap();
        assert_eq!(beyond.next_batch(10).await.unwrap()[0].position, after.streams[0].position);
        node.shutdown().await;
    });
}

/// Makes everything from a position in the second segment on to the segment's end zeros, under an open node: this is
/// what a lost extent looks like.
fn lose_extent(dir: &std::path::Path, position: Position) {
    let file = dir.join(format!("log/{:020}.seg", 64 * 1024));
    let zeros = vec![0; (128 * 1024 - position) as usize];
    let file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
    file.write_all_at(&zeros, position - 64 * 1024).unwrap();
}

fn assert_lost(result: Result<Vec<RecordedEvent>, ReadError>, position: Position) {
    match result {
        Err(ReadError::Corrupt(corruption)) => {
            assert!(corruption.file.ends_with(format!("{:020}.seg", 64 * 1024)), "{corruption}");
            assert_eq!((corruption.offset, corruption.position), (position - 64 * 1024, position));
        }
        other => panic!("{:?}", other.map(|events| events.len())),
    }
}

#[test]
fn a_subscription_does_not_skip_events_that_became_zeros() {
    for known_ends in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let node = open(dir.path());
        for number in 0..40_u32 {
            let data = format!("{number} {}", "x".repeat(6_000));
            append(&node, vec![part("a", Any, vec![fresh(&data)])]).unwrap();
        }
        let events = all(&node);
        // After a restart that checks only the end, and before the first read, it is not known where the records of older segments end.
        let node = if known_ends {
            node
        } else {
            stop(node);
            let mut options = options(dir.path());
            options.verify_tail_bytes = 0;
            Node::open(options).unwrap()
        };
        run(async {
            let mut running = node.subscribe_all(None);
            let mut seen = Vec::new();
            let lost = events.iter().position(|event| event.position > 64 * 1024 + 20_000).unwrap();
            while seen.len() < lost {
                seen.extend(running.next_batch(lost - seen.len()).await.unwrap());
            }
            assert_eq!(seen, events[..lost]);
            let position = events[lost].position;
            lose_extent(dir.path(), position);
            assert_lost(running.next_batch(10).await, position);
            assert_lost(running.next_batch(10).await, position);
            // So does one that begins at the event before, and one that begins elsewhere before it.
            let before = events[lost - 1].position;
            assert_lost(node.subscribe_all(Some(before)).next_batch(10).await, position);
            let mut elsewhere = node.subscribe_all(Some(before - 1));
            assert_eq!(elsewhere.next_batch(1).await.unwrap(), events[lost - 1..lost]);
            assert_lost(elsewhere.next_batch(10).await, position);
            // And a read of a page.
            let limit = ReadLimit::events(10);
            let page = node.read_all(AllFrom::Position(position), Direction::Forward, limit);
            assert_lost(page.map(|page| page.events), position);
            node.shutdown().await;
        });
    }
}
