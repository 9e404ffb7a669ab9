//! Sums of a file's blocks. Parquet's writer puts none on its pages, and a bit that turned over in one may decode to something else: what is
//! read of a file is read by whole blocks, and each is compared.

use std::fmt;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use file_store::{Bytes, FileInfo, FileStore};
use serde::{Deserialize, Serialize};

use crate::ArchiveError;
use crate::limits::BLOCK_BYTES;

/// CRC-32C of each block of 16 KiB of a file, in order; the last one may be shorter. As text they are big-endian numbers in base64.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Blocks(Vec<u32>);

impl Blocks {
    /// True when a file of so many bytes has so many blocks.
    pub(crate) fn are_of(&self, bytes: u64) -> bool {
        self.0.len() as u64 == bytes.div_ceil(BLOCK_BYTES as u64)
    }

    /// True when these whole blocks, from the one at this place in the file on, are what was written.
    fn are(&self, bytes: &[u8], start: u64) -> bool {
        let first = usize::try_from(start / BLOCK_BYTES as u64).unwrap_or(usize::MAX);
        let expected = self.0.iter().skip(first).map(|sum| Some(*sum)).chain(std::iter::repeat(None));
        bytes.chunks(BLOCK_BYTES).zip(expected).all(|(block, sum)| Some(crc32c::crc32c(block)) == sum)
    }
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} blocks", self.0.len())
    }
}

impl From<Blocks> for String {
    fn from(blocks: Blocks) -> Self {
        let bytes: Vec<u8> = blocks.0.iter().flat_map(|sum| sum.to_be_bytes()).collect();
        STANDARD.encode(bytes)
    }
}

impl TryFrom<String> for Blocks {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = STANDARD.decode(text).map_err(|_| "sums of blocks are not base64")?;
        let (sums, rest) = bytes.as_chunks::<4>();
        if rest.is_empty() {
            Ok(Self(sums.iter().map(|sum| u32::from_be_bytes(*sum)).collect()))
        } else {
            Err("sums of blocks have four bytes each")
        }
    }
}

/// Makes them of a file's bytes as they come.
#[derive(Default)]
pub(crate) struct BlockSums {
    done: Vec<u32>,
    /// Of the block under way.
    sum: u32,
    filled: usize,
}

impl BlockSums {
    pub(crate) fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = BLOCK_BYTES.saturating_sub(self.filled);
            let (now, rest) = bytes.split_at(bytes.len().min(space));
            self.sum = crc32c::crc32c_append(self.sum, now);
            self.filled = self.filled.saturating_add(now.len());
            if self.filled == BLOCK_BYTES {
                self.end_block();
            }
            bytes = rest;
        }
    }

    fn end_block(&mut self) {
        self.done.push(std::mem::take(&mut self.sum));
        self.filled = 0;
    }

    pub(crate) fn finish(mut self) -> Blocks {
        if self.filled > 0 {
            self.end_block();
        }
        Blocks(self.done)
    }
}

/// Parts of a file, in the order asked for, and certainly what was written.
pub(crate) async fn read(
    files: &FileStore,
    file: &FileInfo,
    blocks: &Blocks,
    ranges: &[Range<u64>],
) -> Result<Vec<Bytes>, ArchiveError> {
    let around: Vec<Range<u64>> = ranges.iter().map(|range| whole_blocks(range, file.bytes)).collect();
    let found = files.get_ranges(&file.key, &around, file.e_tag.as_deref()).await?;
    let damaged = || ArchiveError::damaged(&file.key, "some of its bytes are not those that were written");
    let mut parts = Vec::with_capacity(ranges.len());
    for ((range, around), bytes) in ranges.iter().zip(&around).zip(found) {
        if !blocks.are(&bytes, around.start) {
            return Err(damaged());
        }
        let within = |place: u64| usize::try_from(place.saturating_sub(around.start)).ok();
        let (start, end) = within(range.start).zip(within(range.end)).ok_or_else(damaged)?;
        if end > bytes.len() {
            return Err(damaged());
        }
        parts.push(bytes.slice(start..end));
    }
    Ok(parts)
}

fn whole_blocks(range: &Range<u64>, file_bytes: u64) -> Range<u64> {
    let block = BLOCK_BYTES as u64;
    let end = range.end.checked_next_multiple_of(block).unwrap_or(u64::MAX);
    range.start.saturating_sub(range.start % block)..end.min(file_bytes)
}
