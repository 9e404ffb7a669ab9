//! Expected revisions, atomic batches, order, repeats.

use super::support::*;
use crate::ExpectedRevision::{Any, Exact, NoStream, StreamExists};
use crate::*;

#[test]
fn each_expected_revision_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path());
    assert_eq!(wrong(append(&node, vec![part("a", StreamExists, vec![fresh("0")])])).2, None);
    assert_eq!(wrong(append(&node, vec![part("a", Exact(0), vec![fresh("0")])])).2, None);
    let first = append(&node, vec![part("a", NoStream, vec![fresh("0"), fresh("1")])]).unwrap();
    assert_eq!(first.streams[0].revision, 1);
    assert!(!first.streams[0].replayed);
    assert_eq!(wrong(append(&node, vec![part("a", NoStream, vec![fresh("2")])])), ("a".into(), 0, Some(1)));
    assert_eq!(wrong(append(&node, vec![part("a", Exact(0), vec![fresh("2")])])).2, Some(1));
    assert_eq!(wrong(append(&node, vec![part("a", Exact(2), vec![fresh("2")])])).2, Some(1));
    append(&node, vec![part("a", Exact(1), vec![fresh("2")])]).unwrap();
    append(&node, vec![part("a", StreamExists, vec![fresh("3")])]).unwrap();
    append(&node, vec![part("a", Any, vec![fresh("4")])]).unwrap();
    append(&node, vec![part("b", Any, vec![fresh("0")])]).unwrap();
    assert_eq!(stream_data(&node, "a"), ["0", "1", "2", "3", "4"]);
    assert_eq!(node.last_revision("a").unwrap(), Some(4));
    assert_eq!(node.last_revision("b").unwrap(), Some(0));
    assert_eq!(node.last_revision("c").unwrap(), None);
    stop(node);
}

#[test]
fn an_append_may_name_the_event_it_follows() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path());
    let (mine, theirs) = (fresh("mine"), fresh("theirs"));
    let after = |id, event| vec![StreamAppend { follows: Some(id), ..part("a", Exact(0), vec![event]) }];
    append(&node, vec![part("a", NoStream, vec![theirs.clone()])]).unwrap();
    assert_eq!(wrong(append(&node, after(mine.id, fresh("next")))), ("a".into(), 0, Some(0)));
    append(&node, after(theirs.id, fresh("next"))).unwrap();
    // Known as well when the stream has to be looked up.
    stop(node);
    let node = open(dir.path());
    let next = |id| vec![StreamAppend { follows: Some(id), ..part("a", Exact(1), vec![fresh("last")]) }];
    assert_eq!(wrong(append(&node, next(theirs.id))).2, Some(1));
    assert_eq!(stream_data(&node, "a"), ["theirs", "next"]);
    stop(node);
}

#[test]
fn a_batch_is_written_whole_and_in_order_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path());
    let batch = vec![
        part("a", NoStream, vec![fresh("a0"), fresh("a1")]),
        part("b", Any, vec![fresh("b0")]),
        part("a", Exact(1), vec![fresh("a2")]),
    ];
    let appended = append(&node, batch).unwrap();
    assert_eq!(appended.streams.iter().map(|stream| stream.revision).collect::<Vec<_>>(), [1, 0, 2]);
    let events = all(&node);
    assert_eq!(events.iter().map(data).collect::<Vec<_>>(), ["a0", "a1", "b0", "a2"]);
    assert_eq!(appended.streams[2].position, events[3].position);
    assert_eq!(node.head(), events[3].position);
    assert!(events[0].position > 0);

    let refused = vec![part("c", NoStream, vec![fresh("c0")]), part("a", Exact(0), vec![fresh("a3")])];
    assert_eq!(wrong(append(&node, refused)), ("a".into(), 1, Some(2)));
    assert_eq!(node.last_revision("c").unwrap(), None);
    assert_eq!(all(&node).len(), 4);
    stop(node);
    let node = open(dir.path());
    assert_eq!(all(&node), events);
    assert_eq!(stream_data(&node, "a"), ["a0", "a1", "a2"]);
    stop(node);
}

#[test]
fn queued_batches_build_on_each_other_before_any_is_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path());
    run(async {
        let mut slots = Vec::new();
        for _ in 0..20 {
            slots.push(node.reserve().await.unwrap());
        }
        let pending: Vec<_> = (0..20_u64)
            .zip(slots)
            .map(|(revision, slot)| {
                // The tenth is wrong, so all after it are.
                let expected = match revision {
                    0 => NoStream,
                    10 => Exact(99),
                    _ => Exact(revision - 1),
                };
                slot.submit(vec![part("hot", expected, vec![fresh(&revision.to_string())])])
            })
            .collect();
        for (revision, pending) in (0..20_u64).zip(pending) {
            match pending.await {
                Ok(appended) => assert!(revision < 10 && appended.streams[0].revision == revision),
                Err(AppendError::WrongExpectedRevision { current, .. }) => {
                    assert!(revision >= 10);
                    assert_eq!(current, Some(9));
                }
                Err(other) => panic!("{other}"),
            }
        }
    });
    assert_eq!(node.last_revision("hot").unwrap(), Some(9));
    stop(node);
}

#[test]
fn a_repeat_at_an_exact_revision_is_known_by_its_ids_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path());
    append(&node, vec![part("a", NoStream, vec![event(1, "0"), event(2, "1")])]).unwrap();
    let second = append(&node, vec![part("a", Exact(1), vec![event(3, "2"), event(4, "3")])]).unwrap();
    append(&node, vec![part("a", Exact(3), vec![event(5, "4")])]).unwrap();
    stop(node);
    let node = open(dir.path());
    let repeat = append(&node, vec![part("a", Exact(1), vec![event(3, "2"), event(4, "3")])]).unwrap();
    assert_eq!((repeat.streams[0].revision, repeat.streams[0].position), (3, second.streams[0].position));
    assert!(repeat.streams[0].replayed);
    assert!(append(&node, vec![part("a", NoStream, vec![event(1, "0")])]).unwrap().streams[0].replayed);
    // Another id, one too many, or out of order: somebody else's events.
    wrong(append(&node, vec![part("a", Exact(1), vec![event(3, "2"), event(9, "3")])]));
    wrong(append(&node, vec![part("a", Exact(3), vec![event(5, "4"), event(6, "5")])]));
    wrong(append(&node, vec![part("a", Exact(1), vec![event(4, "3"), event(3, "2")])]));
    // At the last revision there is nothing to compare: the same ids are written again.
    assert!(!append(&node, vec![part("a", Exact(4), vec![event(5, "4")])]).unwrap().streams[0].replayed);
    assert_eq!(stream_data(&node, "a"), ["0", "1", "2", "3", "4", "4"]);
    stop(node);
}

#[test]
fn a_repeat_without_a_revision_is_known_while_its_ids_are_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.recent_ids = 4;
    let node = Node::open(options).unwrap();
    let first = append(&node, vec![part("a", Any, vec![event(1, "0"), event(2, "1")])]).unwrap();
    let repeat = append(&node, vec![part("a", Any, vec![event(1, "0"), event(2, "1")])]).unwrap();
    assert_eq!(repeat.streams[0].position, first.streams[0].position);
    assert!(repeat.streams[0].replayed);
    assert!(append(&node, vec![part("a", StreamExists, vec![event(1, "0")])]).unwrap().streams[0].replayed);
    // The same ids in another stream are other events.
    assert!(!append(&node, vec![part("b", Any, vec![event(1, "0")])]).unwrap().streams[0].replayed);
    wrong(append(&node, vec![part("a", Any, vec![event(1, "0"), event(7, "x")])]));
    append(&node, vec![part("c", Any, (10..14).map(|id| event(id, "c")).collect())]).unwrap();
    assert!(!append(&node, vec![part("a", Any, vec![event(1, "0")])]).unwrap().streams[0].replayed);
    stop(node);
}

#[test]
fn a_batch_partly_in_the_log_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path());
    let batch = |second: u128| {
        vec![part("a", NoStream, vec![event(1, "a")]), part("b", NoStream, vec![event(second, "b")])]
    };
    append(&node, batch(2)).unwrap();
    assert!(append(&node, batch(2)).unwrap().streams.iter().all(|stream| stream.replayed));
    wrong(append(&node, batch(3)));
    let mixed = vec![part("c", NoStream, vec![event(5, "c")]), part("a", NoStream, vec![event(1, "a")])];
    assert_eq!(wrong(append(&node, mixed)), ("a".into(), 1, Some(0)));
    assert_eq!(node.last_revision("c").unwrap(), None);
    stop(node);
}

#[test]
fn what_is_too_large_or_makes_no_sense_is_refused_before_it_is_queued() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path());
    let large = "x".repeat(60 * 1024);
    assert!(matches!(
        append(&node, vec![part("a", Any, vec![fresh(&large), fresh("more")])]),
        Err(AppendError::TooLarge { .. })
    ));
    assert!(matches!(
        append(&node, vec![part(&"n".repeat(2000), Any, vec![fresh("")])]),
        Err(AppendError::TooLarge { .. })
    ));
    for batch in [
        vec![],
        vec![part("", Any, vec![fresh("")])],
        vec![part("a", Any, vec![])],
        vec![part("a", Any, vec![event(0, "")])],
    ] {
        assert!(matches!(append(&node, batch), Err(AppendError::Invalid { .. })));
    }
    assert_eq!(node.head(), 0);
    append(&node, vec![part("a", Any, vec![fresh("")])]).unwrap();
    stop(node);
}

#[test]
fn streams_whose_names_have_one_hash_are_kept_apart() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.slot_mask = 0;
    options.cached_heads = 1;
    options.index_batch_events = 3;
    let node = Node::open(options.clone()).unwrap();
    append(&node, vec![part("a", NoStream, vec![fresh("a0")]), part("b", NoStream, vec![fresh("b0")])])
        .unwrap();
    for stream in ["a", "b", "c", "b", "a", "c"] {
        append(&node, vec![part(stream, Any, vec![fresh(stream)])]).unwrap();
    }
    let check = |node: &Node| {
        assert_eq!(stream_data(node, "a"), ["a0", "a", "a"]);
        assert_eq!(stream_data(node, "b"), ["b0", "b", "b"]);
        assert_eq!(stream_data(node, "c"), ["c", "c"]);
        assert_eq!(node.last_revision("d").unwrap(), None);
    };
    check(&node);
    stop(node);
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    let node = Node::open(options).unwrap();
    check(&node);
    // No more than a bounded number of them.
    let results: Vec<_> = (0..40)
        .map(|number| append(&node, vec![part(&format!("n{number}"), NoStream, vec![fresh("")])]))
        .collect();
    assert!(matches!(results.last(), Some(Err(AppendError::Invalid { .. }))));
    check(&node);
    stop(node);
}

#[test]
fn a_place_taken_before_the_end_does_not_delay_it_and_gets_an_answer_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.queue_batches = 4;
    let node = Node::open(options).unwrap();
    run(async {
        let mut slots = Vec::new();
        for _ in 0..3 {
            slots.push(node.reserve().await.unwrap());
        }
        // All places are taken, by callers who do nothing with them; one waits for a place.
        let last = node.reserve().await.unwrap();
        let waiting = tokio::spawn({
            let node = node.clone();
            async move { node.reserve().await.map(drop) }
        });
        let written = slots.pop().unwrap().submit(vec![part("a", Any, vec![fresh("0")])]);
        soon(node.shutdown()).await;
        soon(written).await.unwrap();
        // It gets the place of the one that was written, or none.
        let waited = soon(waiting).await.unwrap();
        assert!(matches!(waited, Ok(()) | Err(AppendError::ShuttingDown)), "{waited:?}");
        for slot in slots {
            let late = slot.submit(vec![part("a", Any, vec![fresh("late")])]);
            assert!(matches!(soon(late).await, Err(AppendError::ShuttingDown)));
        }
        assert_eq!(node.stats().queued_bytes, 0);
        drop(last);
        assert!(matches!(soon(node.reserve()).await, Err(AppendError::ShuttingDown)));
    });
    let node = open(dir.path());
    assert_eq!(stream_data(&node, "a"), ["0"]);
    stop(node);
}
