//! The node against a list of events, with random operations.

use proptest::prelude::*;

use super::support::*;
use crate::*;

#[derive(Clone, Debug)]
enum Operation {
    Append(Vec<Part>),
    Delete { stream: u8, expected: u8, for_good: bool },
    ReadStream { stream: u8, metadata: bool, from: Option<u8>, forward: bool, limit: u8 },
    ReadAll(Option<u16>, bool, u8),
    Reopen { lose_index: bool },
}

#[derive(Clone, Debug)]
struct Part {
    stream: u8,
    expected: u8,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Events { count: u8, size: u16 },
    Metadata(String),
}

fn part_strategy() -> impl Strategy<Value = Part> {
    let events = (1..4_u8, 0..3000_u16).prop_map(|(count, size)| What::Events { count, size });
    let metadata = prop_oneof![
        (1..5_u8).prop_map(|count| format!(r#"{{"$maxCount":{count}}}"#)),
        (0..20_u8).prop_map(|before| format!(r#"{{"$tb":{before},"mine":[{before}]}}"#)),
        (1..9_u8, 0..9_u8).prop_map(|(count, before)| format!(r#"{{"$maxCount":{count},"$tb":{before}}}"#)),
        any::<u8>().prop_map(|mine| format!(r#"{{"$tb":9223372036854775807,"mine":{mine}}}"#)),
        Just("{}".to_owned()),
        Just("nonsense".to_owned()),
    ];
    let what = prop_oneof![5 => events, 1 => metadata.prop_map(What::Metadata)];
    (0..4_u8, 0..8_u8, what).prop_map(|(stream, expected, what)| Part { stream, expected, what })
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        12 => prop::collection::vec(part_strategy(), 1..4).prop_map(Operation::Append),
        3 => (0..5_u8, 0..8_u8, prop::bool::weighted(0.1))
            .prop_map(|(stream, expected, for_good)| Operation::Delete { stream, expected, for_good }),
        8 => (0..5_u8, prop::bool::weighted(0.2), prop::option::of(0..40_u8), any::<bool>(), 0..12_u8).prop_map(
            |(stream, metadata, from, forward, limit)| Operation::ReadStream { stream, metadata, from, forward, limit }
        ),
        6 => (prop::option::of(any::<u16>()), any::<bool>(), 0..12_u8)
            .prop_map(|(from, forward, limit)| Operation::ReadAll(from, forward, limit)),
        2 => any::<bool>().prop_map(|lose_index| Operation::Reopen { lose_index }),
    ]
}

/// What the log should hold: stream, revision, data.
type Model = Vec<(String, u64, String)>;

/// What a stream's metadata should say.
#[derive(Clone, Debug, Default)]
struct Says {
    exists: bool,
    keys: serde_json::Map<String, serde_json::Value>,
}

impl Says {
    fn number(&self, key: &str) -> Option<u64> {
        self.keys.get(key)?.as_u64()
    }

    fn soft_deleted(&self) -> bool {
        self.number("$tb") == Some(DELETED_REVISION)
    }

    fn first(&self, last: u64) -> u64 {
        let by_count = self.number("$maxCount").map_or(0, |count| (last + 1).saturating_sub(count));
        by_count.max(self.number("$tb").unwrap_or(0))
    }
}

fn last_revision(model: &Model, stream: &str) -> Option<u64> {
    model.iter().rfind(|event| event.0 == stream).map(|event| event.1)
}

fn says(model: &Model, stream: &str) -> Says {
    if stream.starts_with("$$") {
        return Says { exists: false, keys: [("$maxCount".to_owned(), 1.into())].into_iter().collect() };
    }
    let event = model.iter().rfind(|event| event.0 == format!("$${stream}"));
    Says {
        exists: event.is_some(),
        keys: event.and_then(|event| serde_json::from_str(&event.2).ok()).unwrap_or_default(),
    }
}

fn for_good(model: &Model, stream: &str) -> bool {
    let original = stream.strip_prefix("$$").unwrap_or(stream);
    last_revision(model, original) == Some(DELETED_REVISION)
}

#[derive(Debug, PartialEq)]
enum Refused {
    Wrong(String, usize, Option<u64>),
    Deleted(String),
}

fn refused<T: std::fmt::Debug>(result: Result<T, AppendError>) -> Refused {
    match result {
        Err(AppendError::WrongExpectedRevision { stream, append_index, current, .. }) => {
            Refused::Wrong(stream.to_string(), append_index, current)
        }
        Err(AppendError::StreamDeleted { stream }) => Refused::Deleted(stream.to_string()),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// What to expect of a stream, and why it must be refused, if so.
fn expectation(model: &Model, name: &str, kind: u8, index: usize) -> (ExpectedRevision, Option<Refused>) {
    use ExpectedRevision::{Any, Exact, NoStream, StreamExists};
    let (last, says) = (last_revision(model, name), says(model, name));
    let (expected, right) = match kind {
        0 => (NoStream, last.is_none() || says.soft_deleted()),
        1 => (StreamExists, last.is_some() || says.exists),
        2 => (Exact(7), last == Some(7)),
        3..6 => (last.map_or(NoStream, Exact), true),
        _ => (Any, true),
    };
    let deleted = for_good(model, name) || (expected == StreamExists && says.soft_deleted());
    let refused = match right {
        _ if deleted => Some(Refused::Deleted(name.to_owned())),
        true => None,
        false => Some(Refused::Wrong(name.to_owned(), index, last)),
    };
    (expected, refused)
}

fn push(model: &mut Model, stream: &str, data: String) {
    let next = last_revision(model, stream).map_or(0, |last| last + 1);
    model.push((stream.to_owned(), next, data));
}

/// Metadata that brings a deleted stream back, as of a revision.
fn push_restored(model: &mut Model, stream: &str, revision: u64) {
    let mut keys = says(model, stream).keys;
    keys.insert("$tb".to_owned(), revision.into());
    push(model, &format!("$${stream}"), serde_json::Value::Object(keys).to_string());
}

/// Appends to both and checks that they agree.
fn append_both(node: &Node, model: &mut Model, parts: &[Part]) {
    let mut after = model.clone();
    let mut expected_error = None;
    let mut batch = Vec::new();
    for Part { stream, expected, what } in parts {
        let stream = format!("s{stream}");
        let name = if matches!(what, What::Metadata(_)) { format!("$${stream}") } else { stream.clone() };
        let (expected, error) = expectation(&after, &name, *expected, batch.len());
        expected_error = expected_error.or(error);
        let was_deleted = says(&after, &stream).soft_deleted();
        let goes_on_at = last_revision(&after, &stream).map_or(0, |last| last.saturating_add(1));
        let texts: Vec<_> = match what {
            What::Events { count, size } => {
                (0..*count).map(|number| format!("{number} {}", "x".repeat((*size).into()))).collect()
            }
            What::Metadata(text) => vec![text.clone()],
        };
        for text in &texts {
            push(&mut after, &name, text.clone());
        }
        let stays_deleted = name != stream && says(&after, &stream).soft_deleted();
        if was_deleted && !stays_deleted {
            push_restored(&mut after, &stream, goes_on_at);
        }
        batch.push(part(&name, expected, texts.iter().map(|text| fresh(text)).collect()));
    }
    let result = append(node, batch);
    match expected_error {
        Some(error) => assert_eq!(refused(result), error),
        None => {
            let streams = result.unwrap().streams;
            assert_eq!(streams.len(), parts.len());
            *model = after;
        }
    }
}

fn delete_both(node: &Node, model: &mut Model, stream: u8, kind: u8, for_good: bool) {
    let name = format!("s{stream}");
    let (expected, mut error) = expectation(model, &name, kind, 0);
    if !for_good && last_revision(model, &name).is_none() && !says(model, &name).exists {
        error = Some(Refused::Wrong(name.clone(), 0, None));
    }
    let result = if for_good { tombstone(node, &name, expected) } else { delete(node, &name, expected) };
    match error {
        Some(error) => assert_eq!(refused(result), error),
        None => {
            assert_eq!(result.unwrap().position, node.head());
            if for_good {
                model.push((name, DELETED_REVISION, String::new()));
            } else {
                push(model, &format!("$${name}"), r#"{"$tb":9223372036854775807}"#.to_owned());
            }
        }
    }
}

fn plain(events: &[RecordedEvent]) -> Model {
    events.iter().map(|event| (event.stream.to_string(), event.revision, data(event))).collect()
}

fn check_stream(node: &Node, model: &Model, name: &str, from: Option<u8>, forward: bool, limit: u8) {
    if for_good(model, name) {
        return gone(node, name);
    }
    let (last, says) = (last_revision(model, name), says(model, name));
    let first = last.filter(|_| !says.soft_deleted()).map(|last| says.first(last));
    let mut expected: Model = model.iter().filter(|event| event.0 == name).cloned().collect();
    expected.retain(|event| first.is_some_and(|first| event.1 >= first));
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
    let read = node.read_stream(name, start, direction, ReadLimit::events(limit.into())).unwrap();
    assert_eq!((read.exists, read.last_revision), (first.is_some(), last));
    assert_eq!(read.first_revision, first.map(|first| first.min(last.unwrap() + 1)), "{name} {says:?}");
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
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_node_behaves_like_a_list(
        operations in prop::collection::vec(operation(), 1..60),
        few_marks in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut options = options(dir.path());
        options.index_batch_events = 16;
        options.cached_heads = 2;
        // All streams but a few share their hash.
        options.slot_mask = 1;
        if few_marks {
            options.marks = 1;
        }
        let mut node = Node::open(options.clone()).unwrap();
        let mut model = Model::new();
        for operation in operations {
            match operation {
                Operation::Append(parts) => append_both(&node, &mut model, &parts),
                Operation::Delete { stream, expected, for_good } => {
                    delete_both(&node, &mut model, stream, expected, for_good);
                }
                Operation::ReadStream { stream, metadata, from, forward, limit } => {
                    let name = format!("{}s{stream}", if metadata { "$$" } else { "" });
                    check_stream(&node, &model, &name, from, forward, limit);
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
        for stream in 0..5 {
            check_stream(&node, &model, &format!("s{stream}"), None, true, 12);
        }
    }
}
