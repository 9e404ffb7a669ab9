//! The index is derived: it may be lost, old, or ahead.

use super::support::*;
use crate::ExpectedRevision::{Any, Exact};
use crate::*;

fn filled(dir: &std::path::Path) -> Vec<RecordedEvent> {
    let mut options = options(dir);
    options.index_batch_events = 10;
    let node = Node::open(options).unwrap();
    for number in 0..30 {
        append(
            &node,
            vec![
                part("hot", Any, vec![fresh(&number.to_string())]),
                part(&format!("s{number}"), Any, vec![fresh("once"), fresh("twice")]),
            ],
        )
        .unwrap();
    }
    let events = all(&node);
    stop(node);
    events
}

fn check(node: &Node, events: &[RecordedEvent]) {
    assert_eq!(all(node), events);
    assert_eq!(stream_data(node, "hot").len(), 30);
    let limit = ReadLimit::events(4);
    let page = node.read_stream("hot", StreamFrom::Revision(20), Direction::Backward, limit).unwrap();
    assert_eq!(page.events.iter().map(|event| event.revision).collect::<Vec<_>>(), [20, 19, 18, 17]);
    for number in 0..30 {
        assert_eq!(stream_data(node, &format!("s{number}")), ["once", "twice"]);
    }
    assert_eq!(node.last_revision("none").unwrap(), None);
}

#[test]
fn a_lost_index_is_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let events = filled(dir.path());
    let node = open(dir.path());
    check(&node, &events);
    stop(node);
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    let node = open(dir.path());
    check(&node, &events);
    stop(node);
}

#[test]
fn an_unreadable_or_foreign_index_is_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let events = filled(dir.path());
    std::fs::write(dir.path().join("index/version"), b"nonsense").unwrap();
    let node = open(dir.path());
    check(&node, &events);
    stop(node);
    let other = tempfile::tempdir().unwrap();
    filled(other.path());
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    std::fs::rename(other.path().join("index"), dir.path().join("index")).unwrap();
    let node = open(dir.path());
    check(&node, &events);
    stop(node);
}

#[test]
fn an_old_index_is_caught_up() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let old = tempfile::tempdir().unwrap();
    copy(&dir.path().join("index"), &old.path().join("index"));
    let node = open(dir.path());
    append(&node, vec![part("hot", Exact(29), vec![fresh("30")])]).unwrap();
    append(&node, vec![part("new", Any, vec![fresh("0")])]).unwrap();
    stop(node);
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    copy(&old.path().join("index"), &dir.path().join("index"));
    let node = open(dir.path());
    assert_eq!(node.last_revision("hot").unwrap(), Some(30));
    assert_eq!(stream_data(&node, "new"), ["0"]);
    assert_eq!(node.stats().index_lag, 2);
    stop(node);
}

#[test]
fn an_index_ahead_of_the_log_is_cut_back() {
    let dir = tempfile::tempdir().unwrap();
    let events = filled(dir.path());
    // The last batch is gone without a trace: as in a log restored from a copy.
    let file = dir.path().join("log/00000000000000000000.seg");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[events[87].position as usize..].fill(0);
    std::fs::write(&file, &bytes).unwrap();
    let node = open(dir.path());
    assert_eq!(all(&node), events[..87]);
    assert_eq!(node.last_revision("hot").unwrap(), Some(28));
    assert_eq!(node.last_revision("s29").unwrap(), None);
    append(&node, vec![part("hot", Exact(28), vec![fresh("other")])]).unwrap();
    stop(node);
    let node = open(dir.path());
    assert_eq!(stream_data(&node, "hot").last().unwrap(), "other");
    stop(node);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
