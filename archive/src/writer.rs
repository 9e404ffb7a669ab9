//! A month on its way into the archive.

use chrono::{DateTime, Utc};
use file_store::{Key, PutNew, Sha256, Upload};

use crate::blocks::{BlockSums, Blocks};
use crate::limits::{BATCH_ROWS, PART_BYTES_MAX, PART_ROWS_MAX};
use crate::manifest::Tally;
use crate::part::PartEncoder;
use crate::store::in_background;
use crate::{
    Archive, ArchiveError, LogSpan, Manifest, Month, Part, Place, Row, RowDigest, SCHEMA_VERSION, layout,
};

/// Writes a month's rows. No file of the month is seen before [`finish`](Self::finish), and the month is not archived before its end. Dropped
/// before, nothing was written.
pub struct Writer {
    archive: Archive,
    month: Month,
    /// In the names of this writing's files.
    mark: String,
    /// Encoder, tally and digest; away while rows are encoded.
    state: Option<State>,
    /// The part under way.
    upload: Option<(Key, Upload)>,
    /// Parts of which only the end is missing: that they appear.
    done: Vec<(PartDone, Upload)>,
}

struct State {
    encoder: Option<PartEncoder>,
    /// Of the part under way.
    first: Option<Place>,
    rows: u64,
    blocks: BlockSums,
    tally: Tally,
    digest: RowDigest,
}

struct PartDone {
    key: Key,
    rows: u64,
    blocks: Blocks,
    first: Place,
    last: Place,
}

impl Writer {
    pub(crate) fn new(archive: Archive, month: Month) -> Self {
        let mut mark = uuid::Uuid::new_v4().simple().to_string();
        mark.truncate(12);
        let (tally, digest) = (Tally::default(), RowDigest::new());
        let blocks = BlockSums::default();
        let state = State { encoder: None, first: None, rows: 0, blocks, tally, digest };
        Self { archive, month, mark, state: Some(state), upload: None, done: Vec::new() }
    }

    /// How many rows there are so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.state.as_ref().map_or(0, |state| state.tally.rows)
    }

    /// The next rows, in the order of account and revision. Best some thousands at a time: they are in memory, and so is one row group.
    ///
    /// # Errors
    /// [`ArchiveError::Order`], or when the store does not take them. Then nothing more can be written.
    pub async fn write(&mut self, rows: Vec<Row>) -> Result<(), ArchiveError> {
        // No longer than a part may be too long by.
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let batch: Vec<Row> = rows.by_ref().take(BATCH_ROWS).collect();
            self.write_batch(batch).await?;
        }
        Ok(())
    }

    async fn write_batch(&mut self, rows: Vec<Row>) -> Result<(), ArchiveError> {
        let mut state = self.state()?;
        let month = self.month;
        let (state, bytes) = in_background(move || {
            for row in &rows {
                state.tally.add(row).map_err(|last| ArchiveError::Order {
                    month,
                    place: row.place(),
                    last,
                })?;
                state.digest.add(row);
            }
            state.first = state.first.or_else(|| rows.first().map(Row::place));
            state.rows = state.rows.saturating_add(rows.len() as u64);
            let encoder = match &mut state.encoder {
                Some(encoder) => encoder,
                none => none.insert(PartEncoder::new()?),
            };
            let bytes = encoder.write(&rows)?;
            state.blocks.add(&bytes);
            Ok((state, bytes))
        })
        .await?;
        let is_full = state.rows >= PART_ROWS_MAX as u64
            || state.encoder.as_ref().is_some_and(|encoder| encoder.bytes_written() >= PART_BYTES_MAX);
        self.state = Some(state);
        let upload = match &mut self.upload {
            Some((_, upload)) => upload,
            none => {
                let key = layout::part(self.month, self.done.len(), &self.mark)?;
                let upload = self.archive.files().upload(&key);
                &mut none.insert((key, upload)).1
            }
        };
        upload.write(bytes).await?;
        if is_full { self.end_part().await } else { Ok(()) }
    }

    fn state(&mut self) -> Result<State, ArchiveError> {
        let broken = || ArchiveError::Interrupted("an earlier write failed".to_owned());
        self.state.take().ok_or_else(broken)
    }

    async fn end_part(&mut self) -> Result<(), ArchiveError> {
        let mut state = self.state()?;
        let (rows, first) = (std::mem::take(&mut state.rows), state.first.take());
        let (encoder, last) = (state.encoder.take(), state.tally.last);
        let mut blocks = std::mem::take(&mut state.blocks);
        self.state = Some(state);
        if let (Some((key, mut upload)), Some(encoder), Some(first), Some(last)) =
            (self.upload.take(), encoder, first, last)
        {
            let rest = in_background(move || Ok(encoder.finish()?)).await?;
            blocks.add(&rest);
            upload.write(rest).await?;
            let blocks = blocks.finish();
            self.done.push((PartDone { key, rows, blocks, first, last }, upload));
        }
        Ok(())
    }

    /// Makes the files appear, and then the manifest: from there on the month is archived.
    ///
    /// # Errors
    /// [`ArchiveError::Exists`] when somebody else has archived it meanwhile, or when the store does not take it. Then the month is as it
    /// was before; files of which not even the removal worked are left to [`Archive::sweep`].
    pub async fn finish(
        mut self,
        positions: LogSpan,
        made_at: DateTime<Utc>,
    ) -> Result<Manifest, ArchiveError> {
        self.end_part().await?;
        let state = self.state()?;
        let mut parts = Vec::new();
        let finished = self.finish_parts(&mut parts).await;
        let manifest = Manifest {
            schema_version: SCHEMA_VERSION,
            month: self.month,
            rows: state.tally.rows,
            accounts: state.tally.accounts,
            digest: state.digest.finish(),
            sums: state.tally.sums(),
            recorded: state.tally.recorded,
            positions,
            made_at,
            parts,
            sum: Sha256([0; 32]),
        }
        .sealed()?;
        let written = match finished {
            Ok(()) => write_manifest(&self.archive, &manifest).await,
            Err(error) => Err(error),
        };
        match written {
            Ok(()) => Ok(manifest),
            Err(error) => {
                give_up(&self.archive, &manifest).await;
                Err(error)
            }
        }
    }

    async fn finish_parts(&mut self, parts: &mut Vec<Part>) -> Result<(), ArchiveError> {
        for (PartDone { key, rows, blocks, first, last }, upload) in self.done.drain(..) {
            let stored = upload.finish().await?;
            let (bytes, sha256) = (stored.bytes, stored.sha256);
            parts.push(Part { key, rows, bytes, sha256, blocks, first, last });
        }
        Ok(())
    }
}

async fn write_manifest(archive: &Archive, manifest: &Manifest) -> Result<(), ArchiveError> {
    let key = layout::manifest(manifest.month)?;
    let mut text = serde_json::to_vec_pretty(manifest).map_err(|error| ArchiveError::damaged(&key, error))?;
    text.push(b'\n');
    match archive.files().put_new(&key, text).await? {
        PutNew::Stored(_) => Ok(()),
        PutNew::Exists => Err(ArchiveError::Exists(manifest.month)),
    }
}

/// Removes what has appeared, unless the manifest stands after all: an answer may be lost on its way.
async fn give_up(archive: &Archive, manifest: &Manifest) {
    match archive.read_manifest(manifest.month).await {
        Ok(found) if found.as_ref() != Some(manifest) => {}
        Ok(_) | Err(_) => return,
    }
    for part in &manifest.parts {
        // What is left is named by no manifest, and goes with the next sweep.
        let _ = archive.files().delete(&part.key).await;
    }
}
