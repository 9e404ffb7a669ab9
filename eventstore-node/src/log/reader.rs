//! Reading the log: in either direction from any place, and single records at known positions.

use std::sync::Arc;

use bytes::Bytes;

use super::Log;
use super::record::{Bad, HEADER_LEN, Place, Record, decode, extent};
use super::segment::Segment;
use crate::error::{Corruption, ReadError};
use crate::event::{Position, RecordedEvent};
use crate::limits::{READ_CHUNK_BYTES, READ_ONE_BYTES};
use crate::type_names::TypeNames;

/// A record and the chunk it was read with.
#[derive(Debug)]
pub(crate) struct Found<'c> {
    pub(crate) record: Record<'c>,
    chunk: &'c Chunk,
}

impl Found<'_> {
    /// The event, sharing the chunk's memory.
    pub(crate) fn event(&self, types: &TypeNames) -> RecordedEvent {
        let Record { place, content, len, data_start } = &self.record;
        let start = (place.position - self.chunk.start) as usize;
        let data_start = start + data_start;
        let data_end = data_start + content.data.len();
        RecordedEvent {
            id: content.id,
            stream: content.stream.into(),
            revision: place.revision,
            position: place.position,
            event_type: types.shared(content.event_type),
            is_json: content.is_json,
            created: place.created,
            data: self.chunk.bytes.slice(data_start..data_end),
            metadata: self.chunk.bytes.slice(data_end..start + len),
        }
    }
}

/// A stretch of one segment, read at once.
#[derive(Debug, Default)]
struct Chunk {
    bytes: Bytes,
    start: Position,
}

impl Chunk {
    /// The bytes from `position` on; none if it lies outside.
    fn from(&self, position: Position) -> &[u8] {
        position.checked_sub(self.start).and_then(|at| self.bytes.get(at as usize..)).unwrap_or_default()
    }

    /// Makes sure the record at `position` is here in full, reading `stretch` if it is not. False: there is no record.
    fn load(
        &mut self,
        log: &Log,
        segment: &Segment,
        position: Position,
        stretch: std::ops::Range<Position>,
    ) -> Result<bool, ReadError> {
        let mut stretch = stretch;
        // Here already; or after one read; or, if the record is longer than that, after a second.
        for _ in 0..3 {
            match extent(self.from(position), position) {
                Ok(_) => return Ok(true),
                Err(Bad::Blank) => return Ok(false),
                Err(Bad::Short(needed)) if position + needed as u64 <= segment.end() => {
                    if needed > HEADER_LEN {
                        stretch = position..stretch.end.max(position + needed as u64);
                    }
                    let wanted = stretch.end.max(position + HEADER_LEN as u64) - stretch.start;
                    *self = Self {
                        bytes: log.read(segment, stretch.start, wanted as usize)?,
                        start: stretch.start,
                    };
                }
                Err(bad) => return Err(unreadable(segment, position, bad)),
            }
        }
        Err(unreadable(segment, position, Bad::Garbage("the record's length changes while it is read")))
    }

    /// The record at `position`, checked. It was loaded.
    fn record(&self, segment: &Segment, position: Position) -> Result<Found<'_>, ReadError> {
        let record =
            decode(self.from(position), position).map_err(|bad| unreadable(segment, position, bad))?;
        Ok(Found { record, chunk: self })
    }
}

fn segment_of(log: &Log, position: Position) -> Result<Arc<Segment>, ReadError> {
    log.segment_at(position).ok_or_else(|| {
        let reason = "an event should be here, but the log has no such segment".into();
        Corruption { file: log.dir.clone(), offset: 0, position, reason }.into()
    })
}

fn unreadable(segment: &Segment, position: Position, bad: Bad) -> ReadError {
    let reason = match bad {
        Bad::Garbage(reason) => reason,
        Bad::Blank => "zeros where an event should be",
        Bad::Short(_) => "the record's length leads beyond its segment",
    };
    segment.corrupt(position, reason).into()
}

/// Reads records forward, from a place where one begins or ends, to the durable end.
#[derive(Debug)]
pub(crate) struct Forward<'l> {
    log: &'l Log,
    next: Position,
    end: Position,
    /// The record before the next one; 0: unknown.
    last: Position,
    chunk: Chunk,
    chunk_bytes: u64,
}

impl<'l> Forward<'l> {
    /// `end`: as far as records are durable. `chunk_bytes`: how much to read at once, kept within bounds.
    pub(crate) fn new(log: &'l Log, next: Position, end: Position, chunk_bytes: usize) -> Self {
        let chunk_bytes = chunk_bytes.clamp(READ_ONE_BYTES, READ_CHUNK_BYTES) as u64;
        Self { log, next, end, last: 0, chunk: Chunk::default(), chunk_bytes }
    }

    /// The first record returned must be the one after the record at `last`; 0: unknown, it is not checked
    /// then.
    pub(crate) fn following(mut self, last: Position) -> Self {
        self.last = last;
        self
    }

    /// Where the next record is looked for.
    pub(crate) fn position(&self) -> Position {
        self.next
    }

    /// The record returned last; before the first, the one given to [`Forward::following`]; 0: unknown.
    pub(crate) fn last(&self) -> Position {
        self.last
    }

    /// The next record, checked; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Found<'_>>, ReadError> {
        let mut left: Option<(Arc<Segment>, Position)> = None;
        while self.next < self.end {
            let segment = segment_of(self.log, self.next)?;
            let position = self.next.max(segment.first());
            if position >= self.end {
                return Ok(None);
            }
            let over = segment.data_end().is_some_and(|end| position >= end)
                || position + HEADER_LEN as u64 > segment.end();
            let stretch = position..self.end.min(position + self.chunk_bytes).min(segment.end());
            if !over && self.chunk.load(self.log, &segment, position, stretch)? {
                let found = self.chunk.record(&segment, position)?;
                if let Some((left, blank)) = &left {
                    leaves_nothing_out(left, *blank, &found.record)?;
                }
                if self.last != 0 {
                    follows(&segment, &found.record, self.last)?;
                    // Only now it is known that nothing is missing between the zeros and this record.
                    if let Some((left, data_end)) = left {
                        left.set_data_end(data_end);
                    }
                }
                (self.last, self.next) = (position, found.record.end());
                return Ok(Some(found));
            }
            if segment.end() >= self.end || segment.data_end().is_some_and(|end| position < end) {
                return Err(unreadable(&segment, position, Bad::Blank));
            }
            self.next = segment.end();
            left = left.or(Some((segment, position)));
        }
        Ok(None)
    }
}

/// Checks that the zeros from `blank` to the end of the segment `left` were never a record: `record` is the first one
/// found after them.
fn leaves_nothing_out(left: &Segment, blank: Position, record: &Record<'_>) -> Result<(), ReadError> {
    let Place { position, previous, .. } = record.place;
    if previous < blank {
        return Ok(());
    }
    let reason = format!(
        "zeros where an event should be: the event at {position} came after one at {previous}, which is gone"
    );
    Err(left.corrupt(blank, reason).into())
}

/// Checks that nothing is missing between the record at `last` and this one.
fn follows(segment: &Segment, record: &Record<'_>, last: Position) -> Result<(), ReadError> {
    if record.place.previous == last {
        return Ok(());
    }
    let reason = format!(
        "the event at {} came before this one, but the one found there is at {last}: events between them are gone",
        record.place.previous
    );
    Err(segment.corrupt(record.place.position, reason).into())
}

/// Reads records backward, from a record's position to the start of the log.
#[derive(Debug)]
pub(crate) struct Backward<'l> {
    log: &'l Log,
    /// The next record to return; 0: none is left.
    next: Position,
    chunk: Chunk,
    chunk_bytes: u64,
}

impl<'l> Backward<'l> {
    /// Begins with the record at `last`, or returns nothing if that is 0.
    pub(crate) fn new(log: &'l Log, last: Position, chunk_bytes: usize) -> Self {
        let chunk_bytes = chunk_bytes.clamp(READ_ONE_BYTES, READ_CHUNK_BYTES) as u64;
        Self { log, next: last, chunk: Chunk::default(), chunk_bytes }
    }

    /// Whether the start of the log is reached.
    pub(crate) fn at_start(&self) -> bool {
        self.next == 0
    }

    /// The record before the one returned last, checked; `None` at the start.
    pub(crate) fn next(&mut self) -> Result<Option<Found<'_>>, ReadError> {
        if self.next == 0 {
            return Ok(None);
        }
        let (segment, position) = (segment_of(self.log, self.next)?, self.next);
        // Mostly what lies before the record, and what it takes itself in most cases.
        let before = position.saturating_sub(self.chunk_bytes).max(segment.first()).min(position);
        if !self.chunk.load(self.log, &segment, position, before..position + READ_ONE_BYTES as u64)? {
            return Err(unreadable(&segment, position, Bad::Blank));
        }
        let found = self.chunk.record(&segment, position)?;
        self.next = found.record.place.previous;
        if self.next >= position {
            return Err(segment
                .corrupt(position, "the record names a later one as the one before it")
                .into());
        }
        Ok(Some(found))
    }
}

/// Reads the records at `positions`, ascending, neighbours at once, and hands each to `visit` in that order.
pub(crate) fn read_each(
    log: &Log,
    positions: &[Position],
    mut visit: impl FnMut(&Found<'_>) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let mut chunk = Chunk::default();
    for (index, &position) in positions.iter().enumerate() {
        let segment = segment_of(log, position)?;
        // As far as the following records are close enough to each other that reading on is cheaper than reading again.
        let mut end = position + READ_ONE_BYTES as u64;
        for &following in &positions[index + 1..] {
            if following > end || following - position > (READ_CHUNK_BYTES - READ_ONE_BYTES) as u64 {
                break;
            }
            end = following + READ_ONE_BYTES as u64;
        }
        if !chunk.load(log, &segment, position, position..end)? {
            return Err(unreadable(&segment, position, Bad::Blank));
        }
        visit(&chunk.record(&segment, position)?)?;
    }
    Ok(())
}

/// Reads the record at `position`.
pub(crate) fn read_one<T>(
    log: &Log,
    position: Position,
    mut visit: impl FnMut(&Record<'_>) -> T,
) -> Result<T, ReadError> {
    let mut value = None;
    read_each(log, &[position], |found| {
        value = Some(visit(&found.record));
        Ok(())
    })?;
    value.ok_or_else(|| ReadError::Index { reason: "a record was not visited".into() })
}

/// Where a record begins at or after `position`, any number; `end` if there is none before it.
pub(crate) fn first_at_or_after(log: &Log, position: Position, end: Position) -> Result<Position, ReadError> {
    if position >= end {
        return Ok(end);
    }
    let segment = segment_of(log, position)?;
    if position <= segment.first() {
        return Ok(segment.first());
    }
    if segment.data_end().is_some_and(|data_end| position >= data_end) {
        return Ok(segment.end());
    }
    if begins_at(log, &segment, position)?.is_some() {
        return Ok(position);
    }
    // A number from somewhere else: records are found only by walking from where one is known to begin.
    let mut walk = Forward::new(log, segment.first(), end, READ_CHUNK_BYTES);
    while let Some(found) = walk.next()? {
        if found.record.place.position >= position {
            return Ok(found.record.place.position);
        }
    }
    Ok(end)
}

/// A reader of the records strictly after `position`, any number.
pub(crate) fn after(
    log: &Log,
    position: Position,
    end: Position,
    chunk_bytes: usize,
) -> Result<Forward<'_>, ReadError> {
    let (next, last) = if position >= end {
        (end, 0)
    } else {
        let segment = segment_of(log, position)?;
        match begins_at(log, &segment, position)? {
            Some(record_end) => (record_end, position),
            None => (first_at_or_after(log, position + 1, end)?, 0),
        }
    };
    Ok(Forward::new(log, next, end, chunk_bytes).following(last))
}

/// The last record strictly before `position`, any number; 0 if there is none. `head` is the last durable record.
pub(crate) fn last_before(
    log: &Log,
    position: Position,
    head: Position,
    end: Position,
) -> Result<Position, ReadError> {
    let next = first_at_or_after(log, position, end)?;
    let mut forward = Forward::new(log, next, end, READ_ONE_BYTES);
    Ok(forward.next()?.map_or(head, |found| found.record.place.previous))
}

/// The end of the record that begins exactly at `position`, if one does.
fn begins_at(log: &Log, segment: &Segment, position: Position) -> Result<Option<Position>, ReadError> {
    if position < segment.first() || position + HEADER_LEN as u64 > segment.end() {
        return Ok(None);
    }
    let mut wanted = READ_ONE_BYTES;
    loop {
        let bytes = log.read(segment, position, wanted)?;
        match decode(&bytes, position) {
            Ok(record) => return Ok(Some(record.end())),
            Err(Bad::Short(needed)) if needed > bytes.len() && position + needed as u64 <= segment.end() => {
                wanted = needed;
            }
            Err(_) => return Ok(None),
        }
    }
}
