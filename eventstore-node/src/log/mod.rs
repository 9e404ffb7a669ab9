//! The log: the truth. Records one after another in segment files; nothing is ever changed once it is synced.

pub(crate) mod allocator;
pub(crate) mod reader;
pub(crate) mod record;
pub(crate) mod recovery;
pub(crate) mod scrub;
pub(crate) mod segment;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parking_lot::RwLock;
use quick_cache::sync::Cache;

use crate::error::{FileError, ReadError};
use crate::event::Position;
use segment::Segment;

/// Segment files kept open for reading.
const OPEN_FILES: usize = 64;

/// The files of the log, for all who read it.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) dir: PathBuf,
    /// Random, the same in every segment: tells logs apart and seeds the hash of stream names.
    pub(crate) id: u128,
    /// In order of their base, without gaps, never empty; the last ones may hold no record yet.
    segments: RwLock<Vec<Arc<Segment>>>,
    files: Cache<Position, Arc<File>>,
}

impl Log {
    pub(crate) fn new(dir: &Path, id: u128, segments: Vec<Segment>) -> Self {
        Self {
            dir: dir.to_owned(),
            id,
            segments: RwLock::new(segments.into_iter().map(Arc::new).collect()),
            files: Cache::new(OPEN_FILES),
        }
    }

    pub(crate) fn segments(&self) -> Vec<Arc<Segment>> {
        self.segments.read().clone()
    }

    pub(crate) fn add_segment(&self, segment: Arc<Segment>) {
        self.segments.write().push(segment);
    }

    /// The segment a position lies in.
    pub(crate) fn segment_at(&self, position: Position) -> Option<Arc<Segment>> {
        let segments = self.segments.read();
        let index = segments.partition_point(|segment| segment.end() <= position);
        segments.get(index).cloned()
    }

    /// Where the next segment will begin.
    pub(crate) fn end(&self) -> Position {
        self.segments.read().last().map_or(0, |segment| segment.end())
    }

    /// The bytes of `segment` from `position`, as many as wanted but not beyond the segment.
    pub(crate) fn read(
        &self,
        segment: &Segment,
        position: Position,
        wanted: usize,
    ) -> Result<Bytes, ReadError> {
        let file = self
            .files
            .get_or_insert_with(&segment.base, || segment::open_file(&segment.path).map(Arc::new))?;
        let len = (segment.end() - position).min(wanted as u64) as usize;
        let mut bytes = BytesMut::zeroed(len);
        file.read_exact_at(&mut bytes, position - segment.base)
            .map_err(FileError::on("read", &segment.path))?;
        Ok(bytes.freeze())
    }
}
