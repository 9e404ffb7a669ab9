//! Segment files: the log's address space, cut in pieces. A segment is made whole before it is used: its header and
//! zeros to its end are on disk, so that syncing an append changes no file size and finds its space there.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FallocateFlags, fallocate};

use crate::error::{Corruption, FileError, OpenError};
use crate::event::Position;
use crate::faults::{DiskOperation, Faults};
use crate::limits::{MAX_SEGMENT_BYTES, MIN_SEGMENT_BYTES, SEGMENT_HEADER_BYTES};

const MAGIC: &[u8; 8] = b"ESNODLOG";
const FORMAT_VERSION: u32 = 1;
const HEADER_LEN: usize = 52;
const TEMPORARY: &str = "next.tmp";
/// Zeros are written in steps of this many bytes, each synced, so that the disk is never busy with them for long.
const ZERO_STEP: usize = 1024 * 1024;

/// One file of the log.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Position of the file's first byte.
    pub(crate) base: Position,
    /// Bytes of the file.
    pub(crate) size: u64,
    pub(crate) path: PathBuf,
    /// Position where the records end; 0 while it is not known, which it need not be in a log that was just opened.
    data_end: AtomicU64,
}

impl Segment {
    pub(crate) fn new(dir: &Path, base: Position, size: u64) -> Self {
        Self { base, size, path: dir.join(file_name(base)), data_end: AtomicU64::new(0) }
    }

    /// Where the first record is.
    pub(crate) fn first(&self) -> Position {
        self.base + SEGMENT_HEADER_BYTES
    }

    /// Where the next segment begins.
    pub(crate) fn end(&self) -> Position {
        self.base + self.size
    }

    pub(crate) fn data_end(&self) -> Option<Position> {
        match self.data_end.load(Ordering::Acquire) {
            0 => None,
            end => Some(end),
        }
    }

    /// Notes where the records end, once no more will be added.
    pub(crate) fn set_data_end(&self, end: Position) {
        self.data_end.store(end, Ordering::Release);
    }

    /// Takes [`Segment::set_data_end`] back: records are going to be added.
    pub(crate) fn forget_data_end(&self) {
        self.data_end.store(0, Ordering::Release);
    }

    pub(crate) fn corrupt(&self, position: Position, reason: impl Into<String>) -> Corruption {
        Corruption {
            file: self.path.clone(),
            offset: position.saturating_sub(self.base),
            position,
            reason: reason.into(),
        }
    }
}

/// Opens an existing segment's file for reading and writing.
pub(crate) fn open_file(path: &Path) -> Result<File, FileError> {
    OpenOptions::new().read(true).write(true).open(path).map_err(FileError::on("open", path))
}

/// Makes a segment: under a temporary name, filled with zeros, synced, then renamed. Fails without leaving anything
/// behind when there is no space.
pub(crate) fn create(
    dir: &Path,
    log_id: u128,
    base: Position,
    size: u64,
    faults: &Faults,
) -> Result<Segment, FileError> {
    let segment = Segment::new(dir, base, size);
    let temporary = dir.join(TEMPORARY);
    let made = faults
        .check(DiskOperation::Allocate)
        .and_then(|()| fill(&temporary, &header(log_id, base, size), size))
        .map_err(FileError::on("make", &segment.path))
        .and_then(|()| {
            std::fs::rename(&temporary, &segment.path).map_err(FileError::on("make", &segment.path))
        })
        .and_then(|()| sync_dir(dir));
    if let Err(error) = made {
        // Best effort: the next attempt overwrites it.
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    Ok(segment)
}

fn fill(path: &Path, header: &[u8], size: u64) -> std::io::Result<()> {
    let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(path)?;
    // Asks for all the space at once, so that a full disk shows before anything is written. Not every file system can.
    match fallocate(&file, FallocateFlags::empty(), 0, size) {
        Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
        Err(error) => return Err(error.into()),
    }
    let zeros = vec![0; ZERO_STEP.min(size as usize)];
    let mut at = 0;
    while at < size {
        let step = (size - at).min(zeros.len() as u64) as usize;
        file.write_all_at(&zeros[..step], at)?;
        file.sync_data()?;
        at += step as u64;
    }
    file.write_all_at(header, 0)?;
    file.sync_all()
}

/// Removes what an interrupted [`create`] left.
pub(crate) fn remove_temporary(dir: &Path) -> Result<(), FileError> {
    let path = dir.join(TEMPORARY);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(FileError::on("remove", &path)(error))
        }
        _ => Ok(()),
    }
}

/// Makes renames in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), FileError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(FileError::on("sync", dir))
}

fn file_name(base: Position) -> String {
    format!("{base:020}.seg")
}

/// The segments in a directory in order, each with a good header and beginning where the one before ends; and the
/// log's identity. A file cut short is grown again: whether something is missing from it, recovery finds out.
pub(crate) fn list(dir: &Path) -> Result<Option<(u128, Vec<Segment>)>, OpenError> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(FileError::on("list", dir))? {
        let path = entry.map_err(FileError::on("list", dir))?.path();
        if path.extension().is_some_and(|extension| extension == "seg") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut segments: Vec<Segment> = Vec::with_capacity(paths.len());
    let mut log_id = None;
    for path in paths {
        let (id, segment) = read_header(dir, &path)?;
        let expected = segments.last().map_or(0, Segment::end);
        if segment.base != expected {
            return Err(segment
                .corrupt(
                    segment.base,
                    format!("a segment file is missing: one beginning at {expected} should come before this"),
                )
                .into());
        }
        if *log_id.get_or_insert(id) != id {
            return Err(segment.corrupt(segment.base, "this file belongs to another log").into());
        }
        segments.push(segment);
    }
    Ok(log_id.map(|id| (id, segments)))
}

fn header(log_id: u128, base: Position, size: u64) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    header[12..28].copy_from_slice(&log_id.to_le_bytes());
    header[28..36].copy_from_slice(&base.to_le_bytes());
    header[36..44].copy_from_slice(&size.to_le_bytes());
    let crc = crc32c::crc32c(&header[..HEADER_LEN - 4]);
    header[HEADER_LEN - 4..].copy_from_slice(&crc.to_le_bytes());
    header
}

fn read_header(dir: &Path, path: &Path) -> Result<(u128, Segment), OpenError> {
    let file = open_file(path)?;
    let mut bytes = [0; HEADER_LEN];
    let damaged = |reason: &str| Corruption {
        file: path.to_owned(),
        offset: 0,
        position: 0,
        reason: reason.to_owned(),
    };
    match file.read_exact_at(&mut bytes, 0) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            return Err(damaged("the segment's header is cut short").into());
        }
        result => result.map_err(FileError::on("read", path))?,
    }
    let mut id = [0; 16];
    id.copy_from_slice(&bytes[12..28]);
    let (version, base, size) = (word(&bytes, 8) as u32, word(&bytes, 28), word(&bytes, 36));
    if &bytes[..8] != MAGIC {
        return Err(damaged("this is no segment of a log").into());
    }
    if version != FORMAT_VERSION {
        return Err(OpenError::Format { file: path.to_owned(), found: version, supported: FORMAT_VERSION });
    }
    if header(u128::from_le_bytes(id), base, size) != bytes {
        return Err(damaged("the segment's header does not match its checksum").into());
    }
    let segment = Segment::new(dir, base, size);
    if segment.path != path || !(MIN_SEGMENT_BYTES..=MAX_SEGMENT_BYTES).contains(&size) {
        return Err(damaged("the segment's header does not belong to its file name").into());
    }
    let found = file.metadata().map_err(FileError::on("read", path))?.len();
    if found < size {
        tracing::warn!(file = %path.display(), bytes = found, expected = size, "segment file is cut short, growing it again");
        file.set_len(size).and_then(|()| file.sync_all()).map_err(FileError::on("grow", path))?;
    }
    Ok((u128::from_le_bytes(id), segment))
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
