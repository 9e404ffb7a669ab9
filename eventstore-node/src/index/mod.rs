//! The index: from a stream and revision to a position. Derived from the log and never synced per append: it is complete
//! up to a checkpoint on disk, the rest is in memory and read again from the log at start.

pub(crate) mod disk;
mod marks;
pub(crate) mod recent;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, RwLock};

use crate::error::{FileError, OpenError, ReadError};
use crate::event::{Direction, Position};
use crate::faults::{DiskOperation, Faults};
use crate::limits::{MAX_UNMERGED_RUNS, READ_CHUNK_BYTES};
use crate::log::Log;
use crate::log::reader::Forward;
use crate::options::NodeOptions;
use disk::{Checkpoint, Disk};
use marks::Marks;
pub(crate) use marks::mark;
use recent::{Entry, Recent};

/// How long to wait after the index could not be written.
const RETRY: Duration = Duration::from_secs(1);

/// Both halves of the index and the thread that moves entries from one to the other.
pub(crate) struct Index {
    log_id: u128,
    batch_events: usize,
    batch_bytes: u64,
    recent: RwLock<Recent>,
    marks: Marks,
    /// `None` once the node is shut down: the files are closed then, whoever still has a handle of the node.
    disk: RwLock<Option<Disk>>,
    mover: Mutex<Mover>,
    changed: Condvar,
    faults: Faults,
    moves: AtomicUsize,
}

#[derive(Default)]
struct Mover {
    stop: bool,
    /// Why the last move failed.
    failed: Option<String>,
}

impl Index {
    /// Opens the index in `dir`, or makes it. One that belongs to another log or cannot be opened is made anew. Returns
    /// it with its checkpoint: up to there it is complete, 0 if it is new.
    pub(crate) fn open(
        dir: &Path,
        log_id: u128,
        options: &NodeOptions,
    ) -> Result<(Self, Position), OpenError> {
        let opened = Disk::open(dir, options.index_cache_bytes).and_then(|disk| {
            let checkpoint = disk.checkpoint()?;
            Ok((disk, checkpoint))
        });
        let (disk, checkpoint) = match opened {
            Ok((disk, Some(checkpoint))) if checkpoint.log_id == log_id => (disk, checkpoint.position),
            Ok((disk, None)) => (disk, 0),
            Ok((disk, Some(_))) => {
                tracing::warn!(dir = %dir.display(), "the index belongs to another log or format, it is made anew");
                drop(disk);
                (remake(dir, options)?, 0)
            }
            // Another process cannot be the reason: the node's own lock is held.
            Err(error) => {
                tracing::warn!(dir = %dir.display(), %error, "the index cannot be opened, it is made anew");
                (remake(dir, options)?, 0)
            }
        };
        let marks = Marks::new(options.marks);
        marks.extend(disk.marks(options.marks + 1).map_err(|error| unusable(dir, &error))?);
        let index = Self {
            log_id,
            batch_events: options.index_batch_events,
            batch_bytes: options.index_batch_bytes,
            recent: RwLock::new(Recent::new(checkpoint)),
            marks,
            disk: RwLock::new(Some(disk)),
            mover: Mutex::default(),
            changed: Condvar::new(),
            faults: options.faults.clone(),
            moves: AtomicUsize::new(0),
        };
        Ok((index, checkpoint))
    }

    /// Adds everything in the log from `from` to `end`, moving entries to disk as they become many.
    pub(crate) fn catch_up(&self, log: &Log, from: Position, end: Position) -> Result<u64, OpenError> {
        let mut reader = Forward::new(log, from, end, READ_CHUNK_BYTES);
        let mut events = 0_u64;
        let mut told = Instant::now();
        loop {
            let (entry, mark, entry_end) = match reader.next()? {
                None => break,
                Some(found) => {
                    let place = found.record.place;
                    let entry =
                        Entry { slot: place.slot, revision: place.revision, position: place.position };
                    (entry, mark(self.log_id, entry, found.record.content.stream), found.record.end())
                }
            };
            events += 1;
            self.add(&[entry], mark.as_slice(), entry_end);
            if self.is_due() {
                self.move_to_disk()?;
                if told.elapsed() > Duration::from_secs(2) {
                    told = Instant::now();
                    let percent = (entry_end - from) * 100 / (end - from).max(1);
                    tracing::info!(events, percent, "reading the log into the index");
                }
            }
        }
        Ok(events)
    }

    fn add(&self, entries: &[Entry], marks: &[u64], end: Position) {
        // Whoever sees an entry must see its mark.
        if !marks.is_empty() {
            self.marks.extend(marks.iter().copied());
        }
        self.recent.write().add(entries, marks, end);
    }

    /// Makes entries of synced events, and what [`mark`] says about them, visible. `end`: the log's end with them.
    pub(crate) fn publish(&self, entries: &[Entry], marks: &[u64], end: Position) {
        self.add(entries, marks, end);
        if self.is_due() {
            // The lock orders this with the mover's decision to sleep.
            drop(self.mover.lock());
            self.changed.notify_all();
        }
    }

    /// Waits until there is room in memory for more entries; fails if there is none because the disk takes none.
    pub(crate) fn wait_for_room(&self) -> Result<(), String> {
        let has_room = || {
            let (events, bytes) = self.recent.read().growth();
            events < self.batch_events.saturating_mul(3) / 2 + 1
                && bytes < self.batch_bytes.saturating_mul(3) / 2 + 1
        };
        if has_room() {
            return Ok(());
        }
        let mut mover = self.mover.lock();
        while !has_room() {
            if let Some(reason) = &mover.failed {
                return Err(format!("the index cannot be written: {reason}"));
            }
            self.changed.notify_all();
            self.changed.wait(&mut mover);
        }
        Ok(())
    }

    /// The thread that moves entries to disk, until [`Index::stop`]; then it moves what is left.
    pub(crate) fn run(&self) {
        loop {
            let stopping = {
                let mut mover = self.mover.lock();
                while !mover.stop && !self.is_due() {
                    self.changed.wait(&mut mover);
                }
                mover.stop
            };
            self.wait_for_merging();
            match self.move_to_disk() {
                Ok(()) => {
                    self.mover.lock().failed = None;
                    self.changed.notify_all();
                }
                Err(error) => {
                    tracing::error!(%error, "the index cannot be written; its entries stay in memory");
                    let mut mover = self.mover.lock();
                    mover.failed = Some(error.to_string());
                    self.changed.notify_all();
                    if !mover.stop {
                        self.changed.wait_for(&mut mover, RETRY);
                    }
                }
            }
            if stopping {
                return;
            }
        }
    }

    /// The node has failed: nobody waits for room any more.
    pub(crate) fn fail(&self, reason: &str) {
        self.mover.lock().failed = Some(reason.to_owned());
        self.changed.notify_all();
    }

    /// Ends [`Index::run`].
    pub(crate) fn stop(&self) {
        self.mover.lock().stop = true;
        self.changed.notify_all();
    }

    /// Closes the files.
    pub(crate) fn close(&self) {
        *self.disk.write() = None;
    }

    fn is_due(&self) -> bool {
        let (events, bytes) = self.recent.read().growth();
        events >= self.batch_events || bytes >= self.batch_bytes
    }

    fn move_to_disk(&self) -> Result<(), ReadError> {
        let (table, position) = self.recent.write().start_move();
        if !table.entries.is_empty() {
            let disk = self.disk.read();
            let disk = disk.as_ref().ok_or(ReadError::ShuttingDown)?;
            self.faults
                .check(DiskOperation::Index)
                .map_err(|error| ReadError::File(FileError::on("write", disk.dir())(error)))?;
            disk.add(&table, Checkpoint { log_id: self.log_id, position })?;
            self.moves.fetch_add(1, Ordering::Relaxed);
        }
        self.recent.write().finish_move();
        Ok(())
    }

    /// Gives the merging of runs a chance to keep up. Not for ever: if it has stopped, reads get slower, no more.
    fn wait_for_merging(&self) {
        let until = Instant::now() + RETRY;
        let mut mover = self.mover.lock();
        while !mover.stop
            && Instant::now() < until
            && self.disk.read().as_ref().is_some_and(|disk| disk.unmerged() > MAX_UNMERGED_RUNS)
        {
            self.changed.wait_for(&mut mover, Duration::from_millis(10));
        }
    }

    fn on_disk<T>(&self, read: impl FnOnce(&Disk) -> fjall::Result<T>) -> Result<T, ReadError> {
        let disk = self.disk.read();
        Ok(read(disk.as_ref().ok_or(ReadError::ShuttingDown)?)?)
    }

    /// The last event of a stream.
    pub(crate) fn last(&self, slot: u64) -> Result<Option<(u64, Position)>, ReadError> {
        // Memory first: an entry not found there was on disk already when it was looked for.
        let recent = self.recent.read().last(slot);
        match recent {
            Some(last) => Ok(Some(last)),
            None => self.on_disk(|disk| disk.last(slot, self.marks.may_contain(slot))),
        }
    }

    /// False if the stream with this hash has no metadata for sure.
    pub(crate) fn may_have_metadata(&self, hash: u64) -> bool {
        self.marks.may_contain(hash)
    }

    /// The events of a stream from a revision, in a direction, at most `limit`, without gaps but the one before a
    /// tombstone.
    pub(crate) fn range(
        &self,
        slot: u64,
        from: u64,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<(u64, Position)>, ReadError> {
        let recent = self.recent.read().range(slot, from, direction, limit);
        match direction {
            Direction::Forward => {
                if recent.first().is_some_and(|(revision, _)| *revision == from) {
                    return Ok(recent);
                }
                let mut found = self.on_disk(|disk| disk.range(slot, from, direction, limit))?;
                // What was moved in between is in both.
                let next = found.last().map_or(from, |(revision, _)| revision + 1);
                found.extend(recent.into_iter().filter(|(revision, _)| *revision >= next));
                found.truncate(limit);
                Ok(found)
            }
            Direction::Backward => {
                let mut found = recent;
                let next = found.last().map_or(Some(from), |(revision, _)| revision.checked_sub(1));
                if let Some(next) = next
                    && found.len() < limit
                {
                    let wanted = limit - found.len();
                    found.extend(self.on_disk(|disk| disk.range(slot, next, direction, wanted))?);
                }
                Ok(found)
            }
        }
    }

    /// Entries in memory.
    pub(crate) fn recent_events(&self) -> usize {
        self.recent.read().len()
    }

    /// Bytes of the index's block cache in use.
    pub(crate) fn cache_bytes(&self) -> u64 {
        self.disk.read().as_ref().map_or(0, Disk::cache_bytes)
    }

    /// Times entries were moved to disk.
    pub(crate) fn moves(&self) -> usize {
        self.moves.load(Ordering::Relaxed)
    }
}

fn unusable(dir: &Path, error: &fjall::Error) -> OpenError {
    OpenError::Index { dir: dir.to_owned(), reason: error.to_string() }
}

fn remake(dir: &Path, options: &NodeOptions) -> Result<Disk, OpenError> {
    std::fs::remove_dir_all(dir).map_err(FileError::on("remove", dir))?;
    Disk::open(dir, options.index_cache_bytes).map_err(|error| unusable(dir, &error))
}

/// Shared with the thread.
pub(crate) type SharedIndex = Arc<Index>;
