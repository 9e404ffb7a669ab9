//! An event as it was read, with what it points to if it is a link.

use crate::{Direction, Node, ReadError, ReadLimit, RecordedEvent, StreamFrom};

use super::names::LINK_TYPE;

/// An event as it was read, with what it points to if it is a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolvedEvent {
    /// An event that is no link, or a link that was not to be followed.
    Event(RecordedEvent),
    /// A link.
    Link {
        /// The link itself.
        link: RecordedEvent,
        /// What it points to; `None` if there is no such event.
        target: Option<RecordedEvent>,
    },
}

impl ResolvedEvent {
    /// Follows a link, if the event is one. Blocks.
    ///
    /// # Errors
    /// As for [`Node::read_stream`].
    pub fn resolve(node: &Node, event: RecordedEvent) -> Result<Self, ReadError> {
        if !is_link(&event) {
            return Ok(Self::Event(event));
        }
        let target = follow(node, &event)?;
        Ok(Self::Link { link: event, target })
    }

    /// The event as it was read: the link if it is one.
    #[must_use]
    pub fn original(&self) -> &RecordedEvent {
        match self {
            Self::Event(event) | Self::Link { link: event, .. } => event,
        }
    }

    /// The event that is meant: what a link points to. `None` if that does not exist.
    #[must_use]
    pub fn event(&self) -> Option<&RecordedEvent> {
        match self {
            Self::Event(event) => Some(event),
            Self::Link { target, .. } => target.as_ref(),
        }
    }

    /// The link, if it is one.
    #[must_use]
    pub fn link(&self) -> Option<&RecordedEvent> {
        match self {
            Self::Event(_) => None,
            Self::Link { link, .. } => Some(link),
        }
    }

    /// Bytes of memory it keeps, about.
    pub(crate) fn bytes(&self) -> usize {
        let of = |event: &RecordedEvent| size_of::<RecordedEvent>() + event.data.len() + event.metadata.len();
        self.link().map_or(0, of) + self.event().map_or(0, of)
    }
}

/// Whether an event points to another one.
pub(crate) fn is_link(event: &RecordedEvent) -> bool {
    &*event.event_type == LINK_TYPE
}

/// What a link points to; `None` if it is malformed or what it points to is gone. Blocks.
pub(crate) fn follow(node: &Node, link: &RecordedEvent) -> Result<Option<RecordedEvent>, ReadError> {
    let Some((revision, stream)) = target(&link.data) else { return Ok(None) };
    let from = StreamFrom::Revision(revision);
    match node.read_stream(stream, from, Direction::Forward, ReadLimit::events(1)) {
        Ok(read) => Ok(read.events.into_iter().next().filter(|event| event.revision == revision)),
        Err(ReadError::StreamDeleted { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Revision and stream that a link names.
fn target(data: &[u8]) -> Option<(u64, &str)> {
    let (revision, stream) = std::str::from_utf8(data).ok()?.split_once('@')?;
    Some((revision.parse().ok()?, stream))
}
