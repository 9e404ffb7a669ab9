//! What metadata leaves to be read of a stream.

use super::support::*;
use crate::ExpectedRevision::{Any, NoStream, StreamExists};
use crate::*;

fn revisions(node: &Node, from: StreamFrom, direction: Direction, limit: usize) -> (Vec<u64>, bool) {
    let read = node.read_stream("a", from, direction, ReadLimit::events(limit)).unwrap();
    (read.events.iter().map(|event| event.revision).collect(), read.end)
}

#[test]
fn events_before_the_first_revision_are_not_read() {
    use Direction::{Backward, Forward};
    let dir = tempfile::tempdir().unwrap();
    let options = NodeOptions { index_batch_events: 4, ..options(dir.path()) };
    let node = Node::open(options.clone()).unwrap();
    append(&node, vec![part("a", NoStream, (0..10).map(|_| fresh("")).collect())]).unwrap();
    set_metadata(&node, "a", r#"{"$maxCount":3,"$tb":2}"#);
    reopened(node, &options, |node| {
        assert_eq!(page(node, "a").first_revision, Some(7));
        assert_eq!(node.last_revision("a").unwrap(), Some(9));
        assert_eq!(revisions(node, StreamFrom::Start, Forward, 9), (vec![7, 8, 9], true));
        assert_eq!(revisions(node, StreamFrom::Start, Forward, 2), (vec![7, 8], false));
        assert_eq!(revisions(node, StreamFrom::Revision(8), Forward, 2), (vec![8, 9], true));
        assert_eq!(revisions(node, StreamFrom::Revision(4), Forward, 1), (vec![7], false));
        assert_eq!(revisions(node, StreamFrom::End, Forward, 9), (vec![], true));
        assert_eq!(revisions(node, StreamFrom::End, Backward, 9), (vec![9, 8, 7], true));
        assert_eq!(revisions(node, StreamFrom::End, Backward, 3), (vec![9, 8, 7], true));
        assert_eq!(revisions(node, StreamFrom::End, Backward, 2), (vec![9, 8], false));
        assert_eq!(revisions(node, StreamFrom::Revision(7), Backward, 2), (vec![7], true));
        assert_eq!(revisions(node, StreamFrom::Revision(6), Backward, 2), (vec![], true));
        assert_eq!(revisions(node, StreamFrom::Start, Backward, 2), (vec![], true));
        assert_eq!(all(node).len(), 11);
    });
    let node = Node::open(options.clone()).unwrap();
    set_metadata(&node, "a", r#"{"$tb":5}"#);
    assert_eq!(revisions(&node, StreamFrom::Start, Forward, 9), (vec![5, 6, 7, 8, 9], true));
    set_metadata(&node, "a", r#"{"$tb":100}"#);
    let read = page(&node, "a");
    assert!(read.exists && read.events.is_empty() && read.end);
    assert_eq!((read.first_revision, read.last_revision), (Some(10), Some(9)));
    assert_eq!(revisions(&node, StreamFrom::End, Backward, 9), (vec![], true));
    // Not JSON, by its own word or by its looks: no metadata.
    let not_json = ProposedEvent { is_json: false, ..fresh(r#"{"$tb":5}"#) };
    append(&node, vec![part("$$a", Any, vec![not_json])]).unwrap();
    assert_eq!(page(&node, "a").events.len(), 10);
    set_metadata(&node, "a", r#"{"$tb":"5"}"#);
    assert_eq!(page(&node, "a").events.len(), 10);
    stop(node);
}

#[test]
fn of_metadata_only_the_last_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path());
    for number in 0..3 {
        set_metadata(&node, "a", &format!(r#"{{"number":{number}}}"#));
    }
    assert_eq!(stream_data(&node, "$$a"), [r#"{"number":2}"#]);
    assert_eq!(page(&node, "$$a").first_revision, Some(2));
    assert_eq!(all(&node).len(), 3);
    // The stream has no event, but it exists.
    assert!(!page(&node, "a").exists);
    assert_eq!(wrong(append(&node, vec![part("b", StreamExists, vec![fresh("0")])])).2, None);
    append(&node, vec![part("a", StreamExists, vec![fresh("0")])]).unwrap();
    assert_eq!(stream_data(&node, "a"), ["0"]);
    stop(node);
}

#[test]
fn events_can_be_read_until_they_are_too_old() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path());
    append(&node, vec![part("a", NoStream, (0..5).map(|_| fresh("old")).collect())]).unwrap();
    set_metadata(&node, "a", r#"{"$maxAge":3600}"#);
    assert_eq!(page(&node, "a").events.len(), 5);
    set_metadata(&node, "a", r#"{"$maxAge":1}"#);
    run(soon(async {
        while !page(&node, "a").events.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }));
    let read = page(&node, "a");
    assert!(read.exists);
    assert_eq!((read.first_revision, read.last_revision), (Some(5), Some(4)));
    append(&node, vec![part("b", NoStream, vec![fresh("")]), part("a", Any, vec![fresh("new")])]).unwrap();
    set_metadata(&node, "a", r#"{"$maxAge":3600,"$maxCount":2}"#);
    assert_eq!(stream_data(&node, "a"), ["old", "new"]);
    stop(node);
}

#[test]
fn a_stream_and_its_metadata_may_begin_in_one_batch() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    // All have the same hash.
    options.slot_mask = 0;
    let node = Node::open(options.clone()).unwrap();
    let batch = |name: &str, metadata_first: bool| {
        let metadata = part(&format!("$${name}"), NoStream, vec![fresh(r#"{"$tb":1}"#)]);
        let events = part(name, NoStream, vec![fresh("0"), fresh("1")]);
        if metadata_first { vec![metadata, events] } else { vec![events, metadata] }
    };
    append(&node, batch("a", true)).unwrap();
    append(&node, batch("b", false)).unwrap();
    reopened(node, &options, |node| {
        for name in ["a", "b"] {
            assert_eq!(stream_data(node, name), ["1"]);
            assert_eq!(stream_data(node, &format!("$${name}")), [r#"{"$tb":1}"#]);
        }
    });
}
