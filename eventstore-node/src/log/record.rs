//! One event as bytes. A record can be read alone at its position and proves itself: its own position and a CRC over
//! everything are in it. All integers are little-endian.
//!
//! ```text
//!  0  u32  length of the record, this header included
//!  4  u32  CRC-32C of all other bytes of the record
//!  8  u64  its own position
//! 16  u64  position of the previous record of the log, 0 if none: gaps are seen, and the log can be read backwards
//! 24  u64  position where its group began: everything before that was synced before this record was written
//! 32  u64  position of the first record of its batch
//! 40  u64  slot: the key of its stream in the index (a hash of the name; see `streams.rs`)
//! 48  u64  revision
//! 56  i64  created, 100 ns ticks since the UNIX epoch
//! 64  u128 id (as in RFC 9562: big-endian)
//! 80  u16  flags
//! 82  u16  length of the stream's name
//! 84  u16  length of the type
//! 86  u16  zero
//! 88  u32  length of the data
//! 92  stream, type, data, metadata (the rest)
//! ```

use uuid::Uuid;

use crate::event::Position;

/// Length of the fixed part.
pub(crate) const HEADER_LEN: usize = 92;

const LAST_OF_BATCH: u16 = 1;
const JSON: u16 = 2;

/// What the writer knows about a record beyond the event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) position: Position,
    pub(crate) previous: Position,
    pub(crate) group_start: Position,
    pub(crate) batch_start: Position,
    pub(crate) last_of_batch: bool,
    pub(crate) slot: u64,
    pub(crate) revision: u64,
    pub(crate) created: i64,
}

/// A record's content, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Content<'a> {
    pub(crate) id: Uuid,
    pub(crate) is_json: bool,
    pub(crate) stream: &'a str,
    pub(crate) event_type: &'a str,
    pub(crate) data: &'a [u8],
    pub(crate) metadata: &'a [u8],
}

/// A checked record within a chunk of log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) place: Place,
    pub(crate) content: Content<'a>,
    /// Bytes it takes in the log.
    pub(crate) len: usize,
    /// Where `data` begins in the record; `metadata` follows it. For slices that share the chunk.
    pub(crate) data_start: usize,
}

impl Record<'_> {
    /// The position just after this record.
    pub(crate) fn end(&self) -> Position {
        self.place.position + self.len as u64
    }
}

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// The bytes end before the record does; it needs this many, if its length is right.
    Short(usize),
    /// Only zeros where a record would begin: never written, or the end of a segment.
    Blank,
    /// Anything else, in words.
    Garbage(&'static str),
}

/// Bytes a record takes in the log.
pub(crate) fn encoded_len(stream: usize, event_type: usize, data: usize, metadata: usize) -> usize {
    HEADER_LEN.saturating_add(stream).saturating_add(event_type).saturating_add(data).saturating_add(metadata)
}

/// Appends a record to `out`. The caller has checked all lengths against `limits`.
pub(crate) fn encode(out: &mut Vec<u8>, place: &Place, content: &Content<'_>) {
    let start = out.len();
    let len = encoded_len(
        content.stream.len(),
        content.event_type.len(),
        content.data.len(),
        content.metadata.len(),
    );
    let flags = if place.last_of_batch { LAST_OF_BATCH } else { 0 } | if content.is_json { JSON } else { 0 };
    out.extend_from_slice(&(len as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    for word in [
        place.position,
        place.previous,
        place.group_start,
        place.batch_start,
        place.slot,
        place.revision,
        place.created as u64,
    ] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(content.id.as_bytes());
    for half in [flags, content.stream.len() as u16, content.event_type.len() as u16, 0] {
        out.extend_from_slice(&half.to_le_bytes());
    }
    out.extend_from_slice(&(content.data.len() as u32).to_le_bytes());
    out.extend_from_slice(content.stream.as_bytes());
    out.extend_from_slice(content.event_type.as_bytes());
    out.extend_from_slice(content.data);
    out.extend_from_slice(content.metadata);
    let crc = checksum(&out[start..]);
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
}

/// The length of the record at the start of `bytes`, which lie at `position` of the log, if all of it is there. Looks
/// at the header only: nothing is checked but what is needed to believe the length.
pub(crate) fn extent(bytes: &[u8], position: Position) -> Result<usize, Bad> {
    let Some(header) = bytes.get(..HEADER_LEN) else {
        return Err(Bad::Short(HEADER_LEN));
    };
    let len = u32_at(header, 0) as usize;
    if len == 0 && header.iter().all(|byte| *byte == 0) {
        return Err(Bad::Blank);
    }
    if u64_at(header, 8) != position {
        return Err(Bad::Garbage("no record begins here (the position in it is another)"));
    }
    if len < HEADER_LEN {
        return Err(Bad::Garbage("the record's length is impossible"));
    }
    if len > bytes.len() { Err(Bad::Short(len)) } else { Ok(len) }
}

/// Reads and checks the record at the start of `bytes`, which lie at `position` of the log.
pub(crate) fn decode(bytes: &[u8], position: Position) -> Result<Record<'_>, Bad> {
    let len = extent(bytes, position)?;
    let bytes = &bytes[..len];
    if checksum(bytes) != u32_at(bytes, 4) {
        return Err(Bad::Garbage("the record's checksum does not match its bytes"));
    }
    let flags = u16_at(bytes, 80);
    let stream_end = HEADER_LEN + usize::from(u16_at(bytes, 82));
    let data_start = stream_end + usize::from(u16_at(bytes, 84));
    let data_end = data_start + u32_at(bytes, 88) as usize;
    if data_end > len {
        return Err(Bad::Garbage("the record's parts are longer than the record"));
    }
    let mut id = [0; 16];
    id.copy_from_slice(&bytes[64..80]);
    Ok(Record {
        place: Place {
            position,
            previous: u64_at(bytes, 16),
            group_start: u64_at(bytes, 24),
            batch_start: u64_at(bytes, 32),
            last_of_batch: flags & LAST_OF_BATCH != 0,
            slot: u64_at(bytes, 40),
            revision: u64_at(bytes, 48),
            created: u64_at(bytes, 56) as i64,
        },
        content: Content {
            id: Uuid::from_bytes(id),
            is_json: flags & JSON != 0,
            stream: text(&bytes[HEADER_LEN..stream_end])?,
            event_type: text(&bytes[stream_end..data_start])?,
            data: &bytes[data_start..data_end],
            metadata: &bytes[data_end..],
        },
        len,
        data_start,
    })
}

/// Whether a record could begin here, judged by the position in it alone: cheap enough to ask at every byte.
pub(crate) fn may_begin(bytes: &[u8], position: Position) -> bool {
    bytes.len() >= HEADER_LEN && u64_at(bytes, 8) == position
}

fn checksum(record: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&record[..4]), &record[8..])
}

fn text(bytes: &[u8]) -> Result<&str, Bad> {
    std::str::from_utf8(bytes).map_err(|_| Bad::Garbage("the record's names are not UTF-8"))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
