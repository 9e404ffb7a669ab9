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

/// Opening is refused because the log ends before the index does: at `end` instead of `indexed`.
fn assert_tail_missing(dir: &std::path::Path, end: Position, indexed: Position) {
    let error = Node::open(options(dir)).unwrap_err();
    assert!(matches!(error, OpenError::Corrupt(_)), "{error:?}");
    let error = error.to_string();
    for part in [
        &format!("{} positions, from {end} to {indexed}, are missing", indexed - end),
        "Restore the log; or, to accept the loss, delete the index directory and start again, then rebuild the read models",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_log_that_ends_before_the_index_is_refused_until_the_index_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let events = filled(dir.path());
    // The last batch, or only its last event, is gone without a trace: as in a log restored from a copy.
    let file = dir.path().join("log/00000000000000000000.seg");
    let whole = std::fs::read(&file).unwrap();
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap() as u64 + 1;
    let lost = events[87].position;
    for zeros_from in [events[89].position, lost] {
        let mut bytes = whole.clone();
        bytes[zeros_from as usize..].fill(0);
        std::fs::write(&file, &bytes).unwrap();
        assert_tail_missing(dir.path(), lost, end);
        // Neither does it go away by itself, nor is anything changed.
        assert_tail_missing(dir.path(), lost, end);
        assert_eq!(std::fs::read(&file).unwrap(), bytes);
    }
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
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

#[test]
fn a_log_without_its_last_segments_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path());
    for number in 0..20_u32 {
        let data = format!("{number} {}", "x".repeat(10_000));
        append(&node, vec![part("a", Any, vec![fresh(&data)])]).unwrap();
    }
    let (events, end) = (all(&node), node.stats().head);
    stop(node);
    let base = end / (64 * 1024) * 64 * 1024;
    for entry in std::fs::read_dir(dir.path().join("log")).unwrap() {
        let path = entry.unwrap().path();
        let segment: u64 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        if segment >= base {
            std::fs::remove_file(path).unwrap();
        }
    }
    let lost = events.iter().position(|event| event.position > base).unwrap();
    let error = Node::open(options(dir.path())).unwrap_err().to_string();
    assert!(error.contains("are missing from the log"), "{error}");
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    let node = open(dir.path());
    assert_eq!(all(&node), events[..lost]);
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
