//! What a group must never do, whatever consumers do.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::RecordedEvent;

fn event(number: u64) -> ResolvedEvent {
    ResolvedEvent::Event(RecordedEvent {
        id: Uuid::from_u128(u128::from(number) + 1),
        stream: format!("s-{}", number % 5).into(),
        revision: number,
        position: number,
        event_type: "happened".into(),
        is_json: false,
        created: 0,
        data: vec![0; 10].into(),
        metadata: bytes::Bytes::new(),
    })
}

fn settings() -> GroupSettings {
    GroupSettings {
        min_checkpoint_count: 1,
        max_checkpoint_count: 5,
        checkpoint_after: Duration::from_millis(100),
        message_timeout: Duration::from_millis(50),
        max_retry_count: 2,
        history_buffer_size: 20,
        live_buffer_size: 20,
        read_batch_size: 5,
        ..GroupSettings::default()
    }
}

fn machine(settings: &GroupSettings, events: u64) -> (Machine, Instant) {
    let now = Instant::now();
    let mut machine = Machine::new(settings, None, now);
    for number in 0..events {
        machine.read(number, event(number), number % 5);
    }
    (machine, now)
}

/// Consumers, places and retry counts of what is sent.
fn sent(machine: &mut Machine, now: Instant) -> Vec<(ConsumerId, u64, u32)> {
    let place = |delivery: Delivery| delivery.event.original().revision;
    machine.dispatch(now).into_iter().map(|it| (it.consumer, place(it.clone()), it.retry_count)).collect()
}

fn id(number: u64) -> Uuid {
    Uuid::from_u128(u128::from(number) + 1)
}

#[test]
fn one_consumer_gets_events_in_order_and_never_more_than_it_takes() {
    let (mut machine, now) = machine(&settings(), 6);
    machine.connect(1, 2);
    assert_eq!(sent(&mut machine, now), [(1, 0, 0), (1, 1, 0)]);
    assert_eq!(sent(&mut machine, now), []);
    machine.acknowledge(1, id(1), now);
    assert_eq!(sent(&mut machine, now), [(1, 2, 0)]);
    machine.refuse(1, id(0), NackAction::Retry, &"".into());
    assert_eq!(sent(&mut machine, now), [(1, 0, 1)], "before what is new");
    machine.refuse(1, id(0), NackAction::Stop, &"".into());
    assert_eq!(sent(&mut machine, now), []);
    machine.refuse(1, id(0), NackAction::Skip, &"".into());
    assert_eq!(sent(&mut machine, now), [(1, 3, 0)]);
}

#[test]
fn consumers_take_turns_or_the_first_one_takes_all() {
    let round_robin = GroupSettings { strategy: Strategy::RoundRobin, ..settings() };
    let (mut both, now) = machine(&round_robin, 5);
    both.connect(1, 2);
    both.connect(2, 3);
    assert_eq!(sent(&mut both, now), [(1, 0, 0), (2, 1, 0), (1, 2, 0), (2, 3, 0), (2, 4, 0)]);
    let single = GroupSettings { strategy: Strategy::DispatchToSingle, ..settings() };
    let (mut first, now) = machine(&single, 4);
    first.connect(1, 3);
    first.connect(2, 3);
    assert_eq!(sent(&mut first, now), [(1, 0, 0), (1, 1, 0), (1, 2, 0), (2, 3, 0)]);
}

#[test]
fn a_stream_stays_with_its_consumer_even_if_others_wait() {
    let pinned = GroupSettings { strategy: Strategy::Pinned, ..settings() };
    let (mut machine, now) = machine(&pinned, 20);
    for consumer in 1..=3 {
        machine.connect(consumer, 2);
    }
    let mut owners = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut streams: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    loop {
        let deliveries = sent(&mut machine, now);
        if deliveries.is_empty() {
            break;
        }
        for (consumer, number, _) in deliveries {
            assert_eq!(*owners.entry(number % 5).or_insert(consumer), consumer);
            streams.entry(number % 5).or_default().push(number);
            seen.insert(number);
            machine.acknowledge(consumer, id(number), now);
        }
    }
    assert_eq!(seen.len(), 20);
    assert!(streams.values().all(|numbers| numbers.is_sorted()));
}

#[test]
fn what_times_out_comes_again_and_is_parked_in_the_end() {
    let (mut machine, mut now) = machine(&settings(), 1);
    machine.connect(1, 10);
    for retry in 0..=2 {
        assert_eq!(sent(&mut machine, now), [(1, 0, retry)]);
        now = machine.next_expiry().unwrap();
        machine.expire(now);
    }
    assert_eq!(sent(&mut machine, now), []);
    let park = machine.take_park().unwrap();
    assert_eq!(&*park.reason, "Reached retry count of 2");
    now += Duration::from_secs(1);
    assert_eq!(machine.checkpoint_due(now), None, "not recorded as parked");
    machine.parked(park.key);
    assert_eq!(machine.checkpoint_due(now), Some(0));
}

#[test]
fn a_late_acknowledgement_counts_a_late_refusal_does_not() {
    let (mut machine, now) = machine(&settings(), 2);
    machine.connect(1, 10);
    assert_eq!(sent(&mut machine, now).len(), 2);
    let now = now + Duration::from_millis(50);
    machine.expire(now);
    machine.acknowledge(1, id(0), now);
    machine.refuse(1, id(1), NackAction::Park, &"".into());
    assert!(machine.take_park().is_none());
    assert_eq!(sent(&mut machine, now), [(1, 1, 1)]);
}

#[test]
fn what_a_consumer_had_comes_again_when_it_leaves() {
    let (mut machine, now) = machine(&settings(), 3);
    machine.connect(1, 2);
    assert_eq!(sent(&mut machine, now).len(), 2);
    machine.disconnect(1);
    machine.connect(2, 3);
    assert_eq!(sent(&mut machine, now), [(2, 0, 1), (2, 1, 1), (2, 2, 0)]);
}

#[test]
fn checkpoints_are_written_after_a_count_or_a_time_and_never_beyond_what_is_open() {
    let (mut machine, now) = machine(&settings(), 10);
    machine.connect(1, 10);
    assert_eq!(sent(&mut machine, now).len(), 10);
    for number in [0, 1, 2, 4, 5, 6, 7] {
        machine.acknowledge(1, id(number), now);
    }
    assert_eq!(machine.checkpoint_due(now), None);
    assert_eq!(machine.checkpoint_due(now + Duration::from_millis(100)), Some(2));
    machine.acknowledge(1, id(3), now);
    assert_eq!(machine.checkpoint_due(now), Some(7), "five at once");
    machine.skip(10);
    machine.acknowledge(1, id(8), now);
    machine.acknowledge(1, id(9), now);
    assert_eq!(machine.checkpoint_at_end(now), Some(10), "what is not wanted is passed, too");
    assert_eq!(machine.checkpoint_at_end(now), None);
}

#[test]
fn replayed_messages_come_before_new_ones_and_hold_no_checkpoint_back() {
    let (mut machine, now) = machine(&settings(), 2);
    machine.replay(4, event(100), 0);
    machine.replay(5, event(101), 0);
    machine.connect(1, 10);
    assert_eq!(sent(&mut machine, now), [(1, 100, 0), (1, 101, 0), (1, 0, 0), (1, 1, 0)]);
    machine.acknowledge(1, id(0), now);
    machine.acknowledge(1, id(1), now);
    assert_eq!(machine.checkpoint_at_end(now), Some(1));
    machine.acknowledge(1, id(100), now);
    assert_eq!(machine.first_replayed(), Some(5));
    machine.acknowledge(1, id(101), now);
    assert_eq!(machine.first_replayed(), None);
}

#[test]
fn two_events_with_one_id_are_two_events() {
    let (mut machine, now) = machine(&settings(), 0);
    machine.read(0, event(7), 0);
    machine.read(1, event(7), 0);
    machine.connect(1, 10);
    assert_eq!(sent(&mut machine, now).len(), 2);
    machine.acknowledge(1, id(7), now);
    assert_eq!(machine.messages.len(), 1);
    machine.acknowledge(1, id(7), now);
    assert!(machine.messages.is_empty() && machine.delivered.is_empty());
}

#[derive(Clone, Debug)]
enum Step {
    Read(u8),
    Skip,
    Replay,
    Connect(u8),
    Disconnect(u8),
    Ack(u8, u8),
    Nack(u8, u8, u8),
    Park,
    Pass(u8),
}

fn step() -> impl Strategy_<Value = Step> {
    prop_oneof![
        3 => (1..10_u8).prop_map(Step::Read),
        1 => Just(Step::Skip),
        1 => Just(Step::Replay),
        1 => (1..6_u8).prop_map(Step::Connect),
        1 => any::<u8>().prop_map(Step::Disconnect),
        6 => any::<(u8, u8)>().prop_map(|(consumer, event)| Step::Ack(consumer, event)),
        3 => any::<(u8, u8, u8)>().prop_map(|(consumer, event, action)| Step::Nack(consumer, event, action)),
        1 => Just(Step::Park),
        1 => (0..120_u8).prop_map(Step::Pass),
    ]
}

use proptest::strategy::Strategy as Strategy_;

use crate::persistent::settings::Strategy;

/// What the machine must know, kept in the simplest way.
struct Model {
    machine: Machine,
    now: Instant,
    next: u64,
    replayed: u64,
    /// Every event by its place, as long as it is not settled.
    open: BTreeSet<Key>,
    /// Who has which event.
    held: BTreeMap<Key, ConsumerId>,
    connected: BTreeMap<ConsumerId, usize>,
    last_consumer: ConsumerId,
    keys: BTreeMap<Uuid, Key>,
    first_delivered: Vec<Key>,
    pins: bool,
}

impl Model {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Read(count) => {
                for _ in 0..(*count as usize).min(self.machine.room()) {
                    self.keys.insert(id(self.next), Key::New(self.machine.passed));
                    self.open.insert(Key::New(self.machine.passed));
                    self.machine.read(self.next, event(self.next), self.next % 5);
                    self.next += 1;
                }
            }
            Step::Skip => {
                self.machine.skip(self.next);
                self.next += 1;
            }
            Step::Replay => {
                if self.machine.replay_room() > 0 {
                    let number = 1_000_000 + self.replayed;
                    self.keys.insert(id(number), Key::Replayed(self.replayed));
                    self.open.insert(Key::Replayed(self.replayed));
                    self.machine.replay(self.replayed, event(number), number % 5);
                    self.replayed += 1;
                }
            }
            Step::Connect(capacity) => {
                self.last_consumer += 1;
                self.connected.insert(self.last_consumer, *capacity as usize);
                self.machine.connect(self.last_consumer, *capacity as usize);
            }
            Step::Disconnect(which) => {
                if let Some(consumer) = self.consumer(*which) {
                    self.machine.disconnect(consumer);
                    self.connected.remove(&consumer);
                    self.held.retain(|_, by| *by != consumer);
                }
            }
            Step::Ack(who, what) => {
                if let Some((consumer, key, id)) = self.some_held(*who, *what) {
                    self.machine.acknowledge(consumer, id, self.now);
                    self.held.remove(&key);
                    self.open.remove(&key);
                }
            }
            Step::Nack(who, what, action) => {
                if let Some((consumer, key, id)) = self.some_held(*who, *what) {
                    let actions = [
                        NackAction::Unknown,
                        NackAction::Park,
                        NackAction::Retry,
                        NackAction::Skip,
                        NackAction::Stop,
                    ];
                    let action = actions[*action as usize % 5];
                    self.machine.refuse(consumer, id, action, &"because".into());
                    if action != NackAction::Stop {
                        self.held.remove(&key);
                    }
                    if action == NackAction::Skip {
                        self.open.remove(&key);
                    }
                }
            }
            Step::Park => {
                while let Some(park) = self.machine.take_park() {
                    assert!(self.open.remove(&park.key));
                    self.machine.parked(park.key);
                }
            }
            Step::Pass(millis) => {
                self.now += Duration::from_millis(u64::from(*millis));
                self.machine.expire(self.now);
                let still = |key: &Key| matches!(self.machine.messages[key].state, State::InFlight { .. });
                self.held.retain(|key, _| still(key));
            }
        }
    }

    fn consumer(&self, which: u8) -> Option<ConsumerId> {
        self.connected.keys().nth(which as usize % self.connected.len().max(1)).copied()
    }

    fn some_held(&self, who: u8, what: u8) -> Option<(ConsumerId, Key, Uuid)> {
        let consumer = self.consumer(who)?;
        let held: Vec<_> = self.held.iter().filter(|(_, by)| **by == consumer).collect();
        let key = *held.get(what as usize % held.len().max(1))?.0;
        Some((consumer, key, self.machine.messages[&key].event.original().id))
    }

    fn dispatch(&mut self) {
        let mut fresh = false;
        for delivery in self.machine.dispatch(self.now) {
            let key = self.keys[&delivery.event.original().id];
            assert!(self.open.contains(&key), "a settled event was delivered");
            assert_eq!(self.held.insert(key, delivery.consumer), None, "delivered to two at once");
            let is_fresh = delivery.retry_count == 0 && matches!(key, Key::New(_));
            assert!(self.pins || is_fresh || !fresh, "new events went before retries");
            fresh |= is_fresh;
            if is_fresh {
                self.first_delivered.push(key);
            }
        }
    }

    fn check(&mut self) {
        let known: BTreeSet<_> = self.machine.messages.keys().copied().collect();
        assert_eq!(known, self.open, "an event was lost or kept");
        let mut held = 0;
        for (key, message) in &self.machine.messages {
            held += message.bytes;
            let waits = usize::from(self.machine.fresh.contains(key) || self.machine.retry.contains(key));
            match message.state {
                State::InFlight { consumer, .. } => {
                    assert_eq!((waits, self.held.get(key)), (0, Some(&consumer)));
                }
                State::Parking => assert_eq!((waits, self.held.get(key)), (0, None)),
                State::Waiting => assert_eq!((waits, self.held.get(key)), (1, None)),
            }
        }
        assert_eq!(held, self.machine.held_bytes);
        for (consumer, capacity) in &self.connected {
            assert!(self.held.values().filter(|by| *by == consumer).count() <= *capacity);
        }
        let waiting = self.machine.fresh.len() + self.machine.retry.len();
        assert!(
            self.pins || waiting == 0 || !self.machine.consumers.any_room(),
            "somebody waits for nothing"
        );
        assert!(self.pins || self.first_delivered.is_sorted(), "first deliveries out of order");
        if let Some(place) = self.machine.checkpoint_due(self.now) {
            let open = self.machine.messages.iter().filter(|(key, _)| matches!(key, Key::New(_)));
            for (_, message) in open {
                assert!(message.event.original().revision > place, "a checkpoint beyond an open event");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_event_is_lost_or_in_two_places_whatever_happens(
        steps in prop::collection::vec(step(), 1..150),
        strategy in prop::sample::select(vec![Strategy::DispatchToSingle, Strategy::RoundRobin, Strategy::Pinned]),
    ) {
        let (machine, now) = machine(&GroupSettings { strategy, ..settings() }, 0);
        let mut model = Model {
            machine,
            now,
            next: 0,
            replayed: 0,
            open: BTreeSet::new(),
            held: BTreeMap::new(),
            connected: BTreeMap::new(),
            last_consumer: 0,
            keys: BTreeMap::new(),
            first_delivered: Vec::new(),
            pins: strategy == Strategy::Pinned,
        };
        for step in &steps {
            model.take(step);
            model.dispatch();
            model.check();
        }
    }
}

#[test]
fn messages_that_are_parked_for_one_reason_share_it() {
    let (mut machine, now) = machine(&settings(), 2);
    machine.connect(1, 2);
    assert_eq!(sent(&mut machine, now).len(), 2);
    let reason: Arc<str> = "because".into();
    machine.refuse(1, id(0), NackAction::Park, &reason);
    machine.refuse(1, id(1), NackAction::Park, &reason);
    assert!((0..2).all(|_| Arc::ptr_eq(&machine.take_park().unwrap().reason, &reason)));
}
