//! From an event of the log to what a client gets: links followed, if it wants that.

use crate::Node;
use crate::error::ReadError;
use crate::event::RecordedEvent;
use crate::grpc::wire::{self, ReadEvent, UuidForm};
use crate::persistent::{follow, is_link};

/// How a client wants its events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Events instead of the links to them.
    pub(crate) resolve_links: bool,
    pub(crate) uuids: UuidForm,
}

impl Shape {
    /// Whether the event has to be looked up, which may block.
    pub(crate) fn is_link(self, event: &RecordedEvent) -> bool {
        self.resolve_links && is_link(event)
    }

    /// The event as it is.
    pub(crate) fn plain(self, event: RecordedEvent) -> ReadEvent {
        let commit_position = Some(event.position);
        ReadEvent { event: Some(self.recorded(event)), link: None, commit_position }
    }

    /// The event, or the one it points to. Blocks if it is a link.
    pub(crate) fn read_event(self, node: &Node, event: RecordedEvent) -> Result<ReadEvent, ReadError> {
        if !self.is_link(&event) {
            return Ok(self.plain(event));
        }
        let target = follow(node, &event)?;
        Ok(ReadEvent {
            commit_position: Some(event.position),
            event: target.map(|target| self.recorded(target)),
            link: Some(Box::new(self.recorded(event))),
        })
    }

    fn recorded(self, event: RecordedEvent) -> wire::RecordedEvent {
        wire::RecordedEvent::new(event, self.uuids)
    }
}
