//! Starting: where does the log end, and is everything there that was acknowledged?
//!
//! A group of batches is written at once and then synced, and the next is written only after that. So only the last
//! group can be torn by a crash. The first bad place in the log is therefore either in the last group, which nobody was
//! told about: it is cut off. Or anything written after it was synced proves that it had been whole, or the index does,
//! which gets nothing before it is synced: then the disk lost it, and the node refuses to start rather than to forget it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::Log;
use super::record::{Bad, HEADER_LEN, Place, Record, decode, extent, may_begin};
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

/// Bytes of a segment looked at together.
const WINDOW_BYTES: usize = 1024 * 1024;

/// What a segment consists of where nothing was written. Compared in whole blocks: most of the last segments is like this.
const ZEROS: [u8; 4096] = [0; 4096];

/// Looks at a segment's bytes through a window, so that memory does not grow with the segment.
struct Scan {
    segment: Arc<Segment>,
    file: File,
    window: Vec<u8>,
    window_start: Position,
}

impl Scan {
    fn open(segment: &Arc<Segment>) -> Result<Self, OpenError> {
        let file = open_file(&segment.path)?;
        Ok(Self { segment: segment.clone(), file, window: Vec::new(), window_start: segment.base })
    }

    /// The bytes from `position` on: at least `len`, unless the segment ends before.
    fn at(&mut self, position: Position, len: usize) -> Result<&[u8], OpenError> {
        let left = (self.segment.end() - position) as usize;
        let window_end = self.window_start + self.window.len() as u64;
        if position < self.window_start || position + len.min(left) as u64 > window_end {
            self.window.resize(len.max(WINDOW_BYTES).min(left), 0);
            self.window_start = position;
            self.file
                .read_exact_at(&mut self.window, position - self.segment.base)
                .map_err(FileError::on("read", &self.segment.path))?;
        }
        Ok(&self.window[(position - self.window_start) as usize..])
    }

    /// Makes sure the record at `position` is in the window in full, if there is one.
    fn record(&mut self, position: Position) -> Result<Result<Record<'_>, Bad>, OpenError> {
        let left = (self.segment.end() - position) as usize;
        let needed = match extent(self.at(position, HEADER_LEN)?, position) {
            Ok(len) => len,
            Err(Bad::Short(needed)) => needed.min(left),
            Err(bad) => return Ok(Err(bad)),
        };
        let bytes = self.at(position, needed)?;
        // Too little is left for a record: the segment ends here, if nothing was written.
        let blank = left < HEADER_LEN && bytes.iter().all(|byte| *byte == 0);
        Ok(if blank { Err(Bad::Blank) } else { decode(bytes, position) })
    }

    /// The end of the last byte at or after `position` that is not zero.
    fn garbage_end(&mut self, position: Position) -> Result<Option<Position>, OpenError> {
        let mut end = self.segment.end();
        while end > position {
            let start = position.max(end.saturating_sub(WINDOW_BYTES as u64));
            let bytes = &self.at(start, (end - start) as usize)?[..(end - start) as usize];
            let is_blank = bytes.chunks(ZEROS.len()).all(|block| *block == ZEROS[..block.len()]);
            if !is_blank && let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
                return Ok(Some(start + last as u64 + 1));
            }
            end = start;
        }
        Ok(None)
    }

    /// Looks for a record, from `from` to `end`, that was written after everything before `stop` and more was synced.
    /// Takes a while and memory for all of that, but only happens when something is wrong.
    fn proof_of_loss(
        &mut self,
        from: Position,
        end: Position,
        stop: Position,
    ) -> Result<Option<Position>, OpenError> {
        let len = end.saturating_sub(from) as usize;
        let bytes = &self.at(from, len)?[..len];
        Ok((0..bytes.len()).find_map(|at| {
            let (bytes, position) = (&bytes[at..], from + at as u64);
            let record = may_begin(bytes, position).then(|| decode(bytes, position).ok()).flatten()?;
            (record.place.group_start > stop).then_some(position)
        }))
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
    /// Where the group of the last complete batch begins.
    group_start: Position,
}

impl Walk {
    fn new(segment: &Segment) -> Self {
        let tail = Tail { end: segment.first(), checked_from: segment.base, ..Tail::default() };
        Self { tail, last: 0, next: segment.first(), tail_segment: None, group_start: 0 }
    }

    /// Checks that nothing is missing between the last record seen, or what was not checked, and this one.
    fn check_follows(
        &self,
        segments: &[Arc<Segment>],
        segment: &Segment,
        record: &Record<'_>,
    ) -> Result<(), OpenError> {
        let Place { position, previous, .. } = record.place;
        if self.last != 0 {
            if previous == self.last {
                return Ok(());
            }
            let reason = format!(
                "the event before this one was at {previous}, but the last one found is at {}: events between them are \
                 gone",
                self.last
            );
            return Err(segment.corrupt(position, reason).into());
        }
        // The first one seen: what comes before it is older than all that is checked.
        if previous == 0 || previous < self.tail.checked_from {
            return Ok(());
        }
        let lost = segments.iter().find(|segment| previous < segment.end());
        let reason =
            format!("the event at {position} came after one at {previous}, but no event is found there");
        Err(lost.map_or(segment, |lost| lost).corrupt(previous, reason).into())
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
    let mut scan = Scan::open(&segments[start])?;
    for next in &segments[start + 1..] {
        let (stop, bad) = walk_segment(&mut scan, &mut walk, &segments)?;
        let mut next = Scan::open(next)?;
        let rolled = bad == Bad::Blank
            && walk.batch_is_complete()
            && scan.garbage_end(stop)?.is_none()
            && next.garbage_end(next.segment.first())?.is_some();
        if !rolled {
            break;
        }
        scan.segment.set_data_end(stop);
        scan = next;
    }
    let (stop, bad) = walk_segment(&mut scan, &mut walk, &segments)?;
    let later = segments.partition_point(|segment| segment.base <= scan.segment.base);
    settle_end(&mut scan, stop, bad, &segments[later..], &walk, synced)?;
    if let Some(segment) = &walk.tail_segment {
        // The writer goes on in this segment, even if it had begun the next and all of that was cut off.
        segment.forget_data_end();
        make_durable(segment, &walk, synced)?;
    }
    Ok(walk.tail)
}

/// A killed process leaves records that were written but not synced. From here on they are shown to readers.
///
/// After a failed sync the kernel calls the pages clean, although they are only in memory, and would not write them on
/// the next sync. So what may not be on disk is written again: the last group.
fn make_durable(segment: &Segment, walk: &Walk, synced: Position) -> Result<(), OpenError> {
    let file = open_file(&segment.path)?;
    let (start, end) = (walk.group_start.max(segment.first()), walk.tail.end);
    if synced < end {
        let mut bytes = vec![0; end.saturating_sub(start) as usize];
        file.read_exact_at(&mut bytes, start - segment.base)
            .and_then(|()| file.write_all_at(&bytes, start - segment.base))
            .map_err(FileError::on("write again the end of", &segment.path))?;
    }
    file.sync_data().map_err(FileError::on("sync", &segment.path))?;
    Ok(())
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

fn begins_with_record(segment: &Arc<Segment>) -> Result<bool, OpenError> {
    Ok(Scan::open(segment)?.record(segment.first())?.is_ok())
}

/// Walks on to the first place in the segment where no good record begins.
fn walk_segment(
    scan: &mut Scan,
    walk: &mut Walk,
    segments: &[Arc<Segment>],
) -> Result<(Position, Bad), OpenError> {
    let segment = scan.segment.clone();
    let mut position = walk.next.max(segment.first());
    loop {
        let record = match scan.record(position)? {
            Ok(record) => record,
            Err(bad) => return Ok((position, bad)),
        };
        walk.check_follows(segments, &segment, &record)?;
        position = record.end();
        walk.next = position;
        walk.last = record.place.position;
        walk.tail.checked += record.len as u64;
        if record.place.last_of_batch {
            walk.tail.head = record.place.position;
            walk.tail.end = position;
            walk.tail.created = record.place.created;
            walk.tail_segment = Some(segment.clone());
            walk.group_start = record.place.group_start;
        }
    }
}

/// No good record begins at `stop`. Decides whether that is the log's end, a torn group, or a loss.
fn settle_end(
    scan: &mut Scan,
    stop: Position,
    bad: Bad,
    later: &[Arc<Segment>],
    walk: &Walk,
    synced: Position,
) -> Result<(), OpenError> {
    // An incomplete batch at the end goes with what follows it.
    let cut = if walk.batch_is_complete() { stop } else { walk.tail.end.max(scan.segment.first()) };
    let mut garbage = Vec::new();
    let mut proof = None;
    // A whole segment of zeros before one that was written to.
    let mut skipped = None;
    if let Some(end) = scan.garbage_end(cut)? {
        garbage.push((scan.segment.clone(), cut, end));
        proof = scan.proof_of_loss(stop, end, stop)?;
    }
    for segment in later {
        let mut scan = Scan::open(segment)?;
        if let Some(end) = scan.garbage_end(segment.first())? {
            garbage.push((segment.clone(), segment.first(), end));
            if proof.is_none() {
                proof = scan.proof_of_loss(segment.first(), end, stop)?;
            }
        } else if garbage.is_empty() {
            skipped = skipped.or(Some(segment));
        }
    }
    let skipped = skipped.filter(|_| !garbage.is_empty());
    let corrupt = |reason: String| match skipped {
        Some(skipped) => skipped.corrupt(skipped.first(), reason),
        None => scan.segment.corrupt(stop, reason),
    };
    let what = match bad {
        Bad::Blank => "zeros where an event should be",
        Bad::Short(_) => "the record's length leads beyond its segment",
        Bad::Garbage(reason) => reason,
    };
    if let Some(proof) = proof {
        return Err(corrupt(format!(
            "{what}; this was synced to disk before the event at {proof} was written, so it is not a torn write"
        ))
        .into());
    }
    let end = walk.tail.end;
    // The index is told of nothing before it is synced.
    if synced > end {
        return Err(corrupt(format!(
            "{what}; the index has everything before {synced}, so this had been synced and is not a torn write: {} \
             positions, from {end} to {synced}, are missing from the log. Restore the log; or, to accept the loss, \
             delete the index directory and start again, then rebuild the read models",
            synced - end
        ))
        .into());
    }
    if walk.tail.head == 0 && walk.tail.checked_from > 0 {
        return Err(corrupt(format!("{what}; older segments hold events, so this one must hold some")).into());
    }
    if let Some(skipped) = skipped {
        let reason = "zeros where an event should be: the segment after this one has been written to";
        return Err(skipped.corrupt(skipped.first(), reason).into());
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

/// Writes zeros and syncs them.
fn blank(segment: &Segment, from: Position, to: Position) -> Result<(), OpenError> {
    let file = open_file(&segment.path)?;
    let zeros = vec![0; (to - from) as usize];
    file.write_all_at(&zeros, from - segment.base)
        .and_then(|()| file.sync_data())
        .map_err(FileError::on("cut the end of", &segment.path))?;
    Ok(())
}
