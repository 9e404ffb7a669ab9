//! The two ways into an event store: a call in this process, and EventStoreDB's protocol through its official client.

use bytes::Bytes;
use eventstore::{
    AppendToStreamOptions, Client, CurrentRevision, DeleteStreamOptions, Error, EventData, ReadAllOptions,
    ReadStream, ReadStreamOptions, StreamPosition, StreamState, TombstoneStreamOptions,
};
use eventstore_node::{
    AllFrom, AppendError, Direction, ExpectedRevision, Node, ProposedEvent, ReadError, ReadLimit,
    RecordedEvent, StreamAppend, StreamFrom,
};

use super::following::{After, Following};
use crate::harness::log_client;

/// A way into a store. Everything is said in the embedded node's words.
#[derive(Clone)]
pub(super) enum Door {
    InProcess(Node),
    Grpc(Box<Client>),
}

/// What a store says no with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The stream's last revision is another one; `None`: it has no event.
    WrongRevision(Option<u64>),
    /// There is no such stream, or it was deleted.
    NotFound,
    /// The stream was deleted for good, or was to exist and is deleted.
    Deleted,
}

/// Where the last event of an append is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) revision: u64,
    pub(super) position: u64,
}

impl Door {
    /// A client of the server at a connection string.
    pub(super) fn grpc(url: &str) -> Self {
        Self::Grpc(Box::new(log_client(url)))
    }

    pub(super) async fn append(
        &self,
        stream: &str,
        expected: ExpectedRevision,
        events: Vec<ProposedEvent>,
    ) -> Result<Written, Refused> {
        match self {
            Self::InProcess(node) => {
                let part = StreamAppend { stream: stream.into(), expected, follows: None, events };
                let appended = node.append(vec![part]).await.map_err(refused_append)?.streams[0];
                Ok(Written { revision: appended.revision, position: appended.position })
            }
            Self::Grpc(client) => {
                let options = AppendToStreamOptions::default().stream_state(state(expected));
                let events: Vec<_> = events.into_iter().map(event_data).collect();
                let written = client.append_to_stream(stream, &options, events).await.map_err(refused)?;
                assert_eq!(written.position.commit, written.position.prepare);
                Ok(Written { revision: written.next_expected_version, position: written.position.commit })
            }
        }
    }

    /// At most `count` events of a stream.
    pub(super) async fn read_stream(
        &self,
        stream: &str,
        from: StreamFrom,
        direction: Direction,
        count: usize,
    ) -> Result<Vec<RecordedEvent>, Refused> {
        match self {
            Self::InProcess(node) => {
                let limit = ReadLimit { events: count, bytes: usize::MAX };
                let read = node.read_stream(stream, from, direction, limit).map_err(refused_read)?;
                if read.exists { Ok(read.events) } else { Err(Refused::NotFound) }
            }
            Self::Grpc(client) => {
                let position = match from {
                    StreamFrom::Start => StreamPosition::Start,
                    StreamFrom::End => StreamPosition::End,
                    StreamFrom::Revision(revision) => StreamPosition::Position(revision),
                };
                let options = ReadStreamOptions::default().position(position).max_count(count);
                let options = match direction {
                    Direction::Forward => options.forwards(),
                    Direction::Backward => options.backwards(),
                };
                drain(client.read_stream(stream, &options).await.map_err(refused)?).await
            }
        }
    }

    /// A whole stream, forward.
    pub(super) async fn stream(&self, stream: &str) -> Result<Vec<RecordedEvent>, Refused> {
        self.read_stream(stream, StreamFrom::Start, Direction::Forward, usize::MAX).await
    }

    /// At most `count` events of the log.
    pub(super) async fn read_all(
        &self,
        from: AllFrom,
        direction: Direction,
        count: usize,
    ) -> Vec<RecordedEvent> {
        match self {
            Self::InProcess(node) => {
                let limit = ReadLimit { events: count, bytes: usize::MAX };
                node.read_all(from, direction, limit).unwrap().events
            }
            Self::Grpc(client) => {
                let position = match from {
                    AllFrom::Start => StreamPosition::Start,
                    AllFrom::End => StreamPosition::End,
                    AllFrom::Position(position) => StreamPosition::Position(at(position)),
                };
                let options = ReadAllOptions::default().position(position).max_count(count);
                let options = match direction {
                    Direction::Forward => options.forwards(),
                    Direction::Backward => options.backwards(),
                };
                drain(client.read_all(&options).await.unwrap()).await.unwrap()
            }
        }
    }

    /// Everything in the log from one position to another, both included.
    pub(super) async fn log(&self, first: u64, last: u64) -> Vec<RecordedEvent> {
        let mut events: Vec<RecordedEvent> = Vec::new();
        let mut from = first;
        while events.last().is_none_or(|event| event.position < last) {
            let page = self.read_all(AllFrom::Position(from), Direction::Forward, 500).await;
            from = page.last().expect("the log reaches that far").position + 1;
            events.extend(page);
        }
        events.retain(|event| event.position <= last);
        events
    }

    pub(super) async fn delete(&self, stream: &str, expected: ExpectedRevision) -> Result<u64, Refused> {
        match self {
            Self::InProcess(node) => {
                let deleted = node.delete_stream(stream, expected).await.map_err(refused_append)?;
                Ok(deleted.position)
            }
            Self::Grpc(client) => {
                let options = DeleteStreamOptions::default().stream_state(state(expected));
                let position = client.delete_stream(stream, &options).await.map_err(refused)?;
                Ok(position.expect("a position").commit)
            }
        }
    }

    pub(super) async fn tombstone(&self, stream: &str, expected: ExpectedRevision) -> Result<u64, Refused> {
        match self {
            Self::InProcess(node) => {
                let deleted = node.tombstone_stream(stream, expected).await.map_err(refused_append)?;
                Ok(deleted.position)
            }
            Self::Grpc(client) => {
                let options = TombstoneStreamOptions::default().stream_state(state(expected));
                let position = client.tombstone_stream(stream, &options).await.map_err(refused)?;
                Ok(position.expect("a position").commit)
            }
        }
    }

    /// Writes a stream's metadata as it is.
    pub(super) async fn set_metadata(
        &self,
        stream: &str,
        expected: ExpectedRevision,
        json: &str,
    ) -> Result<Written, Refused> {
        let event = ProposedEvent {
            event_type: "$metadata".into(),
            data: Bytes::copy_from_slice(json.as_bytes()),
            metadata: Bytes::new(),
            ..super::happened("")
        };
        self.append(&format!("$${stream}"), expected, vec![event]).await
    }

    pub(super) async fn subscribe_stream(&self, stream: &str, after: After) -> Result<Following, Refused> {
        match self {
            Self::InProcess(node) => Following::node_stream(node, stream, after),
            Self::Grpc(client) => Following::grpc_stream(client, stream, after).await,
        }
    }

    pub(super) async fn subscribe_all(&self, after: After) -> Following {
        match self {
            Self::InProcess(node) => Following::node_all(node, after),
            Self::Grpc(client) => Following::grpc_all(client, after).await,
        }
    }
}

/// A position as clients have it.
pub(super) fn at(position: u64) -> eventstore::Position {
    eventstore::Position { commit: position, prepare: position }
}

fn state(expected: ExpectedRevision) -> StreamState {
    match expected {
        ExpectedRevision::Any => StreamState::Any,
        ExpectedRevision::NoStream => StreamState::NoStream,
        ExpectedRevision::StreamExists => StreamState::StreamExists,
        ExpectedRevision::Exact(revision) => StreamState::StreamRevision(revision),
    }
}

pub(super) fn event_data(event: ProposedEvent) -> EventData {
    let data = if event.is_json {
        // The client serialises what it is given: JSON as it is.
        let json: Box<serde_json::value::RawValue> = serde_json::from_slice(&event.data).unwrap();
        EventData::json(event.event_type, &json).unwrap()
    } else {
        EventData::binary(event.event_type, event.data)
    };
    data.id(event.id).metadata(event.metadata)
}

async fn drain(mut read: ReadStream) -> Result<Vec<RecordedEvent>, Refused> {
    let mut events = Vec::new();
    while let Some(event) = read.next().await.map_err(refused)? {
        events.push(recorded(event.event.expect("an event that is no unresolved link")));
    }
    Ok(events)
}

/// As the node would have given it.
pub(super) fn recorded(event: eventstore::RecordedEvent) -> RecordedEvent {
    assert_eq!(event.position.commit, event.position.prepare);
    RecordedEvent {
        id: event.id,
        stream: event.stream_id().into(),
        revision: event.revision,
        position: event.position.commit,
        event_type: event.event_type.as_str().into(),
        is_json: event.is_json,
        // The client's own `created` has whole seconds only.
        created: event.metadata["created"].parse().unwrap(),
        data: event.data,
        metadata: event.custom_metadata,
    }
}

fn refused_append(error: AppendError) -> Refused {
    match error {
        AppendError::WrongExpectedRevision { current, .. } => Refused::WrongRevision(current),
        AppendError::StreamDeleted { .. } => Refused::Deleted,
        error => panic!("{error}"),
    }
}

pub(super) fn refused_read(error: ReadError) -> Refused {
    match error {
        ReadError::StreamDeleted { .. } => Refused::Deleted,
        error => panic!("{error}"),
    }
}

pub(super) fn refused(error: Error) -> Refused {
    match error {
        Error::WrongExpectedVersion { current: CurrentRevision::Current(revision), .. } => {
            Refused::WrongRevision(Some(revision))
        }
        Error::WrongExpectedVersion { current: CurrentRevision::NoStream, .. } => {
            Refused::WrongRevision(None)
        }
        Error::ResourceDeleted => Refused::Deleted,
        Error::ResourceNotFound => Refused::NotFound,
        // Of deletes the client gives no more than this.
        Error::Grpc { message, .. } if message.contains("WrongExpectedVersion") => {
            let (_, actual) = message.rsplit_once("Actual version: ").expect("the actual version");
            Refused::WrongRevision(actual.trim_end_matches('.').parse().ok())
        }
        error => panic!("{error:?}"),
    }
}
