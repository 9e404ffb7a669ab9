//! Appends to one stream that are written as one.

use eventstore_node::{ExpectedRevision, ProposedEvent, StreamAppend};

use crate::{JOINED_APPEND_BYTES_MAX, JOINED_APPEND_EVENTS_MAX};

/// What is to be written as one append.
#[derive(Debug)]
pub(crate) struct Group {
    pub(super) parts: usize,
    pub(crate) expected: ExpectedRevision,
    pub(crate) events: Vec<ProposedEvent>,
}

impl Group {
    /// As many of these as can be written as one append.
    pub(super) fn of<'a>(mut appends: impl Iterator<Item = &'a StreamAppend>) -> Option<Self> {
        let first = appends.next()?;
        let mut group = Self { parts: 1, expected: first.expected, events: first.events.clone() };
        // What begins a stream stays alone, so that its own position is answered.
        if !matches!(first.expected, ExpectedRevision::Exact(_)) {
            return Some(group);
        }
        let (mut last, mut bytes) = (first.last_revision(), first.bytes());
        for append in appends {
            bytes = bytes.saturating_add(append.bytes());
            let follows = last.is_some_and(|last| append.expected == ExpectedRevision::Exact(last));
            let events = group.events.len().saturating_add(append.events.len());
            if !follows || events > JOINED_APPEND_EVENTS_MAX || bytes > JOINED_APPEND_BYTES_MAX {
                break;
            }
            group.parts = group.parts.saturating_add(1);
            group.events.extend(append.events.iter().cloned());
            last = append.last_revision();
        }
        Some(group)
    }
}

/// What an append says of itself.
pub(super) trait Extent {
    /// Revision of its first event, if it says so.
    fn first_revision(&self) -> Option<u64>;
    /// Revision of its last event, if it says so.
    fn last_revision(&self) -> Option<u64>;
    fn bytes(&self) -> usize;
}

impl Extent for StreamAppend {
    fn first_revision(&self) -> Option<u64> {
        match self.expected {
            ExpectedRevision::NoStream => Some(0),
            ExpectedRevision::Exact(revision) => Some(revision.saturating_add(1)),
            ExpectedRevision::Any | ExpectedRevision::StreamExists => None,
        }
    }

    fn last_revision(&self) -> Option<u64> {
        let more = u64::try_from(self.events.len()).ok()?.checked_sub(1)?;
        self.first_revision()?.checked_add(more)
    }

    fn bytes(&self) -> usize {
        self.events.iter().map(|event| event.data.len() + event.metadata.len() + event.event_type.len()).sum()
    }
}
