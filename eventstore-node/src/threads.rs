//! The node's threads: started together, stopped in an order in which none waits for one that is gone.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::error::{AppendError, OpenError, ReadError};
use crate::event::Position;
use crate::index::SharedIndex;
use crate::log::allocator::Allocator;
use crate::log::scrub::{Stop, scrub};
use crate::options::NodeOptions;
use crate::shared::Shared;
use crate::stats::Counters;
use crate::writer::{Message, Writer};

/// Handles of the running threads.
pub(crate) struct Threads {
    /// A place in the writer's queue, kept for the stop, so that it waits for nobody.
    stop: Option<mpsc::OwnedPermit<Message>>,
    shared: Arc<Shared>,
    allocator: Arc<Allocator>,
    index: SharedIndex,
    scrub_stop: Arc<Stop>,
    writer: Option<JoinHandle<()>>,
    helpers: Vec<JoinHandle<()>>,
}

impl Threads {
    /// Starts all threads. `stop`: a place in the writer's queue. `unchecked`: the log before this position was not checked at start.
    pub(crate) fn start(
        options: &NodeOptions,
        shared: &Arc<Shared>,
        allocator: Arc<Allocator>,
        writer: Writer,
        stop: mpsc::OwnedPermit<Message>,
        unchecked: Position,
    ) -> Result<Self, OpenError> {
        let mut threads = Self {
            stop: Some(stop),
            shared: shared.clone(),
            allocator: allocator.clone(),
            index: shared.index.clone(),
            scrub_stop: Arc::default(),
            writer: None,
            helpers: Vec::new(),
        };
        // Whatever fails to start, dropping `threads` ends the ones before it.
        let (log, segment_bytes, faults) = (shared.clone(), options.segment_bytes, options.faults.clone());
        let helper = allocator.clone();
        threads.helpers.push(spawn("allocator", shared, &helper, move || {
            allocator.run(&log.log, segment_bytes, &faults);
        })?);
        let index = shared.index.clone();
        threads.helpers.push(spawn("indexer", shared, &helper, move || index.run())?);
        if options.scrub_bytes_per_second > 0 && unchecked > 0 {
            let (shared_log, stop, rate) =
                (shared.clone(), threads.scrub_stop.clone(), options.scrub_bytes_per_second);
            threads.helpers.push(spawn("scrub", shared, &helper, move || {
                check_old_log(&shared_log, unchecked, rate, &stop);
            })?);
        }
        threads.writer = Some(spawn("writer", shared, &helper, move || writer.run())?);
        Ok(threads)
    }
}

fn check_old_log(shared: &Shared, end: Position, bytes_per_second: u64, stop: &Stop) {
    match scrub(&shared.log, end, bytes_per_second, stop) {
        Ok(()) => Counters::add(&shared.counters.scrubbed, end),
        Err(ReadError::Corrupt(corruption)) => {
            shared.fail(AppendError::Corrupt(corruption));
        }
        Err(error) => tracing::error!(%error, "the older part of the log could not be checked"),
    }
}

fn spawn(
    name: &str,
    shared: &Arc<Shared>,
    allocator: &Arc<Allocator>,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, OpenError> {
    let guard = PanicGuard { shared: shared.clone(), allocator: allocator.clone(), name: name.to_owned() };
    std::thread::Builder::new()
        .name(format!("eventstore-{name}"))
        .spawn(move || {
            let _guard = guard;
            body();
        })
        .map_err(OpenError::Thread)
}

/// A thread that panics leaves the node without it: appends must not go on as if nothing had happened.
struct PanicGuard {
    shared: Arc<Shared>,
    allocator: Arc<Allocator>,
    name: String,
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let reason = format!("the {} thread panicked", self.name);
            self.shared.fail(AppendError::Poisoned { reason: reason.clone().into() });
            // The writer may be waiting for the thread.
            self.shared.index.fail(&reason);
            self.allocator.fail(reason);
        }
    }
}

impl Drop for Threads {
    /// Blocks until everything queued is written and all threads have ended. Not for an async context.
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(Message::Stop);
        }
        // The writer may wait for the others, so they go after it. A panic was reported by the guard.
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
        self.scrub_stop.stop();
        self.allocator.stop();
        self.index.stop();
        for helper in self.helpers.drain(..) {
            let _ = helper.join();
        }
        self.shared.durable.send_modify(|durable| durable.closed = true);
        self.shared.followers.wake_all();
        self.index.close();
    }
}
