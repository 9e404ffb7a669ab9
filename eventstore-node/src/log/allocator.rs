//! Makes the next segment ahead of need, so that no append waits for zeros to be written, and a full disk shows here
//! and not in the middle of a write.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::Log;
use super::segment::{Segment, create};
use crate::error::FileError;
use crate::faults::Faults;

/// The place where the thread that makes segments and the writer meet.
#[derive(Debug, Default)]
pub(crate) struct Allocator {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Segments no one uses yet, the next in the log first. Mostly one; more after the log's end was cut off.
    ready: VecDeque<Arc<Segment>>,
    /// The last attempt failed; another is made when the writer asks again.
    failed: Option<FileError>,
    /// The node has failed: no segment may be waited for.
    gone: Option<String>,
    stop: bool,
}

impl Allocator {
    /// `ready`: segments made earlier that hold nothing.
    pub(crate) fn new(ready: VecDeque<Arc<Segment>>) -> Self {
        Self { state: Mutex::new(State { ready, ..State::default() }), changed: Condvar::new() }
    }

    /// Takes the next segment, waiting for it if it is being made. After a failure each call starts one new attempt and
    /// tells its outcome.
    pub(crate) fn take(&self) -> Result<Arc<Segment>, FileError> {
        let mut state = self.state.lock();
        state.failed = None;
        self.changed.notify_all();
        loop {
            if let Some(segment) = state.ready.pop_front() {
                self.changed.notify_all();
                return Ok(segment);
            }
            if let Some(error) = &state.failed {
                return Err(error.clone());
            }
            if let Some(reason) = &state.gone {
                let error = std::io::Error::other(reason.clone());
                return Err(FileError::on("make", std::path::Path::new("the next segment"))(error));
            }
            self.changed.wait(&mut state);
        }
    }

    /// Gives back what [`Allocator::take`] returned: it is the next segment still.
    pub(crate) fn put_back(&self, segment: Arc<Segment>) {
        self.state.lock().ready.push_front(segment);
    }

    /// The node has failed: nobody waits for a segment any more.
    pub(crate) fn fail(&self, reason: String) {
        self.state.lock().gone = Some(reason);
        self.changed.notify_all();
    }

    /// Ends [`Allocator::run`]. The writer must have ended before: it could wait in `take` for ever.
    pub(crate) fn stop(&self) {
        self.state.lock().stop = true;
        self.changed.notify_all();
    }

    /// The thread: keeps one segment ready.
    pub(crate) fn run(&self, log: &Log, segment_bytes: u64, faults: &Faults) {
        let mut state = self.state.lock();
        while !state.stop {
            if !state.ready.is_empty() || state.failed.is_some() {
                self.changed.wait(&mut state);
                continue;
            }
            drop(state);
            let base = log.end();
            let made = create(&log.dir, log.id, base, segment_bytes, faults);
            state = self.state.lock();
            match made {
                Ok(segment) => {
                    let segment = Arc::new(segment);
                    log.add_segment(segment.clone());
                    state.ready.push_back(segment);
                }
                Err(error) => {
                    tracing::error!(%error, "cannot make the next segment; appends fail when the current one is full");
                    state.failed = Some(error);
                }
            }
            self.changed.notify_all();
        }
    }
}
