//! The node against a list of events, with random operations.

use proptest::prelude::*;

use super::support::*;
use crate::*;

#[derive(Clone, Debug)]
enum Operation {
    Append(Vec<(u8, u8, u8, u16)>),
    ReadStream(u8, Option<u8>, bool, u8),
    ReadAll(Option<u16>, bool, u8),
    Reopen { lose_index: bool },
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => prop::collection::vec((0..4_u8, 0..8_u8, 1..4_u8, 0..3000_u16), 1..4).prop_map(Operation::Append),
        3 => (0..5_u8, prop::option::of(0..40_u8), any::<bool>(), 0..12_u8)
            .prop_map(|(stream, from, forward, limit)| Operation::ReadStream(stream, from, forward, limit)),
        3 => (prop::option::of(any::<u16>()), any::<bool>(), 0..12_u8)
            .prop_map(|(from, forward, limit)| Operation::ReadAll(from, forward, limit)),
        1 => any::<bool>().prop_map(|lose_index| Operation::Reopen { lose_index }),
    ]
}

/// What the log should hold: stream, revision, data.
type Model = Vec<(String, u64, String)>;

fn last_revision(model: &Model, stream: &str) -> Option<u64> {
    model.iter().rfind(|event| event.0 == stream).map(|event| event.1)
}

/// Appends to both and checks that they agree.
fn append_both(node: &Node, model: &mut Model, parts: &[(u8, u8, u8, u16)]) {
    let mut after = model.clone();
    let mut expected_error = None;
    let mut batch = Vec::new();
    for &(stream, kind, count, size) in parts {
        let name = format!("s{stream}");
        let last = last_revision(&after, &name);
        let (expected, right) = match kind {
            0 => (ExpectedRevision::NoStream, last.is_none()),
            1 => (ExpectedRevision::StreamExists, last.is_some()),
            2 => (ExpectedRevision::Exact(7), last == Some(7)),
            3..6 => (last.map_or(ExpectedRevision::NoStream, ExpectedRevision::Exact), true),
            _ => (ExpectedRevision::Any, true),
        };
        if !right && expected_error.is_none() {
            expected_error = Some((name.as_str().into(), batch.len(), last));
        }
        let mut events = Vec::new();
        for number in 0..u64::from(count) {
            let data = format!("{} {}", after.len(), "x".repeat(size.into()));
            events.push(fresh(&data));
            after.push((name.clone(), last.map_or(0, |last| last + 1) + number, data));
        }
        batch.push(part(&name, expected, events));
    }
    let result = append(node, batch);
    match expected_error {
        Some(error) => assert_eq!(wrong(result), error),
        None => {
            result.unwrap();
            *model = after;
        }
    }
}

fn plain(events: &[RecordedEvent]) -> Model {
    events.iter().map(|event| (event.stream.to_string(), event.revision, data(event))).collect()
}

fn check_stream(node: &Node, model: &Model, stream: u8, from: Option<u8>, forward: bool, limit: u8) {
    let name = format!("s{stream}");
    let mut expected: Model = model.iter().filter(|event| event.0 == name).cloned().collect();
    let last = expected.last().map(|event| event.1);
    let (direction, start) = match (forward, from) {
        (true, None) => (Direction::Forward, StreamFrom::Start),
        (false, None) => (Direction::Backward, StreamFrom::End),
        (true, Some(from)) => (Direction::Forward, StreamFrom::Revision(from.into())),
        (false, Some(from)) => (Direction::Backward, StreamFrom::Revision(from.into())),
    };
    if let Some(from) = from {
        expected.retain(|event| if forward { event.1 >= from.into() } else { event.1 <= from.into() });
    }
    if !forward {
        expected.reverse();
    }
    let read = node.read_stream(&name, start, direction, ReadLimit::events(limit.into())).unwrap();
    assert_eq!((read.exists, read.last_revision), (last.is_some(), last));
    assert_eq!(plain(&read.events), expected[..expected.len().min(limit.into())]);
    assert_eq!(read.end, expected.len() <= limit.into());
}

fn check_all(node: &Node, model: &Model, from: Option<u16>, forward: bool, limit: u8) {
    let everything = all(node);
    assert_eq!(&plain(&everything), model);
    let (direction, default) =
        if forward { (Direction::Forward, AllFrom::Start) } else { (Direction::Backward, AllFrom::End) };
    // Any number up to a little beyond the end.
    let from = from.map(|from| u64::from(from) * (node.head() + 5_000) / u64::from(u16::MAX));
    let mut expected = everything;
    if let Some(from) = from {
        expected.retain(|event| if forward { event.position >= from } else { event.position < from });
    }
    if !forward {
        expected.reverse();
    }
    let limit = usize::from(limit);
    let read =
        node.read_all(from.map_or(default, AllFrom::Position), direction, ReadLimit::events(limit)).unwrap();
    assert_eq!(read.events, expected[..expected.len().min(limit)]);
    assert_eq!(read.end, expected.len() <= limit);
    let rest = node.read_all(AllFrom::Position(read.next), direction, ReadLimit::events(usize::MAX)).unwrap();
    assert_eq!(rest.events, expected[expected.len().min(limit)..]);
    let by_bytes = ReadLimit { events: usize::MAX, bytes: 1 };
    let one = node.read_all(from.map_or(default, AllFrom::Position), direction, by_bytes).unwrap();
    assert_eq!(one.events, expected[..expected.len().min(1)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_node_behaves_like_a_list(operations in prop::collection::vec(operation(), 1..60)) {
        let dir = tempfile::tempdir().unwrap();
        let mut options = options(dir.path());
        options.index_batch_events = 16;
        options.cached_heads = 2;
        // All streams but a few share their hash.
        options.slot_mask = 1;
        let mut node = Node::open(options.clone()).unwrap();
        let mut model = Model::new();
        for operation in operations {
            match operation {
                Operation::Append(parts) => append_both(&node, &mut model, &parts),
                Operation::ReadStream(stream, from, forward, limit) => {
                    check_stream(&node, &model, stream, from, forward, limit);
                }
                Operation::ReadAll(from, forward, limit) => check_all(&node, &model, from, forward, limit),
                Operation::Reopen { lose_index } => {
                    drop(node);
                    if lose_index {
                        std::fs::remove_dir_all(dir.path().join("index")).unwrap();
                    }
                    node = Node::open(options.clone()).unwrap();
                }
            }
        }
        check_all(&node, &model, None, true, 12);
    }
}
