//! The node: opening it, and everything one can ask of it.

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use crate::append::{QueueLimits, Slot};
use crate::error::{AppendError, FileError, OpenError, ReadError};
use crate::event::{
    AllFrom, AllRead, Appended, Direction, Position, ReadLimit, StreamAppend, StreamFrom, StreamRead,
};
use crate::followers::Followers;
use crate::index::Index;
use crate::limits::{CACHED_METADATA, MAX_BATCH_BYTES, SEGMENT_HEADER_BYTES};
use crate::lock::lock_dir;
use crate::log::Log;
use crate::log::allocator::Allocator;
use crate::log::recovery::{Tail, recover};
use crate::log::segment;
use crate::options::NodeOptions;
use crate::shared::{Durable, Shared};
use crate::stats::{Counters, NodeStats};
use crate::streams::Streams;
use crate::subscription::{AllSubscription, StreamSubscription};
use crate::threads::Threads;
use crate::type_names::TypeNames;
use crate::writer::{Message, Writer};

/// An open event store. Clones are handles of the same node; end it with [`Node::shutdown`].
///
/// Dropping the last handle also ends the node properly, but blocks the thread until that is done.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Message>,
    queue_limits: QueueLimits,
    queue_batches: usize,
    running: Mutex<Option<Running>>,
}

/// What ends with the node. The lock goes last.
struct Running {
    threads: Threads,
    _lock: File,
}

impl Node {
    /// Opens the store in a directory, making it if there is none. Blocks: the end of the log is checked and the index
    /// brought up to it, which takes a second or so however long the log is, unless the index has to be rebuilt.
    ///
    /// # Errors
    /// Another process has the directory open, the log is corrupt, or the file system refuses. See [`OpenError`].
    #[allow(clippy::needless_pass_by_value, reason = "the options are the node's from here on")]
    pub fn open(options: NodeOptions) -> Result<Self, OpenError> {
        options.check()?;
        let begun = Instant::now();
        let (log_dir, index_dir) = (options.dir.join("log"), options.dir.join("index"));
        make_durable_dir(&options.dir)?;
        for dir in [&log_dir, &index_dir] {
            std::fs::create_dir_all(dir).map_err(FileError::on("make", dir))?;
        }
        let lock = lock_dir(&options.dir)?;
        let log = open_log(&log_dir, &options)?;
        // At every start: the one before may have ended between making a file and making its name durable.
        segment::sync_dir(&log_dir)?;
        segment::sync_dir(&options.dir)?;
        let (index, checkpoint) = Index::open(&index_dir, log.id, &options)?;
        let tail = recover(&log, checkpoint, options.verify_tail_bytes)?;
        let indexed = index.catch_up(&log, checkpoint, tail.end)?;
        tracing::info!(
            dir = %options.dir.display(),
            head = tail.head,
            checked_bytes = tail.checked,
            indexed_events = indexed,
            millis = begun.elapsed().as_millis() as u64,
            "event store is open"
        );
        Self::start(&options, lock, log, index, &tail)
    }

    fn start(
        options: &NodeOptions,
        lock: File,
        log: Log,
        index: Index,
        tail: &Tail,
    ) -> Result<Self, OpenError> {
        let streams = Streams::new(log.id, options.cached_heads, options.slot_mask);
        let segments = log.segments();
        let current =
            segments.partition_point(|segment| segment.base <= tail.head.max(SEGMENT_HEADER_BYTES)) - 1;
        let ready: VecDeque<_> = segments[current + 1..].iter().cloned().collect();
        // Segments made when the option was smaller take batches too: none may be left out.
        let smallest = ready.iter().map(|segment| segment.size).fold(options.segment_bytes, u64::min);
        let durable = Durable { head: tail.head, end: tail.end, closed: false };
        let shared = Arc::new(Shared {
            log,
            index: Arc::new(index),
            streams,
            metadata: quick_cache::sync::Cache::new(CACHED_METADATA),
            types: TypeNames::default(),
            durable: watch::Sender::new(durable),
            followers: Followers::default(),
            failure: OnceLock::new(),
            writer_gone: false.into(),
            queued_bytes: 0.into(),
            counters: Counters::default(),
        });
        let batch_bytes = MAX_BATCH_BYTES.min((smallest - SEGMENT_HEADER_BYTES) as usize);
        let allocator = Arc::new(Allocator::new(ready));
        // One place more, for the stop.
        let (queue, requests) = mpsc::channel(options.queue_batches + 1);
        let stop = queue.clone().try_reserve_owned().map_err(|_| {
            OpenError::Thread(std::io::Error::other("the writer's queue is closed before it is used"))
        })?;
        let writer = Writer::new(
            shared.clone(),
            allocator.clone(),
            requests,
            segments[current].clone(),
            tail,
            batch_bytes,
            options,
        )?;
        let threads = Threads::start(options, &shared, allocator, writer, stop, tail.checked_from)?;
        Ok(Self(Arc::new(Inner {
            shared,
            queue,
            queue_limits: QueueLimits { batch_bytes, queue_bytes: options.queue_bytes },
            queue_batches: options.queue_batches,
            running: Mutex::new(Some(Running { threads, _lock: lock })),
        })))
    }

    /// Waits for a place in the bounded queue of the writer. Take it before deciding what to append, then
    /// [`Slot::submit`] does not have to wait.
    ///
    /// # Errors
    /// The node takes no more appends: `ShuttingDown`, `Poisoned` or `Corrupt`.
    pub async fn reserve(&self) -> Result<Slot, AppendError> {
        let shared = &self.0.shared;
        if let Some(failure) = shared.failure.get() {
            return Err(failure.clone());
        }
        let permit = self.0.queue.clone().reserve_owned().await.map_err(|_| shared.why_ended())?;
        Ok(Slot { permit, shared: shared.clone(), limits: self.0.queue_limits })
    }

    /// Appends a batch: all of it or nothing, in order, next to each other in the log. Returns when it is on disk.
    ///
    /// If the future is dropped the batch may be written or not.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub async fn append(&self, batch: Vec<StreamAppend>) -> Result<Appended, AppendError> {
        self.reserve().await?.submit(batch).await
    }

    /// Reads a page of a stream. Blocks, mostly at the speed of the page cache.
    ///
    /// # Errors
    /// The stream is deleted for good, the log is corrupt or cannot be read, or the node is shut down.
    pub fn read_stream(
        &self,
        stream: &str,
        from: StreamFrom,
        direction: Direction,
        limit: ReadLimit,
    ) -> Result<StreamRead, ReadError> {
        self.open_shared()?.read_stream(stream, from, direction, limit)
    }

    /// Reads a page of the log. Blocks, mostly at the speed of the page cache. A [`AllFrom::Position`] at which no event
    /// begins and that no read returned as `next` costs a walk through part of a segment.
    ///
    /// # Errors
    /// The log is corrupt or cannot be read, or the node is shut down.
    pub fn read_all(
        &self,
        from: AllFrom,
        direction: Direction,
        limit: ReadLimit,
    ) -> Result<AllRead, ReadError> {
        self.open_shared()?.read_all(from, direction, limit)
    }

    /// Revision of a stream's last durable event, also if it is deleted (but not for good); `None` if it has none. Blocks if the stream is not cached.
    ///
    /// # Errors
    /// The stream is deleted for good, the log is corrupt or cannot be read, or the node is shut down.
    pub fn last_revision(&self, stream: &str) -> Result<Option<u64>, ReadError> {
        Ok(self.open_shared()?.find_live(stream)?.map(|head| head.revision))
    }

    /// Position of the last durable event; 0 if there is none.
    #[must_use]
    pub fn head(&self) -> Position {
        self.0.shared.durable().head
    }

    /// All events after a position (from the first on if `None`), now and in the future. The position may be any
    /// number: nothing at or below it is returned.
    #[must_use]
    pub fn subscribe_all(&self, after: Option<Position>) -> AllSubscription {
        AllSubscription::new(self.0.shared.clone(), after)
    }

    /// All events of a stream that can be read after a revision (from the first on if `None`), now and in the future.
    #[must_use]
    pub fn subscribe_stream(&self, stream: impl Into<Arc<str>>, after: Option<u64>) -> StreamSubscription {
        StreamSubscription::new(self.0.shared.clone(), stream.into(), after)
    }

    /// Takes no more appends, writes what is queued, brings the index up to date, stops all threads, closes the files
    /// and releases the directory. Subscriptions end when they have returned everything. Calling it again does nothing.
    pub async fn shutdown(&self) {
        let inner = self.0.clone();
        // An error means the runtime is ending or the stop panicked; dropping the last handle tries again.
        let _ = tokio::task::spawn_blocking(move || inner.stop()).await;
    }

    /// Figures to watch the node by.
    #[must_use]
    pub fn stats(&self) -> NodeStats {
        let shared = &self.0.shared;
        let counters = &shared.counters;
        NodeStats {
            batches: Counters::get(&counters.batches),
            refused: Counters::get(&counters.refused),
            replayed: Counters::get(&counters.replayed),
            events: Counters::get(&counters.events),
            bytes: Counters::get(&counters.bytes),
            syncs: Counters::get(&counters.syncs),
            sync_nanos: Counters::get(&counters.sync_nanos),
            largest_group: Counters::get(&counters.largest_group),
            queued_batches: (self.0.queue_batches - self.0.queue.capacity()) as u64,
            queued_bytes: shared.queued_bytes.load(Ordering::Relaxed) as u64,
            index_lag: shared.index.recent_events() as u64,
            index_moves: shared.index.moves() as u64,
            index_cache_bytes: shared.index.cache_bytes(),
            cached_heads: shared.streams.cached() as u64,
            head: shared.durable().head,
            segments: shared.log.segments().len() as u64,
        }
    }

    /// Why the node takes no more appends, if so: to be shown by a health check. Reads go on all the same.
    #[must_use]
    pub fn failure(&self) -> Option<AppendError> {
        self.0.shared.failure.get().cloned()
    }

    fn open_shared(&self) -> Result<&Shared, ReadError> {
        let shared = &self.0.shared;
        if shared.durable().closed { Err(ReadError::ShuttingDown) } else { Ok(shared) }
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("log", &self.0.shared.log.dir).finish_non_exhaustive()
    }
}

impl Inner {
    /// Blocks. Whoever comes second waits for the first.
    fn stop(&self) {
        let mut running = self.running.lock();
        if let Some(Running { threads, _lock }) = running.take() {
            drop(threads);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // On a thread of its own: stopping blocks in ways that an async runtime's threads refuse.
        if self.running.lock().is_some() {
            std::thread::scope(|scope| {
                scope.spawn(|| self.stop());
            });
        }
    }
}

/// Makes a directory and those above it that are missing, and their names durable.
fn make_durable_dir(dir: &Path) -> Result<(), FileError> {
    let missing: Vec<_> = dir.ancestors().take_while(|dir| !dir.exists()).collect();
    std::fs::create_dir_all(dir).map_err(FileError::on("make", dir))?;
    let parent = |dir: &Path| match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => Path::new(".").to_owned(),
    };
    if missing.is_empty() {
        // A start that was killed may have made it. Best effort: the directory above may be closed to this user.
        let _ = segment::sync_dir(&parent(dir));
    }
    missing.into_iter().try_for_each(|made| segment::sync_dir(&parent(made)))
}

/// The segments there are, or the first one of a new log.
fn open_log(dir: &Path, options: &NodeOptions) -> Result<Log, OpenError> {
    segment::remove_temporary(dir)?;
    if let Some((id, segments)) = segment::list(dir)? {
        return Ok(Log::new(dir, id, segments));
    }
    let id = uuid::Uuid::new_v4().as_u128();
    let first = segment::create(dir, id, 0, options.segment_bytes, &options.faults)?;
    Ok(Log::new(dir, id, vec![first]))
}
