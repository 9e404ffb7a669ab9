//! Events on their way to consumers and back.

use std::sync::Arc;
use std::time::Instant;

use uuid::Uuid;

use super::{ConsumerId, Delivery, Key, Machine, NackAction, Park, State};

impl Machine {
    /// A consumer connected that takes so many events at a time.
    pub(crate) fn connect(&mut self, consumer: ConsumerId, capacity: usize) {
        self.consumers.connect(consumer, capacity);
    }

    /// A consumer is gone: what it had is delivered again.
    pub(crate) fn disconnect(&mut self, consumer: ConsumerId) {
        let had = |state: &State| matches!(state, State::InFlight { consumer: by, .. } if *by == consumer);
        let keys: Vec<_> =
            self.messages.iter().filter(|(_, message)| had(&message.state)).map(|(key, _)| *key).collect();
        for key in keys {
            self.take_back(key);
            self.redeliver(key);
        }
        self.consumers.disconnect(consumer);
    }

    /// A consumer is done with an event. Counts even if the event was given to another one in the meantime.
    pub(crate) fn acknowledge(&mut self, consumer: ConsumerId, id: Uuid, now: Instant) {
        let key = self.in_flight_to(consumer, id).or_else(|| {
            let keys = self.delivered.get(&id)?;
            let parking = |key: &Key| self.messages.get(key).is_none_or(|it| it.state == State::Parking);
            keys.iter().find(|key| !parking(key)).copied()
        });
        if let Some(key) = key {
            if let Some(State::InFlight { consumer, since, .. }) = self.messages.get(&key).map(|it| it.state)
            {
                self.consumers.observe(consumer, now.saturating_duration_since(since));
            }
            self.settle(key);
        }
    }

    /// A consumer will not acknowledge an event. Counts only while the event is in flight to it.
    pub(crate) fn refuse(&mut self, consumer: ConsumerId, id: Uuid, action: NackAction, reason: &Arc<str>) {
        let Some(key) = self.in_flight_to(consumer, id) else { return };
        match action {
            NackAction::Park => {
                self.take_back(key);
                self.park(key, reason.clone());
            }
            NackAction::Retry | NackAction::Unknown => {
                self.take_back(key);
                self.retry_or_park(key);
            }
            NackAction::Skip => self.settle(key),
            NackAction::Stop => {}
        }
    }

    /// Takes back what consumers have had for too long.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some((_, key)) = self.expiries.first().filter(|(expires, _)| *expires <= now).copied() {
            self.take_back(key);
            self.retry_or_park(key);
        }
    }

    /// What is to be sent to consumers now: what is delivered again first, then what is new, each in order.
    pub(crate) fn dispatch(&mut self, now: Instant) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        if !self.consumers.pins() {
            while let Some(key) = self.retry.first().or(self.fresh.first()).copied() {
                let Some(consumer) = self.consumers.choose() else { break };
                deliveries.extend(self.deliver(key, consumer, now));
            }
            return deliveries;
        }
        // Taken out for the moment: a copy would cost as much as is buffered, every time.
        let (mut retry, mut fresh) = (std::mem::take(&mut self.retry), std::mem::take(&mut self.fresh));
        let mut taken = Vec::new();
        for key in retry.iter().chain(&fresh) {
            if !self.consumers.any_room() {
                break;
            }
            let pin = self.messages.get(key).map_or(0, |message| message.pin);
            if let Some(consumer) = self.consumers.choose_pinned(pin) {
                deliveries.extend(self.deliver(*key, consumer, now));
                taken.push(*key);
            }
        }
        for key in &taken {
            retry.remove(key);
            fresh.remove(key);
        }
        (self.retry, self.fresh) = (retry, fresh);
        deliveries
    }

    fn deliver(&mut self, key: Key, consumer: ConsumerId, now: Instant) -> Option<Delivery> {
        self.fresh.remove(&key);
        self.retry.remove(&key);
        let message = self.messages.get_mut(&key)?;
        let expires = self.timeout.and_then(|timeout| now.checked_add(timeout));
        message.state = State::InFlight { consumer, since: now, expires };
        self.expiries.extend(expires.map(|expires| (expires, key)));
        self.consumers.take(consumer, message.pin);
        let keys = self.delivered.entry(message.event.original().id).or_default();
        if !keys.contains(&key) {
            keys.push(key);
        }
        Some(Delivery { consumer, event: message.event.clone(), retry_count: message.retries })
    }

    fn in_flight_to(&self, consumer: ConsumerId, id: Uuid) -> Option<Key> {
        let keys = self.delivered.get(&id)?;
        let is_there = |key: &Key| match self.messages.get(key).map(|message| message.state) {
            Some(State::InFlight { consumer: by, .. }) => by == consumer,
            _ => false,
        };
        keys.iter().find(|key| is_there(key)).copied()
    }

    /// Takes a message off its consumer, if it is in flight.
    pub(super) fn take_back(&mut self, key: Key) {
        let Some(message) = self.messages.get_mut(&key) else { return };
        if let State::InFlight { consumer, expires, .. } = message.state {
            message.state = State::Waiting;
            if let Some(expires) = expires {
                self.expiries.remove(&(expires, key));
            }
            self.consumers.release(consumer, message.pin);
        }
    }

    fn retry_or_park(&mut self, key: Key) {
        if self.messages.get(&key).is_some_and(|message| message.retries < self.max_retries) {
            self.redeliver(key);
        } else {
            self.park(key, format!("Reached retry count of {}", self.max_retries).into());
        }
    }

    fn redeliver(&mut self, key: Key) {
        if let Some(message) = self.messages.get_mut(&key) {
            message.retries = message.retries.saturating_add(1);
            self.retry.insert(key);
        }
    }

    fn park(&mut self, key: Key, reason: Arc<str>) {
        if let Some(message) = self.messages.get_mut(&key) {
            message.state = State::Parking;
            self.parking += 1;
            self.parks.push_back(Park { key, event: message.event.clone(), reason });
        }
    }
}
