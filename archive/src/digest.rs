//! Whether two sides have the same rows.

use file_store::Sha256;
use sha2::Digest;

use crate::Row;
use crate::row::{EntryKind, Status};

/// SHA-256 over rows in the order of account and revision, whatever they are read from. Rows in another order, one row more or one letter
/// different give another digest. Postgres gives rows in this order without sorting: it is that of the primary key.
#[derive(Clone, Debug, Default)]
pub struct RowDigest {
    hasher: sha2::Sha256,
    /// One row's bytes, kept for their room.
    buffer: Vec<u8>,
}

impl RowDigest {
    /// The digest of no rows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The next row. Every field has a fixed length, or its length before it: no two rows have the same bytes.
    pub fn add(&mut self, row: &Row) {
        let buffer = &mut self.buffer;
        buffer.clear();
        for number in [
            row.account_id,
            row.revision,
            row.transfer_id,
            row.amount,
            row.balance_after,
            row.counterparty,
            row.booked_at.timestamp_micros(),
            row.recorded_at.timestamp_micros(),
        ] {
            buffer.extend_from_slice(&number.to_be_bytes());
        }
        buffer.push(match row.kind {
            EntryKind::Debit => b'd',
            EntryKind::Credit => b'c',
            EntryKind::Reversal => b'r',
        });
        buffer.push(match row.status {
            Status::Completed => b'c',
            Status::Reversed => b'r',
        });
        buffer.extend_from_slice(row.currency.code().as_bytes());
        for text in [&row.description, &row.reference] {
            match text {
                None => buffer.push(0),
                Some(text) => {
                    buffer.push(1);
                    buffer.extend_from_slice(&(text.len() as u64).to_be_bytes());
                    buffer.extend_from_slice(text.as_bytes());
                }
            }
        }
        self.hasher.update(&*buffer);
    }

    /// The digest of all rows so far.
    #[must_use]
    pub fn finish(self) -> Sha256 {
        self.hasher.into()
    }
}
