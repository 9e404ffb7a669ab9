//! Starting: where does the log end, and is everything there that was acknowledged?
//!
//! A group of batches is written at once and then synced, and the next is written only after that. So only the last
//! group can be torn by a crash. The first bad place in the log is therefore either in the last group, which nobody was
//! told about: it is cut off. Or anything written after it was synced proves that it had been whole: then the disk lost
//! it, and the node refuses to start rather than to forget it.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::Log;
use super::record::{Bad, HEADER_LEN, Record, decode, extent, may_begin};
use super::segment::{Segment, open_file};
use crate::error::{FileError, OpenError};
use crate::event::Position;

/// Where the log ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tail {
    /// The last record; 0 if there is none.
    pub(crate) head: Position,
    /// The end of the last record: where the next one goes, if it fits there.
    pub(crate) end: Position,
    /// When the last record was created.
    pub(crate) created: i64,
    /// Bytes of records that were checked.
    pub(crate) checked: u64,
    /// Where checking began: older segments are left to the scrub.
    pub(crate) checked_from: Position,
}

/// A segment's bytes and where they lie.
struct Loaded {
    segment: Arc<Segment>,
    bytes: Vec<u8>,
}

impl Loaded {
    fn read(segment: &Arc<Segment>) -> Result<Self, OpenError> {
        let file = open_file(&segment.path)?;
        let mut bytes = vec![0; segment.size as usize];
        file.read_exact_at(&mut bytes, 0).map_err(FileError::on("read", &segment.path))?;
        Ok(Self { segment: segment.clone(), bytes })
    }

    fn from(&self, position: Position) -> &[u8] {
        self.bytes.get((position - self.segment.base) as usize..).unwrap_or_default()
    }

    /// The end of the last byte that is not zero, at or after `position`.
    fn garbage_end(&self, position: Position) -> Option<Position> {
        let bytes = self.from(position);
        bytes.iter().rposition(|byte| *byte != 0).map(|last| position + last as u64 + 1)
    }
}

/// Walks over records and remembers the last complete batch.
struct Walk {
    /// The last record of the last complete batch.
    tail: Tail,
    /// The last record seen, complete batch or not; 0: none.
    last: Position,
    /// Where the next record is expected.
    next: Position,
    /// The segment where `tail.end` lies.
    tail_segment: Option<Arc<Segment>>,
}

impl Walk {
    fn new(segment: &Segment) -> Self {
        let tail = Tail { end: segment.first(), checked_from: segment.base, ..Tail::default() };
        Self { tail, last: 0, next: segment.first(), tail_segment: None }
    }

    fn batch_is_complete(&self) -> bool {
        self.last == self.tail.head
    }
}

/// Finds the end of the log, checking every record from the segment of `synced` or the last `verify_bytes` on, whichever
/// is earlier; cuts off what a crash left of the last group; and makes what is left durable.
///
/// `synced`: everything before this position is known to have been synced (the index says so); 0 if unknown.
pub(crate) fn recover(log: &Log, synced: Position, verify_bytes: u64) -> Result<Tail, OpenError> {
    let segments = log.segments();
    let start = first_to_check(&segments, synced, verify_bytes)?;
    let mut walk = Walk::new(&segments[start]);
    let mut loaded = Loaded::read(&segments[start])?;
    for next in &segments[start + 1..] {
        let (stop, bad) = walk_segment(&loaded, &mut walk)?;
        let next = Loaded::read(next)?;
        let rolled = bad == Bad::Blank
            && walk.batch_is_complete()
            && loaded.garbage_end(stop).is_none()
            && next.garbage_end(next.segment.first()).is_some();
        if !rolled {
            break;
        }
        loaded.segment.set_data_end(stop);
        loaded = next;
    }
    let (stop, bad) = walk_segment(&loaded, &mut walk)?;
    let later = segments.partition_point(|segment| segment.base <= loaded.segment.base);
    settle_end(&loaded, stop, bad, &segments[later..], &walk, synced)?;
    if let Some(segment) = &walk.tail_segment {
        // The writer goes on in this segment, even if it had begun the next and all of that was cut off.
        segment.forget_data_end();
        // A killed process leaves records that were written but not synced. From here on they are shown to readers.
        let file = open_file(&segment.path)?;
        file.sync_data().map_err(FileError::on("sync", &segment.path))?;
    }
    Ok(walk.tail)
}

/// The index of the first segment to check.
fn first_to_check(
    segments: &[Arc<Segment>],
    synced: Position,
    verify_bytes: u64,
) -> Result<usize, OpenError> {
    let mut last = segments.len() - 1;
    while last > 0 && !begins_with_record(&segments[last])? {
        last -= 1;
    }
    let mut start = last;
    let mut bytes = segments[last].size;
    // At least one more than the last: that may hold nothing but an incomplete batch.
    while start > 0
        && (start == last || bytes < verify_bytes || (segments[start].base > synced && synced > 0))
    {
        start -= 1;
        bytes += segments[start].size;
    }
    Ok(start)
}

fn begins_with_record(segment: &Segment) -> Result<bool, OpenError> {
    let file = open_file(&segment.path)?;
    let mut bytes = vec![0; HEADER_LEN];
    let offset = segment.first() - segment.base;
    file.read_exact_at(&mut bytes, offset).map_err(FileError::on("read", &segment.path))?;
    if let Err(Bad::Short(needed)) = extent(&bytes, segment.first())
        && needed as u64 <= segment.size - offset
    {
        bytes.resize(needed, 0);
        file.read_exact_at(&mut bytes, offset).map_err(FileError::on("read", &segment.path))?;
    }
    Ok(decode(&bytes, segment.first()).is_ok())
}

/// Walks to the first place in the segment where no good record begins.
fn walk_segment(loaded: &Loaded, walk: &mut Walk) -> Result<(Position, Bad), OpenError> {
    let mut position = walk.next.max(loaded.segment.first());
    loop {
        let bytes = loaded.from(position);
        let record = match decode(bytes, position) {
            Ok(record) => record,
            Err(Bad::Short(_)) if bytes.iter().all(|byte| *byte == 0) => return Ok((position, Bad::Blank)),
            Err(bad) => return Ok((position, bad)),
        };
        if walk.last != 0 && record.place.previous != walk.last {
            let reason = format!(
                "the event before this one was at {}, but the last one found is at {}: events between them are gone",
                record.place.previous, walk.last
            );
            return Err(loaded.segment.corrupt(position, reason).into());
        }
        position = record.end();
        walk.next = position;
        walk.last = record.place.position;
        walk.tail.checked += record.len as u64;
        if record.place.last_of_batch {
            walk.tail.head = record.place.position;
            walk.tail.end = position;
            walk.tail.created = record.place.created;
            walk.tail_segment = Some(loaded.segment.clone());
        }
    }
}

/// No good record begins at `stop`. Decides whether that is the log's end, a torn group, or a loss.
fn settle_end(
    loaded: &Loaded,
    stop: Position,
    bad: Bad,
    later: &[Arc<Segment>],
    walk: &Walk,
    synced: Position,
) -> Result<(), OpenError> {
    // An incomplete batch at the end goes with what follows it.
    let cut = if walk.batch_is_complete() { stop } else { walk.tail.end.max(loaded.segment.first()) };
    let mut garbage = Vec::new();
    if let Some(end) = loaded.garbage_end(cut) {
        garbage.push((loaded.segment.clone(), cut, end));
    }
    let mut proof = proof_of_loss(loaded, stop, stop);
    for segment in later {
        let loaded = Loaded::read(segment)?;
        if let Some(end) = loaded.garbage_end(segment.first()) {
            garbage.push((segment.clone(), segment.first(), end));
            proof = proof.or_else(|| proof_of_loss(&loaded, segment.first(), stop));
        }
    }
    if garbage.is_empty() {
        return Ok(());
    }
    let what = match bad {
        Bad::Blank => "zeros where an event should be",
        Bad::Short(_) => "the record's length leads beyond its segment",
        Bad::Garbage(reason) => reason,
    };
    if let Some(proof) = proof {
        let reason = format!(
            "{what}; this was synced to disk before the event at {proof} was written, so it is not a torn write"
        );
        return Err(loaded.segment.corrupt(stop, reason).into());
    }
    if synced > stop {
        let reason = format!(
            "{what}; the index has everything before {synced}, so this had been synced and is not a torn write (if the \
             log was restored from a copy, delete the index directory and start again)"
        );
        return Err(loaded.segment.corrupt(stop, reason).into());
    }
    for (segment, from, to) in garbage {
        tracing::warn!(
            file = %segment.path.display(),
            offset = from - segment.base,
            bytes = to - from,
            "cutting off a group of appends that a crash left unfinished; none of it was acknowledged"
        );
        blank(&segment, from, to)?;
    }
    Ok(())
}

/// Looks for a record, at or after `from`, that was written after everything before `stop` and more was synced.
fn proof_of_loss(loaded: &Loaded, from: Position, stop: Position) -> Option<Position> {
    let bytes = loaded.from(from);
    (0..bytes.len()).find_map(|at| {
        let position = from + at as u64;
        let bytes = &bytes[at..];
        let record: Record<'_> =
            may_begin(bytes, position).then(|| decode(bytes, position).ok()).flatten()?;
        (record.place.group_start > stop).then_some(position)
    })
}

fn blank(segment: &Segment, from: Position, to: Position) -> Result<(), OpenError> {
    let file = open_file(&segment.path)?;
    let zeros = vec![0; (to - from) as usize];
    file.write_all_at(&zeros, from - segment.base)
        .and_then(|()| file.sync_data())
        .map_err(FileError::on("cut the end of", &segment.path))?;
    Ok(())
}
