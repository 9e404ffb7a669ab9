//! Figures of a group.

use std::time::Instant;

use super::Group;
use crate::persistent::info::{ConsumerInfo, GroupInfo};

/// Counts deliveries.
pub(super) struct Meter {
    total: u64,
    /// The total when figures were last asked for, and when that was.
    measured: u64,
    at: Instant,
}

impl Meter {
    pub(super) fn new(now: Instant) -> Self {
        Self { total: 0, measured: 0, at: now }
    }

    pub(super) fn count(&mut self) {
        self.total += 1;
    }
}

impl Group {
    pub(super) fn info(&mut self, now: Instant) -> GroupInfo {
        let millis = now.saturating_duration_since(self.meter.at).as_millis().max(1);
        let per_second = |items: u64| u64::try_from(u128::from(items) * 1000 / millis).unwrap_or(u64::MAX);
        let since = self.meter.total - self.meter.measured;
        (self.meter.measured, self.meter.at) = (self.meter.total, now);
        let mut consumers = Vec::new();
        for member in self.machine.consumers_mut().members_mut() {
            let since = member.total - member.measured;
            member.measured = member.total;
            consumers.push(ConsumerInfo {
                about: self.outlets.about(member.id),
                average_per_second: per_second(since),
                total_items: member.total,
                count_since_last_measurement: since,
                available_slots: member.room(),
                in_flight: member.in_flight,
                measurements: member.latencies.as_ref().map(|it| it.measurements()).unwrap_or_default(),
            });
        }
        let figures = self.machine.figures();
        let key = &self.config.key;
        let text = |place: Option<u64>| place.map(|place| key.place_text(place));
        let parked = self.journal.parked();
        let status = if figures.live { "Live" } else { "Behind" };
        let replaying = if self.replay.is_under_way() { ", ReplayingParkedMessages" } else { "" };
        GroupInfo {
            status: format!("{status}{replaying}"),
            settings: self.config.settings.clone(),
            start_from: self.config.start.text(key),
            last_checkpointed: text(figures.checkpoint),
            last_known: text(figures.last),
            average_per_second: per_second(since),
            total_items: self.meter.total,
            count_since_last_measurement: since,
            read_buffer_count: figures.fresh,
            live_buffer_count: if figures.live { figures.fresh } else { 0 },
            retry_buffer_count: figures.retry,
            in_flight: consumers.iter().map(|consumer| consumer.in_flight).sum(),
            outstanding: figures.outstanding,
            parked: parked.end.saturating_sub(parked.next),
            consumers,
            key: key.clone(),
        }
    }
}
