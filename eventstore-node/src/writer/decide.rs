//! May a batch be written? Compares what it expects with the streams as they are after everything queued before it.

use std::sync::Arc;

use uuid::Uuid;

use super::group::Group;
use super::recent_ids::RecentIds;
use crate::error::{AppendError, ReadError};
use crate::event::{Appended, Direction, ExpectedRevision, ProposedEvent, StreamAppend, StreamAppended};
use crate::log::reader::read_each;
use crate::shared::Shared;
use crate::streams::{Lookup, StreamHead};

/// What to do with a batch.
#[derive(Debug)]
pub(crate) enum Decision {
    /// Write it: for each part the slot and the revision of its first event.
    Write(Vec<(u64, u64)>),
    /// All of it is in the log already.
    Replayed(Appended),
}

/// A stream as the next part of the batch will find it.
#[derive(Debug)]
struct Staged {
    name: Arc<str>,
    slot: u64,
    last: Option<Last>,
}

/// The last event of a stream.
#[derive(Clone, Copy, Debug)]
struct Last {
    revision: u64,
    id: Uuid,
}

impl From<StreamHead> for Last {
    fn from(head: StreamHead) -> Self {
        Self { revision: head.revision, id: head.id }
    }
}

/// Decides about one batch. Changes nothing.
pub(crate) fn decide(
    shared: &Shared,
    group: &Group,
    recent: &RecentIds,
    batch: &[StreamAppend],
) -> Result<Decision, AppendError> {
    let mut staged: Vec<Staged> = Vec::with_capacity(batch.len());
    let mut writes = Vec::with_capacity(batch.len());
    let mut replays = Vec::new();
    let mut refusal = None;
    for (append_index, part) in batch.iter().enumerate() {
        let at = match staged.iter().position(|stream| *stream.name == *part.stream) {
            Some(at) => at,
            None => {
                let (slot, last) = find(shared, group, &staged, &part.stream)?;
                staged.push(Staged {
                    name: part.stream.clone(),
                    slot,
                    last,
                });
                staged.len() - 1
            }
        };
        let stream = &mut staged[at];
        let wrong = || AppendError::WrongExpectedRevision {
            stream: part.stream.clone(),
            append_index,
            expected: part.expected,
            current: stream.last.map(|last| last.revision),
        };
        match check(shared, group, recent, stream, part).map_err(AppendError::Read)? {
            Verdict::Write => {
                let first = stream.last.map_or(0, |last| last.revision + 1);
                writes.push((stream.slot, first));
                let id = part.events.last().map_or(Uuid::nil(), |event| event.id);
                stream.last = Some(Last { revision: first + part.events.len() as u64 - 1, id });
            }
            Verdict::Replayed(appended) => {
                refusal.get_or_insert(wrong());
                replays.push(appended);
            }
            Verdict::Wrong => return Err(wrong()),
        }
    }
    match refusal {
        None => Ok(Decision::Write(writes)),
        Some(_) if writes.is_empty() => Ok(Decision::Replayed(Appended { streams: replays })),
        // Partly there, partly new: writing the rest would not be the batch as it was meant.
        Some(refusal) => Err(refusal),
    }
}

/// Slot and last revision of a stream after the group.
fn find(
    shared: &Shared,
    group: &Group,
    staged: &[Staged],
    name: &Arc<str>,
) -> Result<(u64, Option<Last>), AppendError> {
    if let Some(head) = group.heads.get(name) {
        return Ok((head.slot, Some((*head).into())));
    }
    // Slots of streams that begin with this group or batch are not in the index yet.
    let taken = |slot: u64| {
        group.new_slots.contains_key(&slot)
            || staged
                .iter()
                .any(|stream| stream.last.is_some() && stream.slot == slot)
    };
    match shared
        .streams
        .find(&shared.log, &shared.index, name, taken)
        .map_err(AppendError::Read)?
    {
        Lookup::Exists(head) => Ok((head.slot, Some(head.into()))),
        Lookup::Vacant(slot) => Ok((slot, None)),
        Lookup::Crowded => Err(AppendError::Invalid {
            reason: "too many streams have the same hash as this name",
        }),
    }
}

enum Verdict {
    Write,
    Replayed(StreamAppended),
    Wrong,
}

fn check(
    shared: &Shared,
    group: &Group,
    recent: &RecentIds,
    stream: &Staged,
    part: &StreamAppend,
) -> Result<Verdict, ReadError> {
    use ExpectedRevision::{Any, Exact, NoStream, StreamExists};
    match (part.expected, stream.last) {
        (Any | NoStream, None) => Ok(Verdict::Write),
        (StreamExists | Exact(_), None) => Ok(Verdict::Wrong),
        (Any | StreamExists, Some(_)) => Ok(check_recent(recent, stream.slot, &part.events)),
        (NoStream, Some(last)) => check_log(shared, group, stream.slot, 0, last.revision, &part.events),
        (Exact(expected), Some(last)) if expected < last.revision => {
            check_log(shared, group, stream.slot, expected + 1, last.revision, &part.events)
        }
        (Exact(expected), Some(last)) if expected == last.revision => {
            // The revision may be another event's than the one the caller knows.
            let follows = part.follows.is_none_or(|id| id == last.id);
            Ok(if follows { Verdict::Write } else { Verdict::Wrong })
        }
        (Exact(_), Some(_)) => Ok(Verdict::Wrong),
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
    Verdict::Replayed(StreamAppended {
        revision: last.0,
        position: last.1,
        replayed: true,
    })
}

/// The events would have had the revisions from `first` on: it is a repeat if exactly they are there.
fn check_log(
    shared: &Shared,
    group: &Group,
    slot: u64,
    first: u64,
    last: u64,
    events: &[ProposedEvent],
) -> Result<Verdict, ReadError> {
    let Some(last_wanted) = first
        .checked_add(events.len() as u64 - 1)
        .filter(|wanted| *wanted <= last)
    else {
        return Ok(Verdict::Wrong);
    };
    let positions: Vec<_> = shared
        .index
        .range(slot, first, Direction::Forward, events.len())?
        .into_iter()
        .map(|(_, position)| position)
        .collect();
    let mut there: Vec<(Uuid, u64)> = Vec::with_capacity(events.len());
    read_each(&shared.log, &positions, |found| {
        there.push((found.record.content.id, found.record.place.position));
        Ok(())
    })?;
    let synced = there.len() as u64;
    there.extend((first + synced..=last_wanted).map_while(|revision| group.event(slot, revision)));
    let same =
        there.len() == events.len() && there.iter().zip(events).all(|((id, _), event)| *id == event.id);
    Ok(match there.last() {
        Some((_, position)) if same => Verdict::Replayed(StreamAppended {
            revision: last_wanted,
            position: *position,
            replayed: true,
        }),
        _ => Verdict::Wrong,
    })
}
