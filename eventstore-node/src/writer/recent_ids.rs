//! The ids of the newest events, to recognise repeated appends that name no revision.

use std::collections::{HashMap, VecDeque};

use uuid::Uuid;

use crate::event::Position;

/// Where the newest events are, by stream and id; the oldest are forgotten first.
#[derive(Debug)]
pub(crate) struct RecentIds {
    places: HashMap<(u64, Uuid), (u64, Position)>,
    order: VecDeque<(u64, Uuid, Position)>,
    capacity: usize,
}

impl RecentIds {
    /// Remembers at most `capacity` events.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { places: HashMap::new(), order: VecDeque::new(), capacity }
    }

    pub(crate) fn insert(&mut self, slot: u64, id: Uuid, revision: u64, position: Position) {
        while self.order.len() >= self.capacity
            && let Some((slot, id, position)) = self.order.pop_front()
        {
            // An id used again has a newer place, which stays.
            if self.places.get(&(slot, id)).is_some_and(|(_, newest)| *newest == position) {
                self.places.remove(&(slot, id));
            }
        }
        self.places.insert((slot, id), (revision, position));
        self.order.push_back((slot, id, position));
    }

    /// Revision and position of an event of a stream.
    pub(crate) fn get(&self, slot: u64, id: Uuid) -> Option<(u64, Position)> {
        self.places.get(&(slot, id)).copied()
    }
}
