//! The last bytes of the log on disk, read by the layout of its records and by nothing of the engine.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Where the first record of a segment file is.
const FIRST: u64 = 4096;
/// Of a record: its length, its checksum, and where its group began.
const LENGTH: usize = 0;
const CHECKSUM: usize = 4;
const GROUP_START: usize = 24;
const HEADER_BYTES: usize = 92;

/// A record in the log's first segment, where positions are offsets in the file.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) place: Range<u64>,
    /// Everything before this was synced before this record was written.
    pub(super) group_start: u64,
    /// As good as drawn by lot.
    pub(super) lot: u64,
}

/// What a failing disk or a power cut may leave of bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Damage {
    /// Only the beginning arrived.
    Torn,
    /// Nothing arrived.
    Zeroed,
    /// Part of the middle did not arrive, what follows did.
    Hole,
    /// What is there was never written.
    Flipped,
}

impl Damage {
    pub(super) const ALL: [Self; 4] = [Self::Torn, Self::Zeroed, Self::Hole, Self::Flipped];
}

/// The log's first segment.
pub(super) struct Segment {
    pub(super) path: PathBuf,
    file: File,
}

impl Segment {
    pub(super) fn first(data_dir: &Path) -> Self {
        let path = data_dir.join("log/00000000000000000000.seg");
        let file = File::options().read(true).write(true).open(&path).unwrap();
        Self { path, file }
    }

    /// Every record, in order.
    pub(super) fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        let mut position = FIRST;
        let mut header = [0; HEADER_BYTES];
        while self.file.read_exact_at(&mut header, position).is_ok() {
            let word = |at: usize| u64::from(u32::from_le_bytes(header[at..at + 4].try_into().unwrap()));
            let (length, lot) = (word(LENGTH), word(CHECKSUM));
            if length == 0 {
                break;
            }
            let group_start = u64::from_le_bytes(header[GROUP_START..GROUP_START + 8].try_into().unwrap());
            records.push(Record { place: position..position + length, group_start, lot });
            position += length;
        }
        records
    }

    /// Damages these bytes, at places that `lot` decides. Returns what stood there.
    pub(super) fn damage(&self, bytes: Range<u64>, damage: Damage, lot: u64) -> Vec<u8> {
        let mut before = vec![0; usize::try_from(bytes.end - bytes.start).unwrap()];
        self.file.read_exact_at(&mut before, bytes.start).unwrap();
        let mut after = before.clone();
        let at = usize::try_from(lot).unwrap() % after.len();
        let end = after.len().min(at + 64);
        match damage {
            Damage::Torn => after[at..].fill(0),
            Damage::Zeroed => after.fill(0),
            Damage::Hole => after[at..end].fill(0),
            Damage::Flipped => after[at..end].iter_mut().for_each(|byte| *byte = !*byte),
        }
        self.write(bytes.start, &after);
        before
    }

    pub(super) fn write(&self, position: u64, bytes: &[u8]) {
        self.file.write_all_at(bytes, position).unwrap();
    }
}
