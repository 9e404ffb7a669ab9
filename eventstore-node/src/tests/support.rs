//! Small words for the tests.

use std::future::Future;
use std::sync::Arc;

use crate::*;

/// Options with small segments, so that tests see them roll, and no scrub.
pub(super) fn options(dir: &std::path::Path) -> NodeOptions {
    let mut options = NodeOptions::new(dir);
    options.segment_bytes = 64 * 1024;
    options.scrub_bytes_per_second = 0;
    options.index_cache_bytes = 1024 * 1024;
    options
}

pub(super) fn open(dir: &std::path::Path) -> Node {
    Node::open(options(dir)).unwrap()
}

pub(super) fn event(id: u128, data: &str) -> ProposedEvent {
    ProposedEvent {
        id: Uuid::from_u128(id),
        event_type: "happened".into(),
        is_json: true,
        data: data.to_owned().into_bytes().into(),
        metadata: format!("metadata of {data}").into_bytes().into(),
    }
}

/// An event with an id of its own.
pub(super) fn fresh(data: &str) -> ProposedEvent {
    event(Uuid::new_v4().as_u128(), data)
}

pub(super) fn part(stream: &str, expected: ExpectedRevision, events: Vec<ProposedEvent>) -> StreamAppend {
    StreamAppend { stream: stream.into(), expected, follows: None, events }
}

pub(super) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

pub(super) fn append(node: &Node, batch: Vec<StreamAppend>) -> Result<Appended, AppendError> {
    run(node.append(batch))
}

/// Everything in the log, read in pages of odd sizes.
pub(super) fn all(node: &Node) -> Vec<RecordedEvent> {
    let mut events = Vec::new();
    let mut from = AllFrom::Start;
    loop {
        let page = node.read_all(from, Direction::Forward, ReadLimit::events(7)).unwrap();
        events.extend(page.events);
        if page.end {
            return events;
        }
        from = AllFrom::Position(page.next);
    }
}

/// A stream's events' data, forward.
pub(super) fn stream_data(node: &Node, stream: &str) -> Vec<String> {
    let read = node
        .read_stream(stream, StreamFrom::Start, Direction::Forward, ReadLimit::events(usize::MAX))
        .unwrap();
    assert!(read.end);
    read.events.iter().map(data).collect()
}

pub(super) fn data(event: &RecordedEvent) -> String {
    String::from_utf8(event.data.to_vec()).unwrap()
}

pub(super) fn stop(node: Node) {
    run(node.shutdown());
}

/// The single error of an append that must fail on its revision.
pub(super) fn wrong(result: Result<Appended, AppendError>) -> (Arc<str>, usize, Option<u64>) {
    match result {
        Err(AppendError::WrongExpectedRevision { stream, append_index, current, .. }) => {
            (stream, append_index, current)
        }
        other => panic!("expected a wrong revision, got {other:?}"),
    }
}

/// What must not hang.
pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(std::time::Duration::from_secs(20), future).await.expect("this hangs")
}

/// The stream of an append or a deletion that must fail because it is deleted.
pub(super) fn deleted<T: std::fmt::Debug>(result: Result<T, AppendError>) -> Arc<str> {
    match result {
        Err(AppendError::StreamDeleted { stream }) => stream,
        other => panic!("expected a deleted stream, got {other:?}"),
    }
}

/// Reading must fail because the stream is deleted for good.
pub(super) fn gone(node: &Node, stream: &str) {
    for direction in [Direction::Forward, Direction::Backward] {
        match node.read_stream(stream, StreamFrom::Start, direction, ReadLimit::default()) {
            Err(ReadError::StreamDeleted { stream: name }) => assert_eq!(&*name, stream),
            other => panic!("expected a deleted stream, got {other:?}"),
        }
    }
    assert!(matches!(node.last_revision(stream), Err(ReadError::StreamDeleted { .. })));
}

pub(super) fn delete(node: &Node, stream: &str, expected: ExpectedRevision) -> Result<Deleted, AppendError> {
    run(node.delete_stream(stream, expected))
}

pub(super) fn tombstone(
    node: &Node,
    stream: &str,
    expected: ExpectedRevision,
) -> Result<Deleted, AppendError> {
    run(node.tombstone_stream(stream, expected))
}

/// Writes a stream's metadata.
pub(super) fn set_metadata(node: &Node, stream: &str, json: &str) {
    append(node, vec![part(&format!("$${stream}"), ExpectedRevision::Any, vec![fresh(json)])]).unwrap();
}

/// All of a stream that can be read.
pub(super) fn page(node: &Node, stream: &str) -> StreamRead {
    let limit = ReadLimit::events(usize::MAX);
    node.read_stream(stream, StreamFrom::Start, Direction::Forward, limit).unwrap()
}

/// Opens the node again in three ways: with its log as a kill would leave it, after a shutdown, and without its index.
pub(super) fn reopened(node: Node, options: &NodeOptions, check: impl Fn(&Node)) {
    check(&node);
    let copied = tempfile::tempdir().unwrap();
    std::fs::create_dir(copied.path().join("log")).unwrap();
    for entry in std::fs::read_dir(options.dir.join("log")).unwrap() {
        let path = entry.unwrap().path();
        // A segment that is just being made has another extension, and goes away.
        if path.extension().is_some_and(|extension| extension == "seg") {
            std::fs::copy(&path, copied.path().join("log").join(path.file_name().unwrap())).unwrap();
        }
    }
    let after_kill = Node::open(NodeOptions { dir: copied.path().to_owned(), ..options.clone() }).unwrap();
    check(&after_kill);
    stop(after_kill);
    stop(node);
    let node = Node::open(options.clone()).unwrap();
    check(&node);
    stop(node);
    std::fs::remove_dir_all(options.dir.join("index")).unwrap();
    let node = Node::open(options.clone()).unwrap();
    check(&node);
    stop(node);
}
