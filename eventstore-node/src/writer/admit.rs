//! What may be written becomes part of the group.

use uuid::Uuid;

use super::Writer;
use super::decide::{Decision, decide};
use super::request::Request;
use super::view::Write;
use crate::clock::now;
use crate::error::AppendError;
use crate::event::{Appended, DELETED_REVISION, StreamAppended};
use crate::index::mark;
use crate::index::recent::Entry;
use crate::log::record::{Content, Place, encode};
use crate::stats::Counters;
use crate::streams::StreamHead;

impl Writer {
    /// Decides about a request and adds what it writes to the group. Gives it back if that needs more room.
    pub(super) fn admit(&mut self, mut request: Request) -> Option<Request> {
        let outcome = match decide(&self.shared, &self.group, &self.recent, &request.change) {
            Ok(Decision::Write(writes)) => match self.bytes_beyond(&writes) {
                Some(bytes) if bytes > self.batch_bytes => Err(AppendError::TooLarge {
                    what: "the batch's length in bytes, with the metadata of streams that it brings back,",
                    size: bytes,
                    limit: self.batch_bytes,
                }),
                Some(bytes) => {
                    request.bytes = bytes;
                    return Some(request);
                }
                None => Ok(self.add(&writes)),
            },
            Ok(Decision::Replayed(appended)) => {
                Counters::add(&self.shared.counters.replayed, 1);
                Ok(appended)
            }
            Err(error) => Err(error),
        };
        if outcome.is_err() {
            Counters::add(&self.shared.counters.refused, 1);
        }
        self.group.answers.push((request.answer, outcome));
        None
    }

    /// Bytes of the writes if the segment has no room for them. There is room for what was asked for, but not always for
    /// what has to go with it.
    fn bytes_beyond(&self, writes: &[Write<'_>]) -> Option<usize> {
        if writes.iter().all(|write| write.asked) {
            return None;
        }
        let bytes = writes.iter().map(Write::len).sum();
        (bytes > self.batch_bytes || self.group.end() + bytes as u64 > self.segment.end()).then_some(bytes)
    }

    fn add(&mut self, writes: &[Write<'_>]) -> Appended {
        self.created = self.created.max(now());
        let batch_start = self.group.end();
        let mut left: usize = writes.iter().map(|write| write.events.len()).sum();
        let mut streams = Vec::with_capacity(writes.len());
        for write in writes {
            let (slot, first) = (write.slot, write.first);
            let mut last = StreamHead { slot, revision: first, position: batch_start, id: Uuid::nil() };
            for (revision, event) in (first..).zip(write.events.iter()) {
                left -= 1;
                let position = self.group.end();
                let place = Place {
                    position,
                    previous: self.head,
                    group_start: self.group.start,
                    batch_start,
                    last_of_batch: left == 0,
                    slot,
                    revision,
                    created: self.created,
                };
                let content = Content {
                    id: event.id,
                    is_json: event.is_json,
                    stream: &write.stream,
                    event_type: &event.event_type,
                    data: &event.data,
                    metadata: &event.metadata,
                };
                encode(&mut self.group.bytes, &place, &content);
                self.head = position;
                let entry = Entry { slot, revision, position };
                self.group.entries.push(entry);
                self.group.marks.extend(mark(self.shared.log.id, entry, &write.stream));
                self.group.ids.push(event.id);
                self.recent.insert(slot, event.id, revision, position);
                last = StreamHead { slot, revision, position, id: event.id };
            }
            if first == 0 || first == DELETED_REVISION {
                self.group.new_slots.insert(slot);
            }
            if write.asked {
                streams.push(StreamAppended {
                    revision: last.revision,
                    position: last.position,
                    replayed: false,
                });
            }
            self.group.heads.insert(write.stream.clone(), last);
        }
        self.group.batches += 1;
        Appended { streams }
    }
}
