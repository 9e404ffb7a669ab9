//! Reading streams and the log, as of now.

use crate::error::ReadError;
use crate::event::{AllFrom, AllRead, Direction, Position, ReadLimit, RecordedEvent, StreamFrom, StreamRead};
use crate::limits::{READ_CHUNK_BYTES, SEGMENT_HEADER_BYTES, STREAM_PAGE_EVENTS};
use crate::log::reader::{Backward, Forward, first_at_or_after, last_before, read_each};
use crate::readable::Readable;
use crate::shared::Shared;
use crate::streams::StreamHead;

/// Bytes read from the log per event wanted, when only few are.
const EVENT_GUESS_BYTES: usize = 1024;

/// Counts what a read has returned.
struct Budget {
    limit: ReadLimit,
    events: usize,
    bytes: usize,
}

impl Budget {
    fn new(limit: ReadLimit) -> Self {
        Self { limit, events: 0, bytes: 0 }
    }

    fn spend(&mut self, bytes: usize) {
        self.events += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn is_spent(&self) -> bool {
        self.events >= self.limit.events || (self.events > 0 && self.bytes >= self.limit.bytes)
    }

    fn chunk_bytes(&self) -> usize {
        READ_CHUNK_BYTES.min(self.limit.bytes).min(self.limit.events.saturating_mul(EVENT_GUESS_BYTES))
    }
}

impl Shared {
    pub(crate) fn read_stream(
        &self,
        stream: &str,
        from: StreamFrom,
        direction: Direction,
        limit: ReadLimit,
    ) -> Result<StreamRead, ReadError> {
        let nothing = |last_revision| StreamRead {
            events: Vec::new(),
            exists: false,
            first_revision: None,
            last_revision,
            end: true,
        };
        let readable = match self.readable(stream)? {
            None => return Ok(nothing(None)),
            Some(readable) if readable.soft_deleted => return Ok(nothing(Some(readable.head.revision))),
            Some(readable) => readable,
        };
        let last = readable.head.revision;
        let from = match (direction, from) {
            (_, StreamFrom::Start) => Some(0),
            (Direction::Forward, StreamFrom::End) => None,
            (Direction::Forward, StreamFrom::Revision(revision)) => Some(revision),
            (Direction::Backward, StreamFrom::End) => Some(last),
            (Direction::Backward, StreamFrom::Revision(revision)) => Some(revision.min(last)),
        };
        let (events, end) = match from {
            Some(from) => self.read_revisions(readable, from, direction, limit)?,
            None => (Vec::new(), true),
        };
        Ok(StreamRead {
            events,
            exists: true,
            first_revision: Some(readable.first.min(last + 1)),
            last_revision: Some(last),
            end,
        })
    }

    /// Events of a stream up to its head; and whether nothing is left in this direction.
    pub(crate) fn read_revisions(
        &self,
        readable: Readable,
        from: u64,
        direction: Direction,
        limit: ReadLimit,
    ) -> Result<(Vec<RecordedEvent>, bool), ReadError> {
        let Readable { head, first, .. } = readable;
        let mut budget = Budget::new(limit);
        let mut events: Vec<RecordedEvent> = Vec::new();
        let mut next = match direction {
            Direction::Forward => Some(from.max(first)).filter(|from| *from <= head.revision),
            Direction::Backward => Some(from).filter(|from| *from >= first),
        };
        while let Some(from) = next {
            if budget.is_spent() {
                return Ok((events, false));
            }
            let mut page = STREAM_PAGE_EVENTS.min(limit.events - budget.events);
            if direction == Direction::Backward {
                page = page.min(usize::try_from(from - first).map_or(page, |left| left.saturating_add(1)));
            }
            let mut positions = self.positions(head, from, direction, page)?;
            let read = positions.len() as u64;
            if direction == Direction::Backward {
                positions.reverse();
            }
            let mut found = Vec::with_capacity(positions.len());
            read_each(&self.log, &positions, |record| {
                found.push((record.event(&self.types), record.record.len));
                Ok(())
            })?;
            if direction == Direction::Backward {
                found.reverse();
            }
            for (event, bytes) in found {
                if budget.is_spent() {
                    return Ok((events, false));
                }
                budget.spend(bytes);
                events.push(event);
            }
            next = match direction {
                Direction::Forward => Some(from + read).filter(|next| *next <= head.revision),
                Direction::Backward => from.checked_sub(read).filter(|next| *next >= first),
            };
        }
        Ok((events, true))
    }

    /// Positions of at least one and at most `limit` events, in the direction of the read.
    pub(crate) fn positions(
        &self,
        head: StreamHead,
        from: u64,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Position>, ReadError> {
        let found = self.index.range(head.slot, from, direction, limit)?;
        let mut positions = Vec::with_capacity(found.len());
        for (offset, (revision, position)) in (0..).zip(found) {
            // Newer than the head: other events, or a tombstone, which leaves a gap.
            if revision > head.revision {
                break;
            }
            let expected = match direction {
                Direction::Forward => Some(from + offset),
                Direction::Backward => from.checked_sub(offset),
            };
            if expected != Some(revision) {
                let reason = format!("revision {expected:?} of a stream is missing, {revision} was found");
                return Err(ReadError::Index { reason });
            }
            positions.push(position);
        }
        if positions.is_empty() {
            let reason =
                format!("revision {from} of a stream with the last revision {} is missing", head.revision);
            return Err(ReadError::Index { reason });
        }
        Ok(positions)
    }

    pub(crate) fn read_all(
        &self,
        from: AllFrom,
        direction: Direction,
        limit: ReadLimit,
    ) -> Result<AllRead, ReadError> {
        match direction {
            Direction::Forward => self.read_all_forward(from, limit),
            Direction::Backward => self.read_all_backward(from, limit),
        }
    }

    fn read_all_forward(&self, from: AllFrom, limit: ReadLimit) -> Result<AllRead, ReadError> {
        let end = self.durable().end;
        let first = match from {
            AllFrom::Start => SEGMENT_HEADER_BYTES,
            AllFrom::End => end,
            AllFrom::Position(position) => first_at_or_after(&self.log, position, end)?,
        };
        let mut budget = Budget::new(limit);
        let mut reader = Forward::new(&self.log, first, end, budget.chunk_bytes());
        let mut events = Vec::new();
        while !budget.is_spent() {
            let Some(found) = reader.next()? else { break };
            budget.spend(found.record.len);
            events.push(found.event(&self.types));
        }
        Ok(AllRead { events, next: reader.position(), end: reader.position() >= end })
    }

    fn read_all_backward(&self, from: AllFrom, limit: ReadLimit) -> Result<AllRead, ReadError> {
        let durable = self.durable();
        let last = match from {
            AllFrom::Start => 0,
            AllFrom::End => durable.head,
            AllFrom::Position(position) if position >= durable.end => durable.head,
            AllFrom::Position(position) => last_before(&self.log, position, durable.head, durable.end)?,
        };
        let mut budget = Budget::new(limit);
        let mut reader = Backward::new(&self.log, last, budget.chunk_bytes());
        let mut next = if let AllFrom::Position(position) = from { position } else { durable.end };
        let mut events = Vec::new();
        while !budget.is_spent() {
            let Some(found) = reader.next()? else { break };
            budget.spend(found.record.len);
            next = found.record.place.position;
            events.push(found.event(&self.types));
        }
        if reader.at_start() {
            next = 0;
        }
        Ok(AllRead { events, next, end: reader.at_start() })
    }
}
