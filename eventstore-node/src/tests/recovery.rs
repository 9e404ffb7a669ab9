//! Where the log ends after a crash, and damage that is none.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::support::*;
use crate::ExpectedRevision::Any;
use crate::faults::{DiskOperation, Faults};
use crate::log::Log;
use crate::log::reader::Forward;
use crate::log::recovery::{Tail, recover};
use crate::log::segment;
use crate::*;

/// Holds the writer before a write until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default, PartialEq)]
enum GateState {
    #[default]
    Closed,
    /// The writer is waiting.
    Held,
    Open,
}

impl Gate {
    fn faults(&self) -> Faults {
        let gate = self.clone();
        Faults::plan(move |operation| {
            let mut state = gate.0.0.lock();
            while operation == DiskOperation::Write && *state != GateState::Open {
                *state = GateState::Held;
                gate.0.1.notify_all();
                gate.0.1.wait(&mut state);
            }
            Ok(())
        })
    }

    fn wait_until_held(&self) {
        let mut state = self.0.0.lock();
        while *state != GateState::Held {
            self.0.1.wait(&mut state);
        }
    }

    fn open(&self) {
        *self.0.0.lock() = GateState::Open;
        self.0.1.notify_all();
    }
}

/// A log of a first group of one batch, and a second, last one of three batches of two events. Returns its only segment
/// file and its events.
fn two_groups(dir: &Path) -> (PathBuf, Vec<RecordedEvent>) {
    let gate = Gate::default();
    let mut options = options(dir);
    options.faults = gate.faults();
    let node = Node::open(options).unwrap();
    run(async {
        let mut pending = Vec::new();
        for number in 0..4 {
            let slot = node.reserve().await.unwrap();
            pending.push(slot.submit(vec![
                part("a", Any, vec![fresh(&format!("a{number}"))]),
                part("b", Any, vec![fresh(&format!("b{number}"))]),
            ]));
            // The writer has the first one alone.
            if number == 0 {
                gate.wait_until_held();
            }
        }
        gate.open();
        for pending in pending {
            pending.await.unwrap();
        }
    });
    assert_eq!(node.stats().syncs, 2);
    let events = all(&node);
    stop(node);
    std::fs::remove_dir_all(dir.join("index")).unwrap();
    (segment_file(dir, 0), events)
}

fn segment_file(dir: &Path, base: u64) -> PathBuf {
    dir.join(format!("log/{base:020}.seg"))
}

fn open_log(dir: &Path) -> Result<Log, OpenError> {
    let dir = dir.join("log");
    let (id, segments) = segment::list(&dir)?.unwrap();
    Ok(Log::new(&dir, id, segments))
}

/// Recovers the log and returns the positions left.
fn recovered(dir: &Path) -> Result<(Tail, Vec<Position>), OpenError> {
    let log = open_log(dir)?;
    let tail = recover(&log, 0, u64::MAX)?;
    let mut reader = Forward::new(&log, 0, tail.end, 4096);
    let mut positions = Vec::new();
    while let Some(found) = reader.next()? {
        positions.push(found.record.place.position);
    }
    Ok((tail, positions))
}

fn positions(events: &[RecordedEvent]) -> Vec<Position> {
    events.iter().map(|event| event.position).collect()
}

/// The end of the last event.
fn end_of(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
}

#[test]
fn a_last_group_torn_at_any_byte_is_cut_to_its_whole_batches() {
    let dir = tempfile::tempdir().unwrap();
    let (file, events) = two_groups(dir.path());
    let whole = std::fs::read(&file).unwrap();
    let (group, end) = (events[2].position as usize, end_of(&whole));
    let positions = positions(&events);
    for at in group..end {
        let kept =
            positions.iter().filter(|position| **position <= at as u64).count().saturating_sub(1) / 2 * 2;
        // What was written ends here: the file, or its bytes; or the bytes are others.
        let zeroed = [&whole[..at], &vec![0; whole.len() - at]].concat();
        let noise: Vec<u8> = (at..end).map(|n| whole[n] ^ (n as u8 | 1)).collect();
        let garbage = [&whole[..at], &noise, &whole[end..]].concat();
        let hole = [&whole[..at], &[!whole[at]], &whole[at + 1..]].concat();
        for (kind, bytes) in
            [("cut", &whole[..at]), ("zero", &zeroed), ("garbage", &garbage), ("hole", &hole)]
        {
            std::fs::write(&file, bytes).unwrap();
            let (tail, left) =
                recovered(dir.path()).unwrap_or_else(|error| panic!("{kind} at {at}: {error}"));
            assert_eq!(left, positions[..kept], "{kind} at {at}");
            assert_eq!(tail.head, positions[kept - 1]);
            // Nothing is left of the rest, so nothing can come back.
            let cleaned = std::fs::read(&file).unwrap();
            assert_eq!(cleaned.len(), whole.len());
            assert!(cleaned[tail.end as usize..].iter().all(|byte| *byte == 0), "{kind} at {at}");
        }
    }
}

#[test]
fn damage_to_a_synced_group_is_refused_with_file_and_offset() {
    let dir = tempfile::tempdir().unwrap();
    let (file, events) = two_groups(dir.path());
    let whole = std::fs::read(&file).unwrap();
    for at in events[0].position..events[2].position {
        let mut bytes = whole.clone();
        bytes[at as usize] ^= 0x10;
        std::fs::write(&file, &bytes).unwrap();
        let record = if at < events[1].position { events[0].position } else { events[1].position };
        match recovered(dir.path()) {
            Err(OpenError::Corrupt(corruption)) => {
                assert_eq!(
                    (&corruption.file, corruption.offset, corruption.position),
                    (&file, record, record)
                );
                assert!(corruption.to_string().contains(&format!("{} at byte {record}", file.display())));
            }
            other => panic!("damage at {at}: {other:?}"),
        }
        assert_eq!(std::fs::read(&file).unwrap(), bytes, "a refusal changes nothing");
    }
    let mut bytes = whole.clone();
    bytes[events[0].position as usize..events[2].position as usize].fill(0);
    std::fs::write(&file, &bytes).unwrap();
    assert!(matches!(Node::open(options(dir.path())), Err(OpenError::Corrupt(_))));
}

#[test]
fn damage_to_what_the_index_has_seen_is_refused_even_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path());
    append(&node, vec![part("a", Any, vec![fresh("0")])]).unwrap();
    append(&node, vec![part("a", Any, vec![fresh("1")])]).unwrap();
    let last = node.head();
    stop(node);
    let file = segment_file(dir.path(), 0);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[last as usize + 100] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    match Node::open(options(dir.path())) {
        Err(OpenError::Corrupt(corruption)) => assert_eq!(corruption.offset, last),
        other => panic!("{other:?}"),
    }
    // Without the index this could have been a torn write, so that is what it is taken for.
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    let node = open(dir.path());
    assert_eq!(stream_data(&node, "a"), ["0"]);
    stop(node);
}

/// A log of several segments.
fn many_segments(dir: &Path) -> Vec<RecordedEvent> {
    let node = open(dir);
    for number in 0..40_u32 {
        let data = format!("{number} {}", "x".repeat(10_000));
        append(&node, vec![part("a", Any, vec![fresh(&data)])]).unwrap();
    }
    let events = all(&node);
    assert_eq!(events.len(), 40);
    assert!(node.stats().segments > 4);
    stop(node);
    events
}

#[test]
fn a_log_of_many_segments_is_read_from_any_place() {
    let dir = tempfile::tempdir().unwrap();
    let events = many_segments(dir.path());
    let mut options = options(dir.path());
    // Only the end is checked, so the ends of older segments are not known.
    options.verify_tail_bytes = 0;
    options.scrub_bytes_per_second = 1 << 30;
    let node = Node::open(options).unwrap();
    assert_eq!(all(&node), events);
    for probe in (0..events[39].position + 30_000).step_by(997) {
        let forward =
            node.read_all(AllFrom::Position(probe), Direction::Forward, ReadLimit::events(1)).unwrap();
        assert_eq!(forward.events.first(), events.iter().find(|event| event.position >= probe));
        let backward =
            node.read_all(AllFrom::Position(probe), Direction::Backward, ReadLimit::events(1)).unwrap();
        assert_eq!(backward.events.first(), events.iter().rfind(|event| event.position < probe));
    }
    stop(node);
}

#[test]
fn a_missing_or_foreign_segment_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    many_segments(dir.path());
    let second = segment_file(dir.path(), 64 * 1024);
    let bytes = std::fs::read(&second).unwrap();
    std::fs::remove_file(&second).unwrap();
    let error = Node::open(options(dir.path())).unwrap_err().to_string();
    assert!(error.contains("missing") && error.contains("65536"), "{error}");
    let other = tempfile::tempdir().unwrap();
    many_segments(other.path());
    std::fs::copy(segment_file(other.path(), 64 * 1024), &second).unwrap();
    let error = Node::open(options(dir.path())).unwrap_err().to_string();
    assert!(error.contains("another log"), "{error}");
    std::fs::write(&second, &bytes[..20]).unwrap();
    assert!(matches!(Node::open(options(dir.path())), Err(OpenError::Corrupt(_))));
    std::fs::write(&second, &bytes).unwrap();
    stop(open(dir.path()));
}

#[test]
fn a_group_torn_at_the_start_of_a_segment_is_cut_and_writing_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let events = many_segments(dir.path());
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    // The last event that is the first of its segment, and whatever follows it, is torn; in its file nothing is whole.
    let first = events.iter().rposition(|event| event.position % (64 * 1024) == 4096).unwrap();
    let base = events[first].position - 4096;
    let file = segment_file(dir.path(), base);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[4096 + 50..].fill(0);
    std::fs::write(&file, &bytes).unwrap();
    let node = open(dir.path());
    assert_eq!(all(&node), events[..first]);
    // Small enough for the rest of the segment before: positions go on there.
    for number in 0..20 {
        append(&node, vec![part("a", Any, vec![fresh(&format!("{number} {}", "y".repeat(number * 500)))])])
            .unwrap();
    }
    assert_eq!(all(&node).len(), first + 20);
    assert_eq!(node.last_revision("a").unwrap(), Some(first as u64 + 19));
    stop(node);
    let node = open(dir.path());
    assert_eq!(all(&node).len(), first + 20);
    stop(node);
}

#[test]
fn damage_in_an_old_segment_is_found_by_the_scrub_and_stops_appends() {
    let dir = tempfile::tempdir().unwrap();
    let events = many_segments(dir.path());
    let file = segment_file(dir.path(), 0);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[events[1].position as usize + 200] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let mut options = options(dir.path());
    options.verify_tail_bytes = 0;
    options.scrub_bytes_per_second = 1 << 30;
    let node = Node::open(options).unwrap();
    while node.failure().is_none() {
        std::thread::yield_now();
    }
    match append(&node, vec![part("a", Any, vec![fresh("x")])]) {
        Err(AppendError::Corrupt(corruption)) => {
            assert_eq!((corruption.file, corruption.offset), (file, events[1].position));
        }
        other => panic!("{other:?}"),
    }
    // What is whole can be read; what is not, not.
    let limit = ReadLimit::events(usize::MAX);
    assert!(node.read_all(AllFrom::Position(events[2].position), Direction::Forward, limit).is_ok());
    assert!(matches!(node.read_all(AllFrom::Start, Direction::Forward, limit), Err(ReadError::Corrupt(_))));
    assert!(matches!(
        node.read_stream("a", StreamFrom::Start, Direction::Forward, limit),
        Err(ReadError::Corrupt(_))
    ));
    stop(node);
}

#[test]
fn a_segment_of_zeros_is_refused_by_name_whichever_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let events = many_segments(dir.path());
    let last = events[39].position / (64 * 1024);
    assert!(last >= 4);
    for keep_index in [true, false] {
        if !keep_index {
            std::fs::remove_dir_all(dir.path().join("index")).unwrap();
        }
        // The last one goes unnoticed only if there is no index: nothing comes after it.
        for lost in 0..last + u64::from(keep_index) {
            let file = segment_file(dir.path(), lost * 64 * 1024);
            let whole = std::fs::read(&file).unwrap();
            let mut bytes = whole.clone();
            bytes[4096..].fill(0);
            std::fs::write(&file, &bytes).unwrap();
            for verify_tail_bytes in [0, u64::MAX] {
                // Checking only the end does not see what is lost before.
                if verify_tail_bytes == 0 && lost + 1 < last {
                    continue;
                }
                let mut options = options(dir.path());
                options.verify_tail_bytes = verify_tail_bytes;
                let error = Node::open(options).map(stop).unwrap_err().to_string();
                // Zeros at the end begin where the segment before ends.
                let named = if lost == last { lost - 1 } else { lost };
                let named = segment_file(dir.path(), named * 64 * 1024);
                assert!(error.contains(&named.display().to_string()), "{lost} of {last}: {error}");
                assert_eq!(std::fs::read(&file).unwrap(), bytes, "a refusal changes nothing");
                if !keep_index {
                    let _ = std::fs::remove_dir_all(dir.path().join("index"));
                }
            }
            std::fs::write(&file, &whole).unwrap();
        }
    }
    let node = open(dir.path());
    assert_eq!(all(&node), events);
    stop(node);
}

#[test]
fn damage_to_the_first_checked_segment_is_not_taken_for_a_torn_write() {
    let dir = tempfile::tempdir().unwrap();
    let events = many_segments(dir.path());
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    let last = events[39].position / (64 * 1024);
    // Nothing but noise is left of the segment before the last, where checking begins.
    let file = segment_file(dir.path(), (last - 1) * 64 * 1024);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[4096..].fill(7);
    std::fs::write(&file, &bytes).unwrap();
    let mut options = options(dir.path());
    options.verify_tail_bytes = 0;
    let error = Node::open(options).map(stop).unwrap_err().to_string();
    assert!(error.contains(&file.display().to_string()), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
}

#[test]
fn what_may_not_have_been_synced_is_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let (path, events) = two_groups(dir.path());
    let whole = std::fs::read(&path).unwrap();
    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    let written = |synced| {
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_modified(long_ago).unwrap();
        let tail = recover(&open_log(dir.path()).unwrap(), synced, u64::MAX).unwrap();
        assert_eq!(tail.head, events[7].position);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        file.metadata().unwrap().modified().unwrap() != long_ago
    };
    // The index may have moved on in the middle of the last group.
    assert!(written(0));
    assert!(written(events[7].position));
    // It has everything: all of it was synced.
    assert!(!written(end_of(&whole) as u64));
}

#[test]
fn missing_directories_are_made() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("not/there/yet");
    let node = open(&deep);
    append(&node, vec![part("a", Any, vec![fresh("0")])]).unwrap();
    stop(node);
    let node = open(&deep);
    assert_eq!(stream_data(&node, "a"), ["0"]);
    stop(node);
}

#[test]
fn a_larger_segment_size_leaves_no_segment_out() {
    let dir = tempfile::tempdir().unwrap();
    many_segments(dir.path());
    let mut larger = options(dir.path());
    larger.segment_bytes = 256 * 1024;
    let node = Node::open(larger.clone()).unwrap();
    // Too large for the segments that were made before.
    let batch = || vec![part("b", Any, vec![fresh(&"y".repeat(100_000))])];
    assert!(matches!(append(&node, batch()), Err(AppendError::TooLarge { .. })));
    for number in 0..20_u32 {
        append(&node, vec![part("b", Any, vec![fresh(&format!("{number} {}", "y".repeat(10_000)))])])
            .unwrap();
    }
    stop(node);
    let node = Node::open(larger).unwrap();
    append(&node, batch()).unwrap();
    assert_eq!(all(&node).len(), 61);
    stop(node);
    assert_eq!(all(&open(dir.path())).len(), 61);
}
