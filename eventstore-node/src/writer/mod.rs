//! The one thread that writes the log. It takes what is queued, decides about each batch in the order of the queue,
//! writes all accepted ones at once, syncs once, shows them to readers, and only then answers.

mod admit;
mod check;
mod commit;
mod decide;
mod group;
mod recent_ids;
mod request;
mod view;

use std::fs::File;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::error::AppendError;
use crate::event::Position;
use crate::faults::Faults;
use crate::log::allocator::Allocator;
use crate::log::recovery::Tail;
use crate::log::segment::{Segment, open_file};
use crate::options::NodeOptions;
use crate::shared::Shared;
use group::Group;
use recent_ids::RecentIds;
pub(crate) use request::{Change, Message, Request};

/// The writer's state.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    allocator: Arc<Allocator>,
    faults: Faults,
    /// What fits into every segment.
    batch_bytes: usize,
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
        queue: mpsc::Receiver<Message>,
        segment: Arc<Segment>,
        tail: &Tail,
        batch_bytes: usize,
        options: &NodeOptions,
    ) -> Result<Self, crate::error::FileError> {
        let file = open_file(&segment.path)?;
        Ok(Self {
            shared,
            allocator,
            faults: options.faults.clone(),
            batch_bytes,
            queue,
            stopping: false,
            carried: None,
            segment,
            file,
            head: tail.head,
            end: tail.end,
            created: tail.created,
            recent: RecentIds::new(options.recent_ids),
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
            Message::Change(request) => {
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
                self.carried = self.admit(request);
            } else {
                self.carried = Some(request);
            }
            if self.carried.is_some() {
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
            if let Message::Change(request) = message {
                self.shared.dequeued(request.bytes);
                let _ = request.answer.send(Err(self.shared.why_ended()));
            }
        }
    }
}
