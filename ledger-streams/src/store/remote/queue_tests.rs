//! The order of appends, without a server.

use std::borrow::Cow;

use bytes::Bytes;
use eventstore_node::{ExpectedRevision, ProposedEvent, StreamAppend};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::group::Group;
use super::queue::{GroupFailure, Outcome, Queue};
use crate::store::{AppendFailure, Placed, after};
use crate::{JOINED_APPEND_BYTES_MAX, JOINED_APPEND_EVENTS_MAX, StoreError};

type Answer = oneshot::Receiver<Outcome>;

fn event(id: u128, bytes: usize) -> ProposedEvent {
    ProposedEvent {
        id: Uuid::from_u128(id),
        event_type: Cow::Borrowed("T"),
        is_json: false,
        data: Bytes::from(vec![0; bytes]),
        metadata: Bytes::new(),
    }
}

/// Events for a stream that has `events` already, with these ids.
fn part(stream: &str, events: u64, ids: &[u128]) -> StreamAppend {
    let events_ = ids.iter().map(|id| event(*id, 10)).collect();
    StreamAppend { stream: stream.into(), expected: after(events), follows: None, events: events_ }
}

fn following(id: u128, append: StreamAppend) -> StreamAppend {
    StreamAppend { follows: Some(Uuid::from_u128(id)), ..append }
}

struct Bench {
    queue: Queue,
    position: u64,
}

impl Bench {
    fn new() -> Self {
        Self { queue: Queue::new(), position: 0 }
    }

    /// Queues a batch; also the lane to run.
    fn submit(&mut self, batch: Vec<StreamAppend>) -> (Answer, Option<String>) {
        let (sender, answer) = oneshot::channel();
        let lane = self.queue.submit(batch, sender, None);
        (answer, lane.map(|lane| lane.to_string()))
    }

    fn take(&mut self, stream: &str) -> Option<Vec<u128>> {
        self.queue.take(stream).map(|group| ids(&group))
    }

    fn written(&mut self, stream: &str) -> Vec<String> {
        self.position += 100;
        let last = Placed { revision: 9_999, position: self.position };
        self.queue.written(stream, last).iter().map(ToString::to_string).collect()
    }

    fn conflict(&mut self, stream: &str) -> Vec<String> {
        self.queue.failed(stream, &GroupFailure::Conflict).iter().map(ToString::to_string).collect()
    }

    fn lost(&mut self, stream: &str) {
        self.queue.failed(stream, &GroupFailure::Store(StoreError::Unavailable("gone".into())));
    }
}

fn ids(group: &Group) -> Vec<u128> {
    group.events.iter().map(|event| event.id.as_u128()).collect()
}

fn placed(answer: &mut Answer) -> Vec<(u64, u64)> {
    let placed = answer.try_recv().expect("an answer").expect("a success");
    placed.iter().map(|placed| (placed.revision, placed.position)).collect()
}

fn conflict(answer: &mut Answer) -> usize {
    match answer.try_recv().expect("an answer") {
        Err(AppendFailure::Conflict(part)) => part,
        other => panic!("{other:?}"),
    }
}

fn lost(answer: &mut Answer) -> bool {
    matches!(answer.try_recv(), Ok(Err(AppendFailure::Store(StoreError::Unavailable(_)))))
}

fn waits(answer: &mut Answer) -> bool {
    matches!(answer.try_recv(), Err(oneshot::error::TryRecvError::Empty))
}

#[test]
fn what_follows_each_other_is_written_together_while_nothing_overtakes() {
    let mut bench = Bench::new();
    let (mut first, lane) = bench.submit(vec![part("a", 5, &[1, 2])]);
    assert_eq!(lane.as_deref(), Some("a"));
    assert_eq!(bench.take("a"), Some(vec![1, 2]));
    // Queued while that is being written.
    let (mut second, lane) = bench.submit(vec![part("a", 7, &[3])]);
    assert_eq!(lane, None);
    let (mut third, _) = bench.submit(vec![part("a", 8, &[4, 5])]);
    let (mut elsewhere, lane) = bench.submit(vec![part("b", 0, &[6])]);
    assert_eq!(lane.as_deref(), Some("b"), "another stream does not wait");
    assert_eq!(bench.take("a"), None, "nothing overtakes");
    bench.written("a");
    assert_eq!(placed(&mut first), [(6, 100)]);
    assert_eq!(bench.take("a"), Some(vec![3, 4, 5]));
    bench.written("a");
    assert_eq!((placed(&mut second), placed(&mut third)), (vec![(7, 200)], vec![(9, 200)]));
    assert_eq!(bench.take("a"), None);
    assert_eq!(bench.take("b"), Some(vec![6]));
    bench.written("b");
    assert_eq!(placed(&mut elsewhere), [(0, 300)]);
}

#[test]
fn one_append_is_bounded_and_the_beginning_of_a_stream_is_alone() {
    let mut bench = Bench::new();
    bench.submit(vec![part("a", 0, &[1])]);
    bench.submit(vec![part("a", 1, &[2])]);
    bench.submit(vec![part("a", 7, &[3])]);
    assert_eq!(bench.take("a"), Some(vec![1]));
    bench.written("a");
    assert_eq!(bench.take("a"), Some(vec![2]), "3 does not follow 2");
    bench.written("a");
    assert_eq!(bench.take("a"), Some(vec![3]));

    let many: Vec<u128> = (1_000..1_000 + JOINED_APPEND_EVENTS_MAX as u128).collect();
    bench.submit(vec![part("b", 3, &many[1..])]);
    bench.submit(vec![part("b", 2 + many.len() as u64, &[4])]);
    bench.submit(vec![part("b", 3 + many.len() as u64, &[5])]);
    assert_eq!(bench.take("b").map(|ids| ids.len()), Some(many.len()));
    bench.written("b");
    assert_eq!(bench.take("b"), Some(vec![5]));

    for number in 0..3 {
        let mut large = part("c", 3 + number, &[]);
        large.events = vec![event(50 + u128::from(number), JOINED_APPEND_BYTES_MAX * 2 / 5)];
        bench.submit(vec![large]);
    }
    assert_eq!(bench.take("c"), Some(vec![50, 51]));
}

#[test]
fn a_part_waits_for_those_before_it_in_its_batch_and_keeps_its_place_in_the_lane() {
    let mut bench = Bench::new();
    let (mut one, lane) = bench.submit(vec![part("t1", 0, &[1]), part("a", 5, &[2])]);
    assert_eq!(lane.as_deref(), Some("t1"));
    let (mut two, lane) = bench.submit(vec![part("t2", 0, &[3]), part("a", 6, &[4])]);
    assert_eq!(lane.as_deref(), Some("t2"));
    assert_eq!((bench.take("t1"), bench.take("t2"), bench.take("a")), (Some(vec![1]), Some(vec![3]), None));
    // The second's first part is written first; its second part still stands behind the first batch's.
    assert!(bench.written("t2").is_empty());
    assert_eq!(bench.take("a"), None);
    assert_eq!(bench.written("t1"), ["a"]);
    assert_eq!(bench.take("a"), Some(vec![2, 4]));
    bench.written("a");
    assert_eq!(placed(&mut one), [(0, 200), (5, 300)]);
    assert_eq!(placed(&mut two), [(0, 100), (6, 300)]);
}

#[test]
fn a_failure_takes_what_builds_on_it_along_at_once() {
    let mut bench = Bench::new();
    let (mut first, _) = bench.submit(vec![part("a", 5, &[1]), part("t", 1, &[2])]);
    bench.take("a");
    let (mut second, _) = bench.submit(vec![part("a", 6, &[3])]);
    let (mut behind_its_part, _) = bench.submit(vec![part("t", 2, &[4])]);
    let (mut last, _) = bench.submit(vec![part("z", 0, &[5]), part("a", 7, &[6])]);
    assert!(bench.conflict("a").is_empty());
    assert_eq!((conflict(&mut first), conflict(&mut second), conflict(&mut behind_its_part)), (0, 0, 0));
    // What comes before the failed part of its batch is written all the same, and then it is told.
    assert!(waits(&mut last));
    assert_eq!(bench.take("z"), Some(vec![5]));
    assert!(bench.written("z").is_empty());
    assert_eq!(conflict(&mut last), 1);
    assert_eq!((bench.take("a"), bench.take("t")), (None, None));
    // The stream itself is free for a decision made anew.
    let (_, lane) = bench.submit(vec![part("a", 6, &[7])]);
    assert_eq!(lane.as_deref(), Some("a"));
}

#[test]
fn what_does_not_build_on_a_failure_goes_on() {
    let mut bench = Bench::new();
    let (mut first, _) = bench.submit(vec![part("x", 3, &[1]), part("t", 0, &[2])]);
    bench.take("x");
    let (mut same_name, lane) = bench.submit(vec![part("t", 0, &[3])]);
    assert_eq!(lane, None, "behind the first batch's second part");
    let any = StreamAppend { expected: ExpectedRevision::Any, ..part("x", 0, &[4]) };
    let (mut any_answer, _) = bench.submit(vec![any]);
    bench.lost("x");
    assert!(lost(&mut first));
    assert!(waits(&mut same_name) && waits(&mut any_answer));
    assert_eq!((bench.take("t"), bench.take("x")), (Some(vec![3]), Some(vec![4])));
    bench.written("t");
    bench.written("x");
    assert_eq!(placed(&mut same_name), [(0, 100)]);
    assert_eq!(placed(&mut any_answer), [(9_999, 200)], "only the server knows the revision");
}

#[test]
fn a_refused_group_is_written_again_part_by_part() {
    let mut bench = Bench::new();
    let (mut first, _) = bench.submit(vec![part("a", 5, &[1])]);
    let (mut second, _) = bench.submit(vec![part("a", 6, &[2])]);
    assert_eq!(bench.take("a"), Some(vec![1, 2]));
    assert_eq!(bench.queue.split("a").map(|group| ids(&group)), Some(vec![1]));
    assert_eq!(bench.take("a"), None);
    bench.written("a");
    assert_eq!(placed(&mut first), [(5, 100)]);
    assert_eq!(bench.take("a"), Some(vec![2]));
    bench.conflict("a");
    assert_eq!(conflict(&mut second), 0);
}

#[test]
fn a_group_of_unknown_outcome_leaves_none_of_its_parts_a_conflict() {
    let mut bench = Bench::new();
    let (mut first, _) = bench.submit(vec![part("a", 5, &[1])]);
    let (mut second, _) = bench.submit(vec![part("a", 6, &[2])]);
    bench.take("a");
    let (mut behind, _) = bench.submit(vec![part("a", 7, &[3])]);
    bench.lost("a");
    assert!(lost(&mut first) && lost(&mut second));
    assert_eq!(conflict(&mut behind), 0, "this one was never sent");
}

#[test]
fn nothing_follows_an_event_that_failed_even_if_its_revision_was_taken() {
    let mut bench = Bench::new();
    bench.submit(vec![part("a", 5, &[1])]);
    bench.take("a");
    bench.conflict("a");
    // Somebody else's event has revision 5 now; a decision made on event 1 must not follow it.
    let (mut late, lane) = bench.submit(vec![part("t", 0, &[2]), following(1, part("a", 6, &[3]))]);
    assert_eq!(lane.as_deref(), Some("t"));
    assert_eq!(bench.take("a"), None);
    bench.take("t");
    bench.written("t");
    assert_eq!(conflict(&mut late), 1);
    // Nor what was decided on that in turn.
    let (mut later, _) = bench.submit(vec![following(3, part("a", 7, &[4]))]);
    assert_eq!(conflict(&mut later), 0);
    // A decision on what is there is welcome.
    let (_, lane) = bench.submit(vec![following(77, part("a", 6, &[5]))]);
    assert_eq!(lane.as_deref(), Some("a"));
}

#[test]
fn an_event_that_turns_up_in_the_log_can_be_followed() {
    let mut bench = Bench::new();
    for id in [1, 2] {
        bench.submit(vec![part("a", 5, &[id])]);
        bench.take("a");
        bench.lost("a");
    }
    // Read in the log after all.
    bench.queue.seen([Uuid::from_u128(1)].into_iter());
    // Written by a repetition.
    bench.submit(vec![part("a", 5, &[2])]);
    bench.take("a");
    bench.written("a");
    for id in [1, 2] {
        let (_, lane) = bench.submit(vec![following(id, part("a", 6, &[3]))]);
        assert_eq!(lane.as_deref(), Some("a"));
        bench.take("a");
        bench.written("a");
    }
}

#[test]
fn two_parts_of_one_batch_may_go_to_one_stream() {
    let mut bench = Bench::new();
    let (mut answer, _) = bench.submit(vec![part("a", 5, &[1]), part("b", 0, &[2]), part("a", 6, &[3])]);
    assert_eq!(bench.take("a"), Some(vec![1]));
    assert_eq!(bench.written("a"), ["b"]);
    assert_eq!(bench.take("a"), None);
    bench.take("b");
    assert_eq!(bench.written("b"), ["a"]);
    assert_eq!(bench.take("a"), Some(vec![3]));
    bench.written("a");
    assert_eq!(placed(&mut answer), [(5, 100), (0, 200), (6, 300)]);
}

#[test]
fn an_empty_batch_is_written_at_once() {
    let (mut answer, lane) = Bench::new().submit(vec![]);
    assert!(placed(&mut answer).is_empty() && lane.is_none());
}
