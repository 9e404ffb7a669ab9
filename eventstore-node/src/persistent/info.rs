//! Figures of a group and its consumers.

use super::config::GroupKey;
use super::consumer::ConsumerAbout;
use super::settings::GroupSettings;

/// Figures of a group. Places are texts: `17` in a stream, `C:17/P:17` in the whole log.
#[derive(Clone, Debug)]
pub struct GroupInfo {
    /// Which group.
    pub key: GroupKey,
    /// What it is doing.
    pub status: String,
    /// Its settings.
    pub settings: GroupSettings,
    /// Where it began.
    pub start_from: String,
    /// Its last checkpoint.
    pub last_checkpointed: Option<String>,
    /// The last event it has read.
    pub last_known: Option<String>,
    /// Its consumers.
    pub consumers: Vec<ConsumerInfo>,
    /// Deliveries per second since the figures were last asked for.
    pub average_per_second: u64,
    /// Deliveries since it was started.
    pub total_items: u64,
    /// Deliveries since the figures were last asked for.
    pub count_since_last_measurement: u64,
    /// Events that were read and wait for their first delivery.
    pub read_buffer_count: usize,
    /// The same, if the group has caught up.
    pub live_buffer_count: usize,
    /// Events that wait for another delivery.
    pub retry_buffer_count: usize,
    /// Events in flight.
    pub in_flight: usize,
    /// Events in flight or about to be parked.
    pub outstanding: usize,
    /// Messages that are parked and not replayed.
    pub parked: u64,
}

/// Figures of a consumer.
#[derive(Clone, Debug)]
pub struct ConsumerInfo {
    /// Who it is.
    pub about: ConsumerAbout,
    /// Deliveries per second since the figures were last asked for.
    pub average_per_second: u64,
    /// Deliveries to it.
    pub total_items: u64,
    /// Deliveries since the figures were last asked for.
    pub count_since_last_measurement: u64,
    /// Events it could take now.
    pub available_slots: usize,
    /// Events it has.
    pub in_flight: usize,
    /// How long it takes, in milliseconds, if the group measures that.
    pub measurements: Vec<(String, i64)>,
}
