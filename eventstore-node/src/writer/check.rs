//! Is a stream in the state that is expected of it?

use uuid::Uuid;

use super::recent_ids::RecentIds;
use super::view::{Staged, View};
use crate::deletion::DeletionKind;
use crate::error::ReadError;
use crate::event::{
    DELETED_REVISION, Direction, ExpectedRevision, ProposedEvent, StreamAppend, StreamAppended,
};
use crate::log::reader::read_each;
use crate::metadata::Metadata;

/// The answer for one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Write,
    /// The events are there already.
    Replayed(StreamAppended),
    Wrong,
    /// The stream is deleted, for good or against the expectation.
    Deleted,
}

/// `metadata`: the stream's, if it has any.
pub(super) fn check(
    view: &View<'_>,
    recent: &RecentIds,
    stream: &Staged,
    metadata: Option<Metadata>,
    part: &StreamAppend,
) -> Result<Verdict, ReadError> {
    use ExpectedRevision::{Any, Exact, NoStream, StreamExists};
    if is_deleted(stream, metadata, part.expected) {
        return Ok(Verdict::Deleted);
    }
    let Some(last) = stream.last else { return Ok(check_without_events(metadata, part.expected)) };
    let (slot, events) = (stream.slot, &part.events[..]);
    match part.expected {
        Any | StreamExists => Ok(check_recent(recent, slot, events)),
        NoStream => {
            let soft_deleted = metadata.is_some_and(|metadata| metadata.is_soft_deleted());
            let first = events.get(..1).unwrap_or_default();
            if soft_deleted && check_log(view, slot, 0, last.revision, first)? == Verdict::Wrong {
                return Ok(Verdict::Write);
            }
            check_log(view, slot, 0, last.revision, events)
        }
        Exact(expected) if expected < last.revision => {
            check_log(view, slot, expected + 1, last.revision, events)
        }
        // The revision may be another event's than the one the caller knows.
        Exact(expected) if expected == last.revision && part.follows.is_none_or(|id| id == last.id) => {
            Ok(Verdict::Write)
        }
        Exact(_) => Ok(Verdict::Wrong),
    }
}

/// A deletion is no repeat of another: there is nothing to know it by.
pub(super) fn check_deletion(
    stream: &Staged,
    metadata: Option<Metadata>,
    expected: ExpectedRevision,
    kind: DeletionKind,
) -> Verdict {
    use ExpectedRevision::{Any, Exact, NoStream, StreamExists};
    if is_deleted(stream, metadata, expected) {
        return Verdict::Deleted;
    }
    let Some(last) = stream.last else {
        let nothing_to_delete = kind == DeletionKind::Soft && metadata.is_none();
        return if nothing_to_delete { Verdict::Wrong } else { check_without_events(metadata, expected) };
    };
    let right = match expected {
        Any | StreamExists => true,
        NoStream => metadata.is_some_and(|metadata| metadata.is_soft_deleted()),
        Exact(expected) => expected == last.revision,
    };
    if right { Verdict::Write } else { Verdict::Wrong }
}

fn is_deleted(stream: &Staged, metadata: Option<Metadata>, expected: ExpectedRevision) -> bool {
    let for_good = stream.last.is_some_and(|last| last.revision == DELETED_REVISION);
    let soft_deleted = metadata.is_some_and(|metadata| metadata.is_soft_deleted());
    for_good || (soft_deleted && expected == ExpectedRevision::StreamExists)
}

/// A stream that has only metadata exists, but everything can be its first event.
fn check_without_events(metadata: Option<Metadata>, expected: ExpectedRevision) -> Verdict {
    match expected {
        ExpectedRevision::Any | ExpectedRevision::NoStream => Verdict::Write,
        ExpectedRevision::StreamExists if metadata.is_some() => Verdict::Write,
        ExpectedRevision::StreamExists | ExpectedRevision::Exact(_) => Verdict::Wrong,
    }
}

/// No revision to compare at: a repeat is known only as long as its ids are remembered.
fn check_recent(recent: &RecentIds, slot: u64, events: &[ProposedEvent]) -> Verdict {
    let mut known = events.iter().map(|event| recent.get(slot, event.id));
    let Some(Some(mut last)) = known.next() else {
        return Verdict::Write;
    };
    for place in known {
        let Some(place) = place else {
            return Verdict::Wrong;
        };
        last = place;
    }
    Verdict::Replayed(StreamAppended { revision: last.0, position: last.1, replayed: true })
}

/// The events would have had the revisions from `first` on: it is a repeat if exactly they are there.
fn check_log(
    view: &View<'_>,
    slot: u64,
    first: u64,
    last: u64,
    events: &[ProposedEvent],
) -> Result<Verdict, ReadError> {
    let Some(last_wanted) = first.checked_add(events.len() as u64 - 1).filter(|wanted| *wanted <= last)
    else {
        return Ok(Verdict::Wrong);
    };
    let positions: Vec<_> = view
        .shared
        .index
        .range(slot, first, Direction::Forward, events.len())?
        .into_iter()
        .map(|(_, position)| position)
        .collect();
    let mut there: Vec<(Uuid, u64)> = Vec::with_capacity(events.len());
    read_each(&view.shared.log, &positions, |found| {
        there.push((found.record.content.id, found.record.place.position));
        Ok(())
    })?;
    let synced = there.len() as u64;
    there.extend((first + synced..=last_wanted).map_while(|revision| view.group.event(slot, revision)));
    let same =
        there.len() == events.len() && there.iter().zip(events).all(|((id, _), event)| *id == event.id);
    Ok(match there.last() {
        Some((_, position)) if same => {
            Verdict::Replayed(StreamAppended { revision: last_wanted, position: *position, replayed: true })
        }
        _ => Verdict::Wrong,
    })
}
