//! Names of the streams and event types in which groups keep their state.

/// The stream with the configuration of all groups; its last event counts.
pub(crate) const CONFIG_STREAM: &str = "$persistentSubscriptionConfig";
/// Type of the events in [`CONFIG_STREAM`].
pub(crate) const CONFIG_TYPE: &str = "$PersistentConfig";
/// Type of a group's checkpoints.
pub(crate) const CHECKPOINT_TYPE: &str = "$SubscriptionCheckpoint";
/// Type of an event that points to another one.
pub(crate) const LINK_TYPE: &str = "$>";
/// The name that stands for the whole log.
pub(crate) const ALL: &str = "$all";

const PREFIX: &str = "$persistentsubscription-";
const CHECKPOINT: &str = "-checkpoint";
const PARKED: &str = "-parked";

/// The stream of a group's checkpoints.
pub(crate) fn checkpoint_stream(source: &str, group: &str) -> String {
    format!("{PREFIX}{source}::{group}{CHECKPOINT}")
}

/// The stream of a group's parked messages.
pub(crate) fn parked_stream(source: &str, group: &str) -> String {
    format!("{PREFIX}{source}::{group}{PARKED}")
}

/// Whether reads of and subscriptions to the whole log pass over a stream: the state of groups on the whole log, which
/// would otherwise make new events by being read. Their metadata is passed over, too.
#[must_use]
pub fn hidden_from_all(stream: &str) -> bool {
    let stream = stream.strip_prefix("$$").filter(|named| named.starts_with('$')).unwrap_or(stream);
    stream
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_prefix("$all::"))
        .is_some_and(|rest| rest.ends_with(CHECKPOINT) || rest.ends_with(PARKED))
}
