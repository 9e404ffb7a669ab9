//! A disk that fails: nothing acknowledged is lost, nothing unsynced is shown.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::support::*;
use crate::ExpectedRevision::Any;
use crate::faults::{DiskOperation, Faults};
use crate::*;

/// Fails the `nth` (from 1) of an operation, only that one.
fn fail_nth(operation: DiskOperation, nth: u32) -> Faults {
    let count = AtomicU32::new(0);
    Faults::plan(move |now| {
        if now == operation && count.fetch_add(1, Ordering::Relaxed) + 1 == nth {
            return Err(io::Error::other("the disk is broken"));
        }
        Ok(())
    })
}

fn full_while(full: &Arc<AtomicBool>, operation: DiskOperation) -> Faults {
    let full = full.clone();
    Faults::plan(move |now| {
        if now == operation && full.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    })
}

#[test]
fn after_a_failed_write_or_sync_no_append_is_taken_until_a_restart() {
    for operation in [DiskOperation::Write, DiskOperation::Sync] {
        let dir = tempfile::tempdir().unwrap();
        let mut faulty = options(dir.path());
        faulty.faults = fail_nth(operation, 3);
        let node = Node::open(faulty).unwrap();
        let mut subscription = node.subscribe_all(None);
        let try_append = |number: u32| append(&node, vec![part("a", Any, vec![fresh(&number.to_string())])]);
        try_append(0).unwrap();
        try_append(1).unwrap();
        for number in 2..5 {
            let error = try_append(number).unwrap_err();
            assert!(matches!(error, AppendError::Poisoned { .. }), "{error:?}");
            assert!(error.to_string().contains("the disk is broken"), "{error}");
        }
        assert!(node.failure().is_some());
        // Reads go on, and show what is synced.
        assert_eq!(stream_data(&node, "a"), ["0", "1"]);
        assert_eq!(all(&node).len(), 2);
        assert_eq!(run(subscription.next_batch(10)).unwrap().len(), 2);
        stop(node);
        let node = open(dir.path());
        let data = stream_data(&node, "a");
        // A write that was not synced may have reached the disk.
        assert!(
            data == ["0", "1"] || (operation == DiskOperation::Sync && data == ["0", "1", "2"]),
            "{data:?}"
        );
        append(&node, vec![part("a", Any, vec![fresh("again")])]).unwrap();
        stop(node);
    }
}

#[test]
fn a_full_disk_stops_appends_but_not_reads_until_there_is_space() {
    let dir = tempfile::tempdir().unwrap();
    let full = Arc::new(AtomicBool::new(false));
    let mut faulty = options(dir.path());
    faulty.faults = full_while(&full, DiskOperation::Allocate);
    let node = Node::open(faulty).unwrap();
    full.store(true, Ordering::Relaxed);
    let large = "x".repeat(20_000);
    let mut written = 0;
    let error = loop {
        match append(&node, vec![part("a", Any, vec![fresh(&large)])]) {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AppendError::StorageFull { .. }), "{error:?}");
    assert!(written > 0);
    for _ in 0..3 {
        let refused = append(&node, vec![part("a", Any, vec![fresh(&large)])]);
        assert!(matches!(refused, Err(AppendError::StorageFull { .. })));
    }
    assert_eq!(stream_data(&node, "a").len(), written);
    assert!(node.failure().is_none());
    full.store(false, Ordering::Relaxed);
    for _ in 0..10 {
        append(&node, vec![part("a", Any, vec![fresh(&large)])]).unwrap();
    }
    stop(node);
    let node = open(dir.path());
    assert_eq!(stream_data(&node, "a").len(), written + 10);
    stop(node);
}

#[test]
fn an_index_that_cannot_be_written_stops_appends_before_memory_grows() {
    let dir = tempfile::tempdir().unwrap();
    let full = Arc::new(AtomicBool::new(true));
    let mut faulty = options(dir.path());
    faulty.index_batch_events = 10;
    faulty.faults = full_while(&full, DiskOperation::Index);
    let node = Node::open(faulty).unwrap();
    let mut written = 0;
    let error = loop {
        match append(&node, vec![part("a", Any, vec![fresh("x")])]) {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AppendError::StorageFull { .. }), "{error:?}");
    assert!(written <= 30, "{written}");
    assert_eq!(stream_data(&node, "a").len(), written);
    full.store(false, Ordering::Relaxed);
    while append(&node, vec![part("b", Any, vec![fresh("x")])]).is_err() {
        std::thread::yield_now();
    }
    stop(node);
    let node = open(dir.path());
    assert_eq!(stream_data(&node, "a").len(), written);
    stop(node);
}

#[test]
fn a_second_node_in_the_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path());
    let error = Node::open(options(dir.path())).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }));
    assert!(error.to_string().contains(&dir.path().display().to_string()), "{error}");
    // The lock ends with the shutdown, whoever still has a handle.
    let handle = node.clone();
    stop(node);
    let second = open(dir.path());
    assert!(matches!(append(&handle, vec![part("a", Any, vec![fresh("")])]), Err(AppendError::ShuttingDown)));
    assert!(matches!(handle.last_revision("a"), Err(ReadError::ShuttingDown)));
    // So it does when the last handle is dropped, in or out of a runtime.
    drop(second);
    run(async { drop(open(dir.path())) });
    stop(open(dir.path()));
}

/// Panics on the `nth` (from 1) of an operation.
fn panic_nth(operation: DiskOperation, nth: u32) -> Faults {
    let count = AtomicU32::new(0);
    Faults::plan(move |now| {
        assert!(now != operation || count.fetch_add(1, Ordering::Relaxed) + 1 != nth, "on purpose");
        Ok(())
    })
}

#[test]
fn a_thread_that_panics_leaves_nobody_waiting() {
    // The writer itself; the thread that makes segments, once the first two are there; the one that moves the index.
    for (operation, nth) in
        [(DiskOperation::Sync, 5), (DiskOperation::Allocate, 3), (DiskOperation::Index, 1)]
    {
        let dir = tempfile::tempdir().unwrap();
        let mut faulty = options(dir.path());
        faulty.index_batch_events = 10;
        faulty.faults = panic_nth(operation, nth);
        let node = Node::open(faulty).unwrap();
        let large = "x".repeat(10_000);
        let written = run(async {
            let late = node.reserve().await.unwrap();
            let mut written = 0;
            let error = loop {
                match soon(node.append(vec![part("a", Any, vec![fresh(&large)])])).await {
                    Ok(_) => written += 1,
                    Err(error) => break error,
                }
            };
            assert!(matches!(error, AppendError::Poisoned { .. }), "{operation:?}: {error:?}");
            assert!(error.to_string().contains("panicked"), "{error}");
            let late = soon(late.submit(vec![part("a", Any, vec![fresh("late")])])).await;
            assert!(matches!(late, Err(AppendError::Poisoned { .. })), "{operation:?}: {late:?}");
            assert!(matches!(soon(node.reserve()).await, Err(AppendError::Poisoned { .. })));
            assert_eq!(node.stats().queued_bytes, 0);
            soon(node.shutdown()).await;
            written
        });
        let node = open(dir.path());
        let left = stream_data(&node, "a").len();
        // The one that was not answered may be there.
        assert!(left == written || (operation == DiskOperation::Sync && left == written + 1));
        stop(node);
    }
}
