//! The groups' state in the log: which streams it is in, how it is read and what is appended to change it.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::config::{self, GroupConfig, GroupKey, place_from_text};
use super::limits::RESOLVED_BYTES;
use super::machine::{Park, Place};
use super::names::{
    CHECKPOINT_TYPE, CONFIG_STREAM, CONFIG_TYPE, LINK_TYPE, checkpoint_stream, parked_stream,
};
use super::resolved::ResolvedEvent;
use crate::metadata::{metadata_event, metadata_stream};
use crate::{
    Direction, ExpectedRevision, Node, ProposedEvent, ReadError, ReadLimit, RecordedEvent, StreamAppend,
    StreamFrom, Uuid,
};

/// Checkpoints that a stream of them keeps.
const KEPT_CHECKPOINTS: u64 = 2;

/// What of a group is in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recorded {
    pub(super) checkpoint: Option<Place>,
    /// Whether the stream of checkpoints has been set up.
    pub(super) has_checkpoints: bool,
    pub(super) parked: ParkedLog,
}

/// The stream of parked messages, by revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ParkedLog {
    /// What comes before is replayed and settled, and recorded as such.
    pub(super) truncated: u64,
    /// The next one to be replayed.
    pub(super) next: u64,
    /// The next one to be written.
    pub(super) end: u64,
}

/// All groups. Blocks. Err: why they cannot be read.
pub(super) fn load_groups(node: &Node) -> Result<Vec<GroupConfig>, String> {
    match last_event(node, CONFIG_STREAM).map_err(|error| error.to_string())? {
        Some(event) => config::decode(&event.data)
            .map_err(|error| format!("revision {} of {CONFIG_STREAM}: {error}", event.revision)),
        None => Ok(Vec::new()),
    }
}

/// What of a group is in the log. Blocks.
pub(super) fn load_state(node: &Node, key: &GroupKey) -> Result<Recorded, ReadError> {
    let checkpoints = checkpoint_stream(&key.source, &key.group);
    let parked = parked_stream(&key.source, &key.group);
    let checkpoint = match last_event(node, &checkpoints)? {
        Some(event) if event.revision >= truncated_before(node, &checkpoints)? => {
            let text: Option<String> = serde_json::from_slice(&event.data).ok();
            text.as_deref().and_then(place_from_text)
        }
        _ => None,
    };
    let truncated = truncated_before(node, &parked)?;
    let end = node.last_revision(&parked)?.map_or(0, |last| last + 1);
    // A stream that is deleted until something is appended is truncated before the last revision there could be.
    let truncated = truncated.min(end);
    Ok(Recorded {
        checkpoint,
        has_checkpoints: checkpoint.is_some(),
        parked: ParkedLog { truncated, next: truncated, end },
    })
}

/// A page of parked messages, their links followed, at least one if there is any. Blocks.
pub(super) fn load_parked(
    node: &Node,
    key: &GroupKey,
    from: u64,
    events: usize,
) -> Result<Vec<ResolvedEvent>, ReadError> {
    let stream = parked_stream(&key.source, &key.group);
    let limit = ReadLimit { events, bytes: ReadLimit::default().bytes };
    let read = node.read_stream(&stream, StreamFrom::Revision(from), Direction::Forward, limit)?;
    let (mut messages, mut bytes) = (Vec::new(), 0);
    for event in read.events {
        if bytes >= RESOLVED_BYTES {
            break;
        }
        let message = ResolvedEvent::resolve(node, event)?;
        bytes += message.bytes();
        messages.push(message);
    }
    Ok(messages)
}

/// Records all groups. Err: why it cannot be done.
pub(super) fn groups_append<'a>(
    groups: impl Iterator<Item = &'a GroupConfig>,
) -> Result<StreamAppend, String> {
    Ok(append(CONFIG_STREAM.to_owned(), vec![event(CONFIG_TYPE, true, config::encode(groups)?, Vec::new())]))
}

/// Records a checkpoint; the first one sets up its stream.
pub(super) fn checkpoint_appends(key: &GroupKey, place: Place, first: bool) -> Vec<StreamAppend> {
    let stream = checkpoint_stream(&key.source, &key.group);
    let data = json!(key.place_text(place)).to_string().into_bytes();
    let checkpoint = append(stream.clone(), vec![event(CHECKPOINT_TYPE, true, data, Vec::new())]);
    let metadata = first.then(|| metadata_append(&stream, &json!({ "$maxCount": KEPT_CHECKPOINTS })));
    metadata.into_iter().chain([checkpoint]).collect()
}

/// A link to a message, for the stream of parked messages.
pub(super) fn parked_link(park: &Park) -> ProposedEvent {
    let original = park.event.original();
    let data = match park.event.event() {
        Some(event) => Bytes::from(format!("{}@{}", event.revision, event.stream)),
        None => original.data.clone(),
    };
    let metadata = json!({
        "added": chrono::Utc::now().to_rfc3339(),
        "reason": park.reason,
        "subscriptionEventNumber": original.revision,
    });
    event(LINK_TYPE, false, data, metadata.to_string().into_bytes())
}

/// Records parked messages.
pub(super) fn parked_append(key: &GroupKey, links: Vec<ProposedEvent>) -> StreamAppend {
    append(parked_stream(&key.source, &key.group), links)
}

/// Records that parked messages before this one are done with.
pub(super) fn truncation_append(key: &GroupKey, before: u64) -> StreamAppend {
    metadata_append(&parked_stream(&key.source, &key.group), &json!({ "$tb": before }))
}

/// Empties the streams of a group that is deleted. Blocks.
pub(super) fn clearing_appends(node: &Node, key: &GroupKey) -> Result<Vec<StreamAppend>, ReadError> {
    let streams = [checkpoint_stream(&key.source, &key.group), parked_stream(&key.source, &key.group)];
    let mut appends = Vec::new();
    for stream in streams {
        match node.last_revision(&stream) {
            Ok(Some(last)) => appends.push(metadata_append(&stream, &json!({ "$tb": last + 1 }))),
            // Nothing can be appended to one that is deleted for good.
            Ok(None) | Err(ReadError::StreamDeleted { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(appends)
}

fn last_event(node: &Node, stream: &str) -> Result<Option<RecordedEvent>, ReadError> {
    let read = node.read_stream(stream, StreamFrom::End, Direction::Backward, ReadLimit::events(1))?;
    Ok(read.events.into_iter().next())
}

/// The first revision of a stream that its metadata leaves to be read.
fn truncated_before(node: &Node, stream: &str) -> Result<u64, ReadError> {
    #[derive(Deserialize)]
    struct Metadata {
        #[serde(rename = "$tb")]
        truncate_before: Option<u64>,
    }
    let metadata = last_event(node, &metadata_stream(stream))?
        .and_then(|event| serde_json::from_slice::<Metadata>(&event.data).ok());
    Ok(metadata.and_then(|metadata| metadata.truncate_before).unwrap_or(0))
}

fn metadata_append(stream: &str, metadata: &serde_json::Value) -> StreamAppend {
    append(metadata_stream(stream), vec![metadata_event(metadata.to_string())])
}

fn append(stream: String, events: Vec<ProposedEvent>) -> StreamAppend {
    StreamAppend { stream: stream.into(), expected: ExpectedRevision::Any, follows: None, events }
}

fn event(
    event_type: &'static str,
    is_json: bool,
    data: impl Into<Bytes>,
    metadata: impl Into<Bytes>,
) -> ProposedEvent {
    ProposedEvent {
        id: Uuid::new_v4(),
        event_type: event_type.into(),
        is_json,
        data: data.into(),
        metadata: metadata.into(),
    }
}
