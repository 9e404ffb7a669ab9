//! Streams deleted until the next append, and for good.

use super::support::*;
use crate::ExpectedRevision::{Any, Exact, NoStream, StreamExists};
use crate::*;

const SOFT_DELETED: &str = r#"{"$tb":9223372036854775807}"#;

#[test]
fn a_deleted_stream_cannot_be_read_until_it_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let options = NodeOptions { index_batch_events: 3, ..options(dir.path()) };
    let node = Node::open(options.clone()).unwrap();
    append(&node, vec![part("a", NoStream, vec![fresh("0"), fresh("1")])]).unwrap();
    assert_eq!(wrong(delete(&node, "a", NoStream).map(no_streams)), ("a".into(), 0, Some(1)));
    assert_eq!(wrong(delete(&node, "a", Exact(0)).map(no_streams)).2, Some(1));
    let position = delete(&node, "a", Exact(1)).unwrap().position;
    assert_eq!(node.head(), position);
    let check = |node: &Node| {
        let read = page(node, "a");
        assert!(read.events.is_empty() && read.end && !read.exists);
        assert_eq!((read.first_revision, read.last_revision), (None, Some(1)));
        assert_eq!(stream_data(node, "$$a"), [SOFT_DELETED]);
        assert_eq!(all(node).iter().map(data).collect::<Vec<_>>(), ["0", "1", SOFT_DELETED]);
    };
    reopened(node, &options, check);

    let node = Node::open(options.clone()).unwrap();
    assert_eq!(&*deleted(append(&node, vec![part("a", StreamExists, vec![fresh("x")])])), "a");
    assert_eq!(wrong(append(&node, vec![part("a", Exact(0), vec![fresh("x")])])).2, Some(1));
    for expected in [Any, NoStream, Exact(1)] {
        delete(&node, "a", expected).unwrap();
    }
    assert_eq!(&*deleted(delete(&node, "a", StreamExists)), "a");
    assert_eq!(wrong(delete(&node, "a", Exact(0)).map(no_streams)).2, Some(1));
    let appended = append(&node, vec![part("a", NoStream, vec![fresh("2"), fresh("3")])]).unwrap();
    assert_eq!((appended.streams.len(), appended.streams[0].revision), (1, 3));
    let events = all(&node);
    assert_eq!(appended.streams[0].position, events[events.len() - 2].position);
    reopened(node, &options, |node| {
        let read = page(node, "a");
        assert!(read.exists);
        assert_eq!((read.first_revision, read.last_revision), (Some(2), Some(3)));
        assert_eq!(read.events.iter().map(data).collect::<Vec<_>>(), ["2", "3"]);
        let back = node.read_stream("a", StreamFrom::End, Direction::Backward, ReadLimit::default()).unwrap();
        assert_eq!(back.events.iter().map(|event| event.revision).collect::<Vec<_>>(), [3, 2]);
        assert_eq!(stream_data(node, "$$a"), [r#"{"$tb":2}"#]);
    });
}

fn no_streams(_: Deleted) -> Appended {
    Appended { streams: Vec::new() }
}

#[test]
fn what_never_existed_cannot_be_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path());
    for expected in [Any, NoStream, StreamExists, Exact(0)] {
        assert_eq!(wrong(delete(&node, "a", expected).map(no_streams)), ("a".into(), 0, None));
    }
    for stream in ["", "$$a", "$$"] {
        assert!(matches!(delete(&node, stream, Any), Err(AppendError::Invalid { .. })));
        assert!(matches!(tombstone(&node, stream, Any), Err(AppendError::Invalid { .. })));
    }
    assert!(matches!(delete(&node, &"n".repeat(2000), Any), Err(AppendError::TooLarge { .. })));
    assert_eq!(node.head(), 0);
    // Metadata is something.
    append(&node, vec![part("$$a", NoStream, vec![fresh("{}")])]).unwrap();
    assert_eq!(wrong(delete(&node, "a", Exact(0)).map(no_streams)).2, None);
    delete(&node, "a", StreamExists).unwrap();
    deleted(append(&node, vec![part("a", StreamExists, vec![fresh("0")])]));
    assert!(!page(&node, "a").exists);
    append(&node, vec![part("a", NoStream, vec![fresh("0")])]).unwrap();
    assert_eq!(stream_data(&node, "a"), ["0"]);
    assert_eq!(stream_data(&node, "$$a"), [r#"{"$tb":0}"#]);
    stop(node);
}

#[test]
fn metadata_deletes_and_restores_too() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path());
    append(&node, vec![part("a", NoStream, vec![fresh("0"), fresh("1")])]).unwrap();
    set_metadata(&node, "a", r#"{"mine":{"b":1,"a":[2]},"$tb":9223372036854775807,"$maxCount":5}"#);
    assert!(!page(&node, "a").exists);
    append(&node, vec![part("a", Any, vec![fresh("2")])]).unwrap();
    assert_eq!(stream_data(&node, "a"), ["2"]);
    let metadata = page(&node, "$$a").events.pop().unwrap();
    assert_eq!((&*metadata.event_type, metadata.is_json, metadata.revision), ("$metadata", true, 1));
    let expected = serde_json::json!({"mine": {"b": 1, "a": [2]}, "$tb": 2, "$maxCount": 5});
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&metadata.data).unwrap(), expected);
    // Deleted and restored by metadata that says something else.
    delete(&node, "a", Exact(2)).unwrap();
    set_metadata(&node, "a", r#"{"$maxCount":7}"#);
    let read = page(&node, "a");
    assert!(read.exists && read.events.is_empty());
    assert_eq!((read.first_revision, read.last_revision), (Some(3), Some(2)));
    let metadata = page(&node, "$$a").events.pop().unwrap();
    assert_eq!(data(&metadata), r#"{"$maxCount":7,"$tb":3}"#);
    append(&node, vec![part("a", StreamExists, vec![fresh("3")])]).unwrap();
    assert_eq!(stream_data(&node, "a"), ["3"]);
    // Deleted twice by metadata, it stays so; nonsense restores no old events.
    set_metadata(&node, "a", SOFT_DELETED);
    set_metadata(&node, "a", SOFT_DELETED);
    assert!(!page(&node, "a").exists);
    set_metadata(&node, "a", "nonsense");
    assert!(page(&node, "a").exists && page(&node, "a").events.is_empty());
    stop(node);
}

#[test]
fn a_repeat_is_known_in_a_deleted_stream() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path());
    append(&node, vec![part("a", NoStream, vec![event(1, "0"), event(2, "1")])]).unwrap();
    delete(&node, "a", Any).unwrap();
    for (expected, first) in [(NoStream, 1), (Any, 1), (Exact(0), 2)] {
        let repeat = append(&node, vec![part("a", expected, vec![event(first, "")])]).unwrap();
        assert!(repeat.streams[0].replayed, "{expected:?}");
    }
    wrong(append(&node, vec![part("a", NoStream, vec![event(1, "0"), event(9, "1")])]));
    wrong(append(&node, vec![part("a", NoStream, vec![event(1, "0"), event(2, "1"), event(3, "2")])]));
    wrong(append(&node, vec![part("a", Exact(0), vec![event(9, "1")])]));
    assert!(!page(&node, "a").exists);
    let events = (10..15).map(|id| event(id, "new")).collect();
    assert_eq!(append(&node, vec![part("a", NoStream, events)]).unwrap().streams[0].revision, 6);
    assert_eq!(page(&node, "a").first_revision, Some(2));
    stop(node);
}

#[test]
fn deletions_count_for_what_is_queued_or_batched_after_them() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path());
    append(&node, vec![part("a", NoStream, vec![fresh("0")])]).unwrap();
    run(async {
        let append = |expected, text: &str| node.append(vec![part("a", expected, vec![fresh(text)])]);
        let (gone, back, again, last, none) = tokio::join!(
            node.delete_stream("a", Exact(0)),
            append(NoStream, "1"),
            node.delete_stream("a", Exact(1)),
            append(StreamExists, "x"),
            append(NoStream, "2"),
        );
        gone.unwrap();
        assert_eq!(back.unwrap().streams[0].revision, 1);
        again.unwrap();
        deleted(last);
        assert_eq!(none.unwrap().streams[0].revision, 2);
    });
    assert_eq!(stream_data(&node, "a"), ["2"]);
    // In one batch: deleted, brought back once, and deleted again; the caller is told of its own parts only.
    let batch = vec![
        part("$$a", Any, vec![fresh(SOFT_DELETED)]),
        part("a", NoStream, vec![fresh("3")]),
        part("a", Exact(3), vec![fresh("4")]),
        part("b", NoStream, vec![fresh("0")]),
    ];
    let appended = append(&node, batch).unwrap();
    assert_eq!(appended.streams.iter().map(|stream| stream.revision).collect::<Vec<_>>(), [4, 3, 4, 0]);
    assert_eq!(stream_data(&node, "a"), ["3", "4"]);
    let batch = vec![part("$$b", Any, vec![fresh(SOFT_DELETED)]), part("b", StreamExists, vec![fresh("1")])];
    assert_eq!(&*deleted(append(&node, batch)), "b");
    assert_eq!(stream_data(&node, "b"), ["0"]);
    stop(node);
}

#[test]
fn metadata_that_comes_back_needs_room() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path());
    let node = Node::open(options.clone()).unwrap();
    append(&node, vec![part("a", NoStream, vec![fresh("0")])]).unwrap();
    let metadata = format!(r#"{{"$tb":9223372036854775807,"mine":"{}"}}"#, "x".repeat(20_000));
    set_metadata(&node, "a", &metadata);
    let batch = |size: usize| vec![part("a", NoStream, vec![fresh(&"y".repeat(size))])];
    // Fits into what is left of the segment, but not together with the metadata.
    append(&node, batch(8_000)).unwrap();
    assert_eq!(node.head() / options.segment_bytes, 1);
    append(&node, vec![part("b", NoStream, vec![fresh("0")])]).unwrap();
    // Fits into a segment, but not together with the metadata.
    set_metadata(&node, "a", &metadata);
    assert!(matches!(append(&node, batch(22_000)), Err(AppendError::TooLarge { .. })));
    assert_eq!(node.stats().refused, 1);
    append(&node, batch(8_000)).unwrap();
    reopened(node, &options, |node| {
        assert_eq!(page(node, "a").events.len(), 1);
        assert_eq!(all(node).len(), 8);
    });
}

#[test]
fn a_tombstone_is_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = NodeOptions { index_batch_events: 3, cached_heads: 1, ..options(dir.path()) };
    options.slot_mask = 0;
    let node = Node::open(options.clone()).unwrap();
    append(&node, vec![part("a", NoStream, vec![fresh("0"), fresh("1")])]).unwrap();
    set_metadata(&node, "a", "{}");
    assert_eq!(wrong(tombstone(&node, "a", Exact(0)).map(no_streams)).2, Some(1));
    assert_eq!(wrong(tombstone(&node, "a", NoStream).map(no_streams)).2, Some(1));
    let position = tombstone(&node, "a", Exact(1)).unwrap().position;
    assert_eq!(wrong(tombstone(&node, "never", Exact(0)).map(no_streams)).2, None);
    assert_eq!(wrong(tombstone(&node, "never", StreamExists).map(no_streams)).2, None);
    tombstone(&node, "never", NoStream).unwrap();
    append(&node, vec![part("b", NoStream, vec![fresh("0")])]).unwrap();
    delete(&node, "b", StreamExists).unwrap();
    deleted(tombstone(&node, "b", StreamExists));
    tombstone(&node, "b", NoStream).unwrap();
    // All of these have the same hash.
    append(&node, vec![part("c", NoStream, vec![fresh("0")])]).unwrap();
    let end = all(&node).into_iter().find(|event| event.position == position).unwrap();
    assert_eq!((&*end.stream, end.revision, &*end.event_type), ("a", DELETED_REVISION, "$streamDeleted"));
    assert!(end.data.is_empty());
    let head = node.head();
    reopened(node, &options, |node| {
        for stream in ["a", "never", "b"] {
            let metadata = format!("$${stream}");
            gone(node, stream);
            gone(node, &metadata);
            for expected in [Any, NoStream, StreamExists, Exact(1), Exact(DELETED_REVISION)] {
                for name in [stream, &metadata] {
                    let refused = append(node, vec![part(name, expected, vec![fresh("")])]);
                    assert_eq!(&*deleted(refused), name);
                }
                deleted(delete(node, stream, expected));
                deleted(tombstone(node, stream, expected));
            }
        }
        assert_eq!(node.head(), head);
        assert_eq!(stream_data(node, "c"), ["0"]);
        assert_eq!(node.last_revision("d").unwrap(), None);
    });
}

#[test]
fn nothing_follows_a_tombstone_written_among_appends() {
    let dir = tempfile::tempdir().unwrap();
    let options = NodeOptions { index_batch_events: 20, ..options(dir.path()) };
    let node = Node::open(options.clone()).unwrap();
    let (acked, tombstone) = run(async {
        let (first, mut seen) = tokio::sync::mpsc::channel(100);
        let writers: Vec<_> = (0..8)
            .map(|_| {
                let (node, first) = (node.clone(), first.clone());
                tokio::spawn(async move {
                    let mut acked = Vec::new();
                    loop {
                        match node.append(vec![part("a", Any, vec![fresh("")])]).await {
                            Ok(appended) => acked.push(appended.streams[0]),
                            Err(AppendError::StreamDeleted { .. }) => return acked,
                            Err(other) => panic!("{other}"),
                        }
                        let _ = first.try_send(());
                    }
                })
            })
            .collect();
        for _ in 0..100 {
            soon(seen.recv()).await.unwrap();
        }
        let tombstone = node.tombstone_stream("a", Any).await.unwrap();
        let mut acked = Vec::new();
        for writer in writers {
            acked.extend(soon(writer).await.unwrap());
        }
        (acked, tombstone)
    });
    assert!(acked.iter().all(|appended| appended.position < tombstone.position));
    reopened(node, &options, |node| {
        let events = all(node);
        let (end, before) = events.split_last().unwrap();
        assert_eq!((end.position, end.revision), (tombstone.position, DELETED_REVISION));
        assert_eq!(before.len(), acked.len());
        assert!(before.iter().zip(0..).all(|(event, revision)| event.revision == revision));
        gone(node, "a");
    });
}

#[test]
fn a_stream_that_comes_back_does_so_with_its_new_events() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::open(NodeOptions { index_batch_events: 20, ..options(dir.path()) }).unwrap();
    append(&node, vec![part("a", NoStream, vec![fresh("0")])]).unwrap();
    let writing = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    while writing.load(std::sync::atomic::Ordering::Relaxed) {
                        let read = page(&node, "a");
                        assert_eq!(read.exists, !read.events.is_empty(), "{read:?}");
                    }
                })
            })
            .collect();
        run(async {
            for _ in 0..200 {
                node.delete_stream("a", Any).await.unwrap();
                node.append(vec![part("a", NoStream, vec![fresh("")])]).await.unwrap();
            }
        });
        writing.store(false, std::sync::atomic::Ordering::Relaxed);
        for reader in readers {
            reader.join().unwrap();
        }
    });
    assert_eq!(page(&node, "a").first_revision, Some(200));
    stop(node);
}
