//! The consumers of a group, and which of them gets an event.

use std::collections::HashMap;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Latencies;
use crate::persistent::settings::Strategy;

/// A consumer, in the order of connecting.
pub(crate) type ConsumerId = u64;

/// What is known of a consumer.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: ConsumerId,
    /// Events it takes at a time.
    pub(crate) capacity: usize,
    pub(crate) in_flight: usize,
    /// Events delivered to it.
    pub(crate) total: u64,
    /// The same when figures were last asked for.
    pub(crate) measured: u64,
    pub(crate) latencies: Option<Latencies>,
}

impl Member {
    pub(crate) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.in_flight)
    }
}

/// The consumers of a group.
#[derive(Debug)]
pub(crate) struct Consumers {
    strategy: Strategy,
    measure: bool,
    /// In the order of connecting.
    members: Vec<Member>,
    /// Whose turn it is.
    next: usize,
    /// To whom events in flight are pinned, and how many: these go on to the same consumer when others come or go.
    pinned: HashMap<u64, (ConsumerId, usize)>,
}

impl Consumers {
    pub(super) fn new(strategy: Strategy, measure: bool) -> Self {
        Self { strategy, measure, members: Vec::new(), next: 0, pinned: HashMap::new() }
    }

    pub(super) fn connect(&mut self, id: ConsumerId, capacity: usize) {
        let latencies = self.measure.then(Latencies::default);
        self.members.push(Member { id, capacity, in_flight: 0, total: 0, measured: 0, latencies });
    }

    pub(super) fn disconnect(&mut self, id: ConsumerId) {
        self.members.retain(|member| member.id != id);
    }

    pub(crate) fn members_mut(&mut self) -> &mut [Member] {
        &mut self.members
    }

    /// Whether the strategy ties events to consumers.
    pub(super) fn pins(&self) -> bool {
        matches!(self.strategy, Strategy::Pinned | Strategy::PinnedByCorrelation)
    }

    pub(super) fn any_room(&self) -> bool {
        self.members.iter().any(|member| member.room() > 0)
    }

    /// Who gets the next event; `None` if nobody has room.
    pub(super) fn choose(&mut self) -> Option<ConsumerId> {
        let count = self.members.len();
        let first = if self.strategy == Strategy::RoundRobin { self.next } else { 0 };
        let index = (first..first + count)
            .map(|index| index % count)
            .find(|index| self.members[*index].room() > 0)?;
        self.next = index + 1;
        Some(self.members[index].id)
    }

    /// Who gets an event pinned by this; `None` if that one has no room.
    pub(super) fn choose_pinned(&self, pin: u64) -> Option<ConsumerId> {
        let owner = match self.pinned.get(&pin) {
            Some((owner, _)) => self.members.iter().find(|member| member.id == *owner)?,
            // The highest of one random number per consumer: when one comes or goes, only its share changes hands.
            None => {
                let weight = |member: &&Member| xxh3_64_with_seed(&pin.to_le_bytes(), member.id);
                self.members.iter().max_by_key(weight)?
            }
        };
        (owner.room() > 0).then_some(owner.id)
    }

    pub(super) fn take(&mut self, id: ConsumerId, pin: u64) {
        if let Some(member) = self.member(id) {
            member.in_flight += 1;
            member.total += 1;
        }
        if self.pins() {
            self.pinned.entry(pin).or_insert((id, 0)).1 += 1;
        }
    }

    pub(super) fn release(&mut self, id: ConsumerId, pin: u64) {
        if let Some(member) = self.member(id) {
            member.in_flight -= 1;
        }
        if let Some((_, count)) = self.pinned.get_mut(&pin) {
            *count -= 1;
            if *count == 0 {
                self.pinned.remove(&pin);
            }
        }
    }

    pub(super) fn observe(&mut self, id: ConsumerId, latency: Duration) {
        if let Some(latencies) = self.member(id).and_then(|member| member.latencies.as_mut()) {
            latencies.add(latency);
        }
    }

    fn member(&mut self, id: ConsumerId) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.id == id)
    }
}
