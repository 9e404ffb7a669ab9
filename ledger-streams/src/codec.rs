//! Events to bytes and back.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use eventstore_node::{ExpectedRevision, ProposedEvent, RecordedEvent, StreamAppend};
use ledger_core::mutation::{Rule, is_broken};
use ledger_core::{DecodeError, Event, Metadata, stream};
use uuid::Uuid;

use crate::{Recorded, StoreError};

/// Namespace of event ids: UUID version 5 over stream, revision and content.
const EVENT_IDS: Uuid = Uuid::from_u128(0x0da1_b00c_0000_5000_8000_6c65_6467_6572);

/// What all events of one write share.
#[derive(Clone, Debug)]
pub struct Context {
    /// What they belong to: a transfer's stream, or the one stream they are written to.
    pub correlation_id: Arc<str>,
    /// The event that caused the first of them; each causes the next.
    pub causation_id: Option<Uuid>,
    /// Who asked.
    pub actor: Arc<str>,
    /// Business time.
    pub booked_at: DateTime<Utc>,
}

/// Events decided for one stream, not yet encoded.
pub(crate) struct Draft {
    pub(crate) stream: Arc<str>,
    /// How many events the stream had when they were decided.
    pub(crate) after: u64,
    /// The last of them, where it is known.
    pub(crate) follows: Option<Uuid>,
    pub(crate) events: Vec<Event>,
}

impl Draft {
    pub(crate) const fn new(stream: Arc<str>, after: u64, events: Vec<Event>) -> Self {
        Self { stream, after, follows: None, events }
    }
}

/// Encodes drafts in order, each event caused by the one before. Returns the last event's id, too.
pub(crate) fn encode(
    drafts: &[Draft],
    context: &Context,
) -> Result<(Vec<StreamAppend>, Option<Uuid>), StoreError> {
    let mut cause = context.causation_id;
    let mut batch = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let mut events = Vec::with_capacity(draft.events.len());
        for (revision, event) in (draft.after..).zip(&draft.events) {
            let proposed = encode_one(&draft.stream, revision, event, context, cause)
                .map_err(|error| StoreError::Broken(error.to_string().into()))?;
            cause = Some(proposed.id);
            events.push(proposed);
        }
        let expected = expected(draft);
        batch.push(StreamAppend {
            stream: Arc::clone(&draft.stream),
            expected,
            follows: draft.follows,
            events,
        });
    }
    Ok((batch, cause))
}

/// The state of its stream that a draft was decided on.
fn expected(draft: &Draft) -> ExpectedRevision {
    let is_any = match draft.after {
        0 => is_broken(Rule::TransferBeginsOnce) && draft.stream.starts_with(stream::TRANSFER),
        _ => is_broken(Rule::AccountRevisionIsExpected) && draft.stream.starts_with(stream::ACCOUNT),
    };
    if is_any { ExpectedRevision::Any } else { crate::store::after(draft.after) }
}

fn encode_one(
    stream: &str,
    revision: u64,
    event: &Event,
    context: &Context,
    cause: Option<Uuid>,
) -> Result<ProposedEvent, serde_json::Error> {
    let mut cause_text = Uuid::encode_buffer();
    let metadata = Metadata {
        correlation_id: Cow::Borrowed(&context.correlation_id),
        causation_id: cause.map(|id| Cow::Borrowed(&*id.hyphenated().encode_lower(&mut cause_text))),
        actor: Cow::Borrowed(&context.actor),
        booked_at: context.booked_at,
        version: event.version(),
    };
    let data = event.encode()?;
    let metadata = serde_json::to_vec(&metadata)?;
    Ok(ProposedEvent {
        id: event_id(stream, revision, event.name(), &data, &metadata),
        event_type: Cow::Borrowed(event.name()),
        is_json: true,
        data: Bytes::from(data),
        metadata: Bytes::from(metadata),
    })
}

/// The id says what the event is and where it stands. EventStoreDB takes an append with known ids for a repetition without looking at
/// the content; with ids made like this, a repetition is one.
fn event_id(stream: &str, revision: u64, name: &str, data: &[u8], metadata: &[u8]) -> Uuid {
    let mut content = Vec::with_capacity(stream.len() + name.len() + data.len() + metadata.len() + 12);
    for part in [stream.as_bytes(), &revision.to_be_bytes(), name.as_bytes(), data, metadata] {
        content.extend_from_slice(part);
        content.push(0);
    }
    Uuid::new_v5(&EVENT_IDS, &content)
}

/// Every category of the ledger's streams.
pub(crate) const CATEGORIES: [&str; 7] = [
    stream::ACCOUNT,
    stream::TRANSFER,
    stream::ACCOUNT_REFERENCE,
    stream::USER,
    stream::DEAD_LETTERS,
    stream::STATEMENT,
    stream::WEBHOOK,
];

/// False for the store's own events and for other clients' in the same store.
pub(crate) fn is_the_ledgers(recorded: &RecordedEvent) -> bool {
    CATEGORIES.iter().any(|category| recorded.stream.starts_with(category))
}

/// Decodes an event of the ledger; `None` for one that is not the ledger's own.
pub(crate) fn decode(recorded: RecordedEvent) -> Result<Option<Recorded>, StoreError> {
    if is_the_ledgers(&recorded) { decode_own(recorded).map(Some) } else { Ok(None) }
}

/// Decodes an event of the ledger's own.
pub(crate) fn decode_own(recorded: RecordedEvent) -> Result<Recorded, StoreError> {
    let metadata = decode_metadata(&recorded)?.into_owned();
    let event = Event::decode(&recorded.event_type, metadata.version, &recorded.data)
        .map_err(|source| undecodable(&recorded, source))?;
    Ok(Recorded {
        id: recorded.id,
        recorded_at: time_of(&recorded),
        stream: recorded.stream,
        revision: recorded.revision,
        position: recorded.position,
        metadata,
        event,
    })
}

/// Decodes what an event says of itself.
pub(crate) fn decode_metadata(recorded: &RecordedEvent) -> Result<Metadata<'_>, StoreError> {
    serde_json::from_slice(&recorded.metadata).map_err(|source| {
        undecodable(recorded, DecodeError::Malformed { name: recorded.event_type.to_string(), source })
    })
}

fn undecodable(recorded: &RecordedEvent, source: DecodeError) -> StoreError {
    StoreError::Undecodable {
        stream: Arc::clone(&recorded.stream),
        revision: recorded.revision,
        position: recorded.position,
        source: Arc::new(source),
    }
}

/// Decodes events of a stream of the ledger.
pub(crate) fn decode_all(recorded: Vec<RecordedEvent>) -> Result<Vec<Recorded>, StoreError> {
    recorded.into_iter().filter_map(|event| decode(event).transpose()).collect()
}

/// When the store recorded an event.
pub(crate) fn time_of(recorded: &RecordedEvent) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(recorded.created / 10).unwrap_or_default()
}

/// An event of the store's own bookkeeping, such as a checkpoint: not in the registry, skipped by every projection.
pub(crate) fn system_append(id: Uuid, stream: &str, event_type: &'static str, data: Vec<u8>) -> StreamAppend {
    StreamAppend {
        stream: stream.into(),
        expected: ExpectedRevision::Any,
        follows: None,
        events: vec![ProposedEvent {
            id,
            event_type: Cow::Borrowed(event_type),
            is_json: true,
            data: Bytes::from(data),
            metadata: Bytes::from_static(b"{}"),
        }],
    }
}
