//! May a change be written? Compares what it expects with the streams as they are after everything queued before it.

use std::borrow::Cow;
use std::sync::Arc;

use super::check::{Verdict, check, check_deletion};
use super::group::Group;
use super::recent_ids::RecentIds;
use super::request::Change;
use super::view::{View, Write};
use crate::deletion::{Deletion, DeletionKind};
use crate::error::AppendError;
use crate::event::{Appended, DELETED_REVISION, StreamAppend};
use crate::metadata::{metadata_stream, original};
use crate::shared::Shared;

/// What to do with a change.
#[derive(Debug)]
pub(super) enum Decision<'b> {
    /// Write these, in this order.
    Write(Vec<Write<'b>>),
    /// All of it is in the log already.
    Replayed(Appended),
}

/// Decides about one change. Changes nothing.
pub(super) fn decide<'b>(
    shared: &Shared,
    group: &Group,
    recent: &RecentIds,
    change: &'b Change,
) -> Result<Decision<'b>, AppendError> {
    match change {
        Change::Append(batch) => decide_batch(View::new(shared, group, batch.len()), recent, batch),
        Change::Delete(deletion) => decide_deletion(View::new(shared, group, 2), deletion),
    }
}

fn decide_batch<'b>(
    mut view: View<'_>,
    recent: &RecentIds,
    batch: &'b [StreamAppend],
) -> Result<Decision<'b>, AppendError> {
    let mut writes = Vec::with_capacity(batch.len());
    let mut replays = Vec::new();
    let mut refusal = None;
    for (append_index, part) in batch.iter().enumerate() {
        let original_goes_on_at = check_original(&mut view, &part.stream)?;
        let metadata = view.metadata(&part.stream)?;
        let at = view.find(&part.stream)?;
        let wrong = || AppendError::WrongExpectedRevision {
            stream: part.stream.clone(),
            append_index,
            expected: part.expected,
            current: view.stream(at).last.map(|last| last.revision),
        };
        match check(&view, recent, view.stream(at), metadata, part).map_err(AppendError::Read)? {
            Verdict::Write => {
                let write = view.append(at, Cow::Borrowed(&part.events), true);
                let first = write.first;
                writes.push(write);
                if metadata.is_some_and(|metadata| metadata.is_soft_deleted()) {
                    writes.push(view.restore(&part.stream, first)?);
                } else if let Some(next) = original_goes_on_at
                    && let Some(original) = original(&part.stream)
                    && !view.metadata(original)?.is_some_and(|metadata| metadata.is_soft_deleted())
                {
                    writes.push(view.restore(original, next)?);
                }
            }
            Verdict::Replayed(appended) => {
                refusal.get_or_insert(wrong());
                replays.push(appended);
            }
            Verdict::Wrong => return Err(wrong()),
            Verdict::Deleted => return Err(AppendError::StreamDeleted { stream: part.stream.clone() }),
        }
    }
    match refusal {
        None => Ok(Decision::Write(writes)),
        Some(_) if writes.is_empty() => Ok(Decision::Replayed(Appended { streams: replays })),
        // Partly there, partly new: writing the rest would not be the batch as it was meant.
        Some(refusal) => Err(refusal),
    }
}

/// Metadata cannot be written for a stream that is deleted for good. If it is written for one that is deleted otherwise,
/// it may bring it back: with this revision.
fn check_original(view: &mut View<'_>, stream: &Arc<str>) -> Result<Option<u64>, AppendError> {
    let Some(original) = original(stream) else { return Ok(None) };
    let at = view.find(&original.into())?;
    let next = match view.stream(at).last {
        Some(last) if last.revision == DELETED_REVISION => {
            return Err(AppendError::StreamDeleted { stream: stream.clone() });
        }
        Some(last) => last.revision + 1,
        None => 0,
    };
    let deleted = view.metadata(original)?.is_some_and(|metadata| metadata.is_soft_deleted());
    Ok(deleted.then_some(next))
}

fn decide_deletion(mut view: View<'_>, deletion: &Deletion) -> Result<Decision<'static>, AppendError> {
    let Deletion { stream, expected, kind } = deletion;
    let metadata = view.metadata(stream)?;
    let at = view.find(stream)?;
    match check_deletion(view.stream(at), metadata, *expected, *kind) {
        Verdict::Write => {}
        Verdict::Deleted => return Err(AppendError::StreamDeleted { stream: stream.clone() }),
        Verdict::Wrong | Verdict::Replayed(_) => {
            return Err(AppendError::WrongExpectedRevision {
                stream: stream.clone(),
                append_index: 0,
                expected: *expected,
                current: view.stream(at).last.map(|last| last.revision),
            });
        }
    }
    let write = match kind {
        DeletionKind::Tombstone => view.end(at, deletion.event()),
        DeletionKind::Soft => {
            let at = view.find(&metadata_stream(stream).into())?;
            view.append(at, Cow::Owned(vec![deletion.event()]), true)
        }
    };
    Ok(Decision::Write(vec![write]))
}
