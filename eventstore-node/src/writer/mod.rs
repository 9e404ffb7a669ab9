//! The one thread that writes the log. It takes what is queued, decides about each batch in the order of the queue,
//! writes all accepted ones at once, syncs once, shows them to readers, and only then answers.

mod decide;
mod group;
mod recent_ids;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use uuid::Uuid;

use crate::error::AppendError;
use crate::event::{Appended, Position, StreamAppend, StreamAppended};
use crate::faults::{DiskOperation, Faults};
use crate::index::recent::Entry;
use crate::log::allocator::Allocator;
use crate::log::record::{Content, Place, encode};
use crate::log::recovery::Tail;
use crate::log::segment::{Segment, open_file};
use crate::shared::{Durable, Shared};
use crate::stats::Counters;
use crate::streams::StreamHead;
use decide::{Decision, decide};
pub(crate) use group::Answer;
use group::Group;
use recent_ids::RecentIds;

/// A batch on its way to the log. Its lengths are within limits.
pub(crate) struct Request {
    pub(crate) batch: Vec<StreamAppend>,
    /// Bytes it takes in the log.
    pub(crate) bytes: usize,
    pub(crate) answer: Answer,
}

/// What is in the writer's queue.
pub(crate) enum Message {
    Append(Request),
    /// Finish what is queued before this and end.
    Stop,
}

/// The writer's state.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    allocator: Arc<Allocator>,
    faults: Faults,
    queue: mpsc::Receiver<Message>,
    /// The stop was received.
    stopping: bool,
    /// Taken from the queue, but did not fit into the last group.
    carried: Option<Request>,
    segment: Arc<Segment>,
    file: File,
    /// The last record written.
    head: Position,
    /// Where the next record goes.
    end: Position,
    /// When the last batch was written; the clock may go back, this does not.
    created: i64,
    recent: RecentIds,
    group: Group,
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        allocator: Arc<Allocator>,
        faults: Faults,
        queue: mpsc::Receiver<Message>,
        segment: Arc<Segment>,
        tail: &Tail,
        recent_ids: usize,
    ) -> Result<Self, crate::error::FileError> {
        let file = open_file(&segment.path)?;
        Ok(Self {
            shared,
            allocator,
            faults,
            queue,
            stopping: false,
            carried: None,
            segment,
            file,
            head: tail.head,
            end: tail.end,
            created: tail.created,
            recent: RecentIds::new(recent_ids),
            group: Group::default(),
        })
    }

    /// The thread: until it is told to stop or nobody can append any more.
    pub(crate) fn run(mut self) {
        while let Some(first) = self.wait() {
            self.collect(first);
            self.commit();
        }
    }

    fn wait(&mut self) -> Option<Request> {
        match self.carried.take() {
            Some(request) => Some(request),
            // Places in the queue that were taken and not used yet are not waited for.
            None if self.stopping => None,
            None => self.queue.blocking_recv().and_then(|message| self.received(message)),
        }
    }

    fn poll(&mut self) -> Option<Request> {
        if self.stopping {
            return None;
        }
        self.queue.try_recv().ok().and_then(|message| self.received(message))
    }

    fn received(&mut self, message: Message) -> Option<Request> {
        match message {
            Message::Append(request) => {
                self.shared.dequeued(request.bytes);
                Some(request)
            }
            Message::Stop => {
                self.stopping = true;
                None
            }
        }
    }

    /// Makes a group of `first` and what else is queued.
    fn collect(&mut self, first: Request) {
        self.group.begin(self.end);
        let mut next = Some(first);
        while let Some(request) = next {
            if let Err(error) = self.make_room(&request) {
                self.group.answers.push((request.answer, Err(error)));
            } else if self.fits(&request) {
                self.admit(request);
            } else {
                self.carried = Some(request);
                return;
            }
            if self.group.is_full() {
                return;
            }
            next = self.poll();
        }
    }

    fn fits(&self, request: &Request) -> bool {
        self.group.end() + request.bytes as u64 <= self.segment.end()
    }

    /// Sees to it that the request can be written; if the group holds something already, writing that comes first.
    fn make_room(&mut self, request: &Request) -> Result<(), AppendError> {
        if let Some(failure) = self.shared.failure.get() {
            return Err(failure.clone());
        }
        if !self.group.bytes.is_empty() {
            return Ok(());
        }
        // A thread that panicked says so in `failure`; it is the reason then.
        let full = |reason: String| match self.shared.failure.get() {
            Some(failure) => failure.clone(),
            None => AppendError::StorageFull { reason: reason.into() },
        };
        self.shared.index.wait_for_room().map_err(full)?;
        if self.fits(request) {
            return Ok(());
        }
        let segment = self.allocator.take().map_err(|error| full(error.to_string()))?;
        let file = match open_file(&segment.path) {
            Ok(file) => file,
            Err(error) => {
                self.allocator.put_back(segment);
                return Err(full(error.to_string()));
            }
        };
        self.segment.set_data_end(self.end);
        self.end = segment.first();
        (self.segment, self.file) = (segment, file);
        self.group.start = self.end;
        Ok(())
    }

    /// Decides about a batch and adds it to the group.
    fn admit(&mut self, request: Request) {
        let Request { batch, answer, .. } = request;
        let outcome = match decide(&self.shared, &self.group, &self.recent, &batch) {
            Ok(Decision::Write(places)) => Ok(self.add(batch, &places)),
            Ok(Decision::Replayed(appended)) => {
                Counters::add(&self.shared.counters.replayed, 1);
                Ok(appended)
            }
            Err(error) => {
                Counters::add(&self.shared.counters.refused, 1);
                Err(error)
            }
        };
        self.group.answers.push((answer, outcome));
    }

    fn add(&mut self, batch: Vec<StreamAppend>, places: &[(u64, u64)]) -> Appended {
        self.created = self.created.max(now());
        let batch_start = self.group.end();
        let mut left: usize = batch.iter().map(|part| part.events.len()).sum();
        let mut streams = Vec::with_capacity(batch.len());
        for (part, &(slot, first)) in batch.into_iter().zip(places) {
            let mut last = StreamHead { slot, revision: first, position: batch_start, id: Uuid::nil() };
            for (revision, event) in (first..).zip(&part.events) {
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
                    stream: &part.stream,
                    event_type: &event.event_type,
                    data: &event.data,
                    metadata: &event.metadata,
                };
                encode(&mut self.group.bytes, &place, &content);
                self.head = position;
                self.group.entries.push(Entry { slot, revision, position });
                self.group.ids.push(event.id);
                self.recent.insert(slot, event.id, revision, position);
                last = StreamHead { slot, revision, position, id: event.id };
            }
            if first == 0 {
                self.group.new_slots.insert(slot, part.stream.clone());
            }
            streams.push(StreamAppended {
                revision: last.revision,
                position: last.position,
                replayed: false,
            });
            self.group.heads.insert(part.stream, last);
        }
        self.group.batches += 1;
        Appended { streams }
    }

    /// Writes and syncs the group, shows it to readers, and answers.
    fn commit(&mut self) {
        let failure = if self.group.bytes.is_empty() { None } else { self.write_and_publish().err() };
        for (answer, outcome) in self.group.answers.drain(..) {
            let outcome = match &failure {
                Some(failure) => Err(failure.clone()),
                None => outcome,
            };
            // The caller may have gone away; the batch is in the log all the same.
            let _ = answer.send(outcome);
        }
    }

    fn write_and_publish(&mut self) -> Result<(), AppendError> {
        let begun = Instant::now();
        let written = self
            .faults
            .check(DiskOperation::Write)
            .and_then(|()| self.file.write_all_at(&self.group.bytes, self.group.start - self.segment.base))
            .and_then(|()| self.faults.check(DiskOperation::Sync))
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // After a failed sync the kernel may have dropped the pages and would call the next sync a success: what is
            // on disk is not known any more, and only reading it again, at the next start, can tell.
            let reason = format!("cannot write {}: {error}", self.segment.path.display());
            return Err(self.shared.fail(AppendError::Poisoned { reason: reason.into() }));
        }
        let counters = &self.shared.counters;
        Counters::add(&counters.syncs, 1);
        Counters::add(&counters.sync_nanos, begun.elapsed().as_nanos() as u64);
        Counters::add(&counters.batches, self.group.batches);
        Counters::add(&counters.events, self.group.entries.len() as u64);
        Counters::add(&counters.bytes, self.group.bytes.len() as u64);
        counters.largest_group.fetch_max(self.group.batches, std::sync::atomic::Ordering::Relaxed);

        self.end = self.group.end();
        self.shared.index.publish(&self.group.entries, self.end);
        for (name, head) in self.group.heads.drain() {
            self.shared.streams.remember(name, head);
        }
        self.shared.durable.send_replace(Durable { head: self.head, end: self.end, closed: false });
        Ok(())
    }
}

impl Drop for Writer {
    /// After a stop or in a panic: whoever waits for an answer gets one, now and later.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.fail(AppendError::Poisoned { reason: "the writer thread panicked".into() });
        }
        *self.shared.writer_gone.write() = true;
        self.queue.close();
        // Whoever is still in the queue took a place before the stop and came too late.
        while let Ok(message) = self.queue.try_recv() {
            if let Message::Append(request) = message {
                self.shared.dequeued(request.bytes);
                let _ = request.answer.send(Err(self.shared.why_ended()));
            }
        }
    }
}

/// 100 ns ticks since the UNIX epoch.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| (since.as_nanos() / 100) as i64)
}
