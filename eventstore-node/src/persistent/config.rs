//! What a group is: what it follows, from where, and how. And how that is recorded.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::filter::{Filter, FilterDefinition};
use super::machine::Place;
use super::names::ALL;
use super::settings::{GroupSettings, Strategy};

/// What a group follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A stream.
    Stream(Arc<str>),
    /// The whole log.
    All {
        /// Only events that this lets through.
        filter: Option<FilterDefinition>,
    },
}

/// Where a group begins as long as it has no checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the first event.
    Start,
    /// At this revision or position, inclusive.
    At(u64),
    /// After what there is when the group is made.
    End,
}

/// What a group is known by: the name of its stream, or `$all`, and its own name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKey {
    /// The stream, or `$all`.
    pub source: Arc<str>,
    /// The group.
    pub group: Arc<str>,
}

impl GroupKey {
    /// A group on a stream.
    #[must_use]
    pub fn on_stream(stream: &str, group: &str) -> Self {
        Self { source: stream.into(), group: group.into() }
    }

    /// A group on the whole log.
    #[must_use]
    pub fn on_all(group: &str) -> Self {
        Self::on_stream(ALL, group)
    }

    /// Whether the group is on the whole log.
    #[must_use]
    pub fn is_on_all(&self) -> bool {
        &*self.source == ALL
    }

    /// What clients know the group's subscriptions by.
    #[must_use]
    pub fn subscription_id(&self) -> String {
        format!("{}::{}", self.source, self.group)
    }

    /// A place as clients read it.
    pub(crate) fn place_text(&self, place: Place) -> String {
        if self.is_on_all() { format!("C:{place}/P:{place}") } else { place.to_string() }
    }
}

impl Start {
    /// As clients read it.
    pub(crate) fn text(self, key: &GroupKey) -> String {
        match self {
            Self::Start => key.place_text(0),
            Self::At(place) => key.place_text(place),
            Self::End if key.is_on_all() => "C:-1/P:-1".to_owned(),
            Self::End => "-1".to_owned(),
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "0" | "C:0/P:0" => Some(Self::Start),
            "-1" | "C:-1/P:-1" => Some(Self::End),
            text => place_from_text(text).map(Self::At),
        }
    }
}

/// A place as [`GroupKey::place_text`] writes it.
pub(crate) fn place_from_text(text: &str) -> Option<Place> {
    match text.strip_prefix("C:") {
        Some(positions) => positions.split_once("/P:")?.0.parse().ok(),
        None => text.parse().ok(),
    }
}

/// A group.
#[derive(Clone, Debug)]
pub(crate) struct GroupConfig {
    pub(crate) key: GroupKey,
    pub(crate) filter: Option<Filter>,
    /// Where it begins, as it was asked for.
    pub(crate) start: Start,
    /// What that meant then, inclusive: the end moves on, but what came after it must not be missed.
    pub(crate) first: Place,
    pub(crate) settings: GroupSettings,
}

/// All groups, as they are recorded.
#[derive(Serialize, Deserialize)]
struct Document {
    version: String,
    entries: Vec<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    stream: Arc<str>,
    group: Arc<str>,
    filter: Option<FilterDefinition>,
    resolve_link_tos: bool,
    extra_statistics: bool,
    /// Milliseconds.
    message_timeout: u64,
    start_position: String,
    first_place: Place,
    live_buffer_size: u32,
    history_buffer_size: u32,
    max_retry_count: u32,
    read_batch_size: u32,
    /// Milliseconds.
    check_point_after: u64,
    min_check_point_count: u32,
    max_check_point_count: u32,
    max_subscriber_count: u32,
    named_consumer_strategy: Strategy,
}

/// The recorded form of all groups. Err: why there is none.
pub(crate) fn encode<'a>(groups: impl Iterator<Item = &'a GroupConfig>) -> Result<Vec<u8>, String> {
    let entries = groups.map(|group| serde_json::to_value(Entry::new(group))).collect::<Result<_, _>>();
    let document = entries.map(|entries| Document { version: "2".to_owned(), entries });
    document.and_then(|document| serde_json::to_vec(&document)).map_err(|error| error.to_string())
}

/// The groups of a recorded form, without those that make no sense. Err: why it cannot be read.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<GroupConfig>, String> {
    let document: Document = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let config = |entry| {
        let entry: Result<Entry, _> = serde_json::from_value(entry);
        let config = entry.map_err(|error| error.to_string()).and_then(Entry::into_config);
        config
            .inspect_err(|error| tracing::error!(%error, "a recorded persistent subscription cannot be read"))
            .ok()
    };
    Ok(document.entries.into_iter().filter_map(config).collect())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Entry {
    fn new(config: &GroupConfig) -> Self {
        let settings = &config.settings;
        Self {
            stream: config.key.source.clone(),
            group: config.key.group.clone(),
            filter: config.filter.as_ref().map(|filter| filter.definition().clone()),
            resolve_link_tos: settings.resolve_links,
            extra_statistics: settings.extra_statistics,
            message_timeout: millis(settings.message_timeout),
            start_position: config.start.text(&config.key),
            first_place: config.first,
            live_buffer_size: settings.live_buffer_size,
            history_buffer_size: settings.history_buffer_size,
            max_retry_count: settings.max_retry_count,
            read_batch_size: settings.read_batch_size,
            check_point_after: millis(settings.checkpoint_after),
            min_check_point_count: settings.min_checkpoint_count,
            max_check_point_count: settings.max_checkpoint_count,
            max_subscriber_count: settings.max_subscriber_count,
            named_consumer_strategy: settings.strategy,
        }
    }

    fn into_config(self) -> Result<GroupConfig, String> {
        let start = Start::from_text(&self.start_position)
            .ok_or_else(|| format!("'{}' is no place to start from", self.start_position))?;
        Ok(GroupConfig {
            key: GroupKey { source: self.stream, group: self.group },
            filter: self.filter.map(Filter::recorded),
            start,
            first: self.first_place,
            settings: GroupSettings {
                resolve_links: self.resolve_link_tos,
                extra_statistics: self.extra_statistics,
                message_timeout: Duration::from_millis(self.message_timeout),
                max_retry_count: self.max_retry_count,
                checkpoint_after: Duration::from_millis(self.check_point_after),
                min_checkpoint_count: self.min_check_point_count,
                max_checkpoint_count: self.max_check_point_count,
                max_subscriber_count: self.max_subscriber_count,
                live_buffer_size: self.live_buffer_size,
                read_batch_size: self.read_batch_size,
                history_buffer_size: self.history_buffer_size,
                strategy: self.named_consumer_strategy,
            },
        })
    }
}
