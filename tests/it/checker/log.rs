//! The log as anybody can read it.

use std::fmt::{self, Display, Formatter};

use eventstore::{Client, Position, ReadAllOptions, StreamPosition};
use serde_json::Value;

use crate::harness::{log_client, text};

/// An event: what it is called, and its JSON.
#[derive(Clone, Debug)]
pub(super) struct LogEvent {
    pub(super) position: u64,
    pub(super) stream: String,
    pub(super) revision: u64,
    pub(super) name: String,
    pub(super) data: Value,
    pub(super) metadata: Value,
}

impl Display for LogEvent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { position, stream, revision, name, data, .. } = self;
        write!(f, "{position} {stream} {revision} {name} {data}")
    }
}

impl LogEvent {
    /// Its stream's category, and what is left of the stream's name.
    pub(super) fn category(&self) -> (&str, &str) {
        self.stream.split_once('-').unwrap_or((&self.stream, ""))
    }

    /// The month it counts for, in the time zone that all tests have.
    pub(super) fn month(&self) -> String {
        text(&self.metadata["booked_at"])[..7].to_owned()
    }
}

/// A log that is read on and on.
pub(super) struct Log {
    client: Client,
    next: StreamPosition<Position>,
}

impl Log {
    pub(super) fn at(url: &str) -> Self {
        Self { client: log_client(url), next: StreamPosition::Start }
    }

    /// Everything that was written since it was looked at last.
    pub(super) async fn more(&mut self) -> Vec<LogEvent> {
        let options = ReadAllOptions::default().position(self.next);
        let mut read = self.client.read_all(&options).await.unwrap();
        let mut events = Vec::new();
        while let Some(event) = read.next().await.unwrap() {
            let event = event.event.unwrap();
            let position = event.position.commit;
            let next = position + 1;
            self.next = StreamPosition::Position(Position { commit: next, prepare: next });
            events.push(LogEvent {
                position,
                stream: event.stream_id().to_owned(),
                revision: event.revision,
                name: event.event_type.as_str().to_owned(),
                data: serde_json::from_slice(&event.data).unwrap_or_default(),
                metadata: serde_json::from_slice(&event.custom_metadata).unwrap_or_default(),
            });
        }
        events
    }
}
