//! Stream metadata: the last event of the stream `$$name` says what readers of the stream `name` see of it. The log keeps
//! everything.

use bytes::Bytes;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::event::{DELETED_REVISION, ProposedEvent};

/// What the name of a stream of metadata begins with.
const PREFIX: &str = "$$";
/// Type of the events that hold metadata.
pub(crate) const METADATA_TYPE: &str = "$metadata";
const MAX_COUNT: &str = "$maxCount";
const MAX_AGE: &str = "$maxAge";
const TRUNCATE_BEFORE: &str = "$tb";
/// The metadata of a stream that is deleted, but may come back.
pub(crate) const SOFT_DELETED: &str = r#"{"$tb":9223372036854775807}"#;
const TICKS_PER_SECOND: i64 = 10_000_000;

/// The stream that this one is the metadata of, if it is metadata.
pub(crate) fn original(stream: &str) -> Option<&str> {
    stream.strip_prefix(PREFIX)
}

/// Name of the stream that holds a stream's metadata.
pub(crate) fn metadata_stream(stream: &str) -> String {
    format!("{PREFIX}{stream}")
}

/// What metadata says about reading. Other keys are the users' own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// Only so many events, the newest, can be read.
    max_count: Option<u64>,
    /// Events can be read for so many seconds.
    max_age: Option<u64>,
    /// Events before this revision cannot be read.
    truncate_before: Option<u64>,
}

impl Metadata {
    /// What every stream of metadata has: only its last event counts.
    pub(crate) const OF_METADATA: Self = Self { max_count: Some(1), max_age: None, truncate_before: None };

    /// Reads the data of an event. What makes no sense counts as no metadata.
    pub(crate) fn parse(data: &[u8]) -> Self {
        Self::try_parse(data).unwrap_or_default()
    }

    fn try_parse(data: &[u8]) -> Option<Self> {
        let keys: Map<String, Value> = serde_json::from_slice(data).ok()?;
        let number = |key: &str, least: i64| match keys.get(key) {
            None => Some(None),
            Some(value) => value.as_i64().filter(|number| *number >= least).map(|number| Some(number as u64)),
        };
        Some(Self {
            max_count: number(MAX_COUNT, 1)?,
            max_age: number(MAX_AGE, 1)?,
            truncate_before: number(TRUNCATE_BEFORE, 0)?,
        })
    }

    /// The stream is deleted until something is appended to it.
    pub(crate) fn is_soft_deleted(&self) -> bool {
        self.truncate_before == Some(DELETED_REVISION)
    }

    /// The first revision that count and truncation leave of a stream with this last revision.
    pub(crate) fn first_revision(&self, last: u64) -> u64 {
        let by_count = self.max_count.map_or(0, |count| (last + 1).saturating_sub(count));
        by_count.max(self.truncate_before.unwrap_or(0))
    }

    /// Events created before this time cannot be read any more.
    pub(crate) fn oldest(&self, now: i64) -> Option<i64> {
        let age = i64::try_from(self.max_age?).unwrap_or(i64::MAX);
        Some(now.saturating_sub(age.saturating_mul(TICKS_PER_SECOND)))
    }
}

/// The same metadata, but with the events before `revision` truncated instead of what it says about that.
pub(crate) fn truncated_before(data: &[u8], revision: u64) -> Bytes {
    let mut keys: Map<String, Value> = serde_json::from_slice(data).unwrap_or_default();
    keys.insert(TRUNCATE_BEFORE.to_owned(), revision.into());
    Value::Object(keys).to_string().into()
}

/// An event that sets metadata.
pub(crate) fn metadata_event(data: impl Into<Bytes>) -> ProposedEvent {
    ProposedEvent {
        id: Uuid::new_v4(),
        event_type: METADATA_TYPE.into(),
        is_json: true,
        data: data.into(),
        metadata: Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_nonsense_counts_as_none() {
        let metadata = Metadata::parse(br#"{"$maxCount":3,"$maxAge":60,"$tb":5,"mine":{"a":[1]}}"#);
        assert_eq!(metadata, Metadata { max_count: Some(3), max_age: Some(60), truncate_before: Some(5) });
        assert_eq!(Metadata::parse(b"{}"), Metadata::default());
        for nonsense in [
            "",
            "null",
            "[1,2,3]",
            "{",
            r#"{"$maxCount":0,"$tb":1}"#,
            r#"{"$maxCount":"3","$tb":1}"#,
            r#"{"$maxAge":-1,"$tb":1}"#,
            r#"{"$tb":-1,"$maxCount":1}"#,
            r#"{"$tb":9223372036854775808}"#,
            r#"{"$tb":1.5}"#,
        ] {
            assert_eq!(Metadata::parse(nonsense.as_bytes()), Metadata::default(), "{nonsense}");
        }
        assert!(Metadata::parse(SOFT_DELETED.as_bytes()).is_soft_deleted());
        assert!(!metadata.is_soft_deleted());
    }

    #[test]
    fn the_first_revision_follows_from_count_and_truncation() {
        let metadata = |text: &str| Metadata::parse(text.as_bytes());
        assert_eq!(metadata("{}").first_revision(9), 0);
        assert_eq!(metadata(r#"{"$maxCount":3}"#).first_revision(9), 7);
        assert_eq!(metadata(r#"{"$maxCount":30}"#).first_revision(9), 0);
        assert_eq!(metadata(r#"{"$maxCount":3,"$tb":8}"#).first_revision(9), 8);
        assert_eq!(metadata(r#"{"$maxCount":3,"$tb":2}"#).first_revision(9), 7);
        assert_eq!(metadata(r#"{"$tb":100}"#).first_revision(9), 100);
        assert_eq!(metadata(r#"{"$maxAge":2}"#).oldest(50_000_000), Some(30_000_000));
        assert_eq!(metadata(r#"{"$maxAge":9223372036854775807}"#).oldest(5), Some(5 - i64::MAX));
        assert_eq!(metadata("{}").oldest(5), None);
    }

    #[test]
    fn truncating_keeps_the_other_keys() {
        let data = truncated_before(br#"{"$tb":9223372036854775807,"mine":[1,"x"]}"#, 7);
        let value: Value = serde_json::from_slice(&data).unwrap();
        assert_eq!(value, serde_json::json!({"$tb": 7, "mine": [1, "x"]}));
        assert_eq!(truncated_before(b"nonsense", 7), r#"{"$tb":7}"#);
    }
}
