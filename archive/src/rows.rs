//! Rows of a file, and of a whole month in order.

use std::ops::Range;
use std::sync::Arc;

use parquet::DecodeResult;
use parquet::arrow::arrow_reader::RowSelection;
use parquet::arrow::push_decoder::ParquetPushDecoderBuilder;

use crate::blocks;
use crate::footers::OpenPart;
use crate::limits::{BATCH_ROWS, PAGE_ROWS};
use crate::schema::add_rows;
use crate::store::in_background;
use crate::{Archive, ArchiveError, Manifest, Row};

impl Archive {
    /// The rows of these ranges of a row group that are wanted by account and revision.
    pub(crate) async fn read_rows(
        &self,
        part: &Arc<OpenPart>,
        group: usize,
        ranges: &[Range<usize>],
        wanted: impl Fn(i64, i64) -> bool + Copy + Send + 'static,
    ) -> Result<Vec<Row>, ArchiveError> {
        let closed = |_| ArchiveError::Interrupted("nothing is read any more".to_owned());
        let _turn = self.reads.acquire().await.map_err(closed)?;
        let key = part.info.key.clone();
        let rows = part.metadata().row_groups().get(group).map_or(0, |group| group.num_rows());
        let total = usize::try_from(rows).unwrap_or(0);
        let mut decoder = ParquetPushDecoderBuilder::new_with_metadata(part.arrow.clone())
            .with_row_groups(vec![group])
            .with_row_selection(RowSelection::from_consecutive_ranges(ranges.iter().cloned(), total))
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(|error| ArchiveError::damaged(&key, error))?;
        let mut rows = Vec::new();
        loop {
            let key = key.clone();
            let step = in_background(move || {
                loop {
                    match decoder.try_decode().map_err(|error| ArchiveError::damaged(&key, error))? {
                        DecodeResult::NeedsData(ranges) => return Ok((decoder, ranges, rows)),
                        DecodeResult::Data(batch) => add_rows(&batch, wanted, &mut rows)
                            .map_err(|reason| ArchiveError::damaged(&key, reason))?,
                        DecodeResult::Finished => return Ok((decoder, Vec::new(), rows)),
                    }
                }
            });
            let needed;
            (decoder, needed, rows) = step.await?;
            if needed.is_empty() {
                return Ok(rows);
            }
            let bytes = blocks::read(self.files(), &part.info, &part.blocks, &needed).await?;
            let pushed = decoder.push_ranges(needed, bytes);
            pushed.map_err(|error| ArchiveError::damaged(&part.info.key, error))?;
        }
    }

    /// All rows of an archived month, in order; to restore it, or to compare.
    #[must_use]
    pub fn rows(&self, manifest: &Arc<Manifest>) -> MonthRows {
        MonthRows { archive: self.clone(), manifest: Arc::clone(manifest), part: 0, group: 0, row: 0 }
    }
}

/// The rows of a month, a few thousand at a time.
pub struct MonthRows {
    archive: Archive,
    manifest: Arc<Manifest>,
    /// Where the next rows are.
    part: usize,
    group: usize,
    row: usize,
}

/// Rows that are read at a time: whole pages.
const ROWS_AT_ONCE: usize = 8 * PAGE_ROWS;

impl MonthRows {
    /// The next rows; none after the last. Whether they are all that there should be, [`Archive::verify`] says.
    ///
    /// # Errors
    /// When the store does not give them, or a file is damaged; [`ArchiveError::Differs`] when the month was restored meanwhile.
    pub async fn next(&mut self) -> Result<Option<Vec<Row>>, ArchiveError> {
        match self.read_next().await {
            Err(error) if error.is_stale() => {
                self.archive.forget_all(&self.manifest);
                Err(ArchiveError::gone(self.manifest.month))
            }
            read => read,
        }
    }

    /// Of which part of the manifest the last rows were.
    pub(crate) const fn part(&self) -> usize {
        self.part
    }

    async fn read_next(&mut self) -> Result<Option<Vec<Row>>, ArchiveError> {
        while let Some(part) = self.manifest.parts.get(self.part) {
            let open = self.archive.footers().open(self.archive.files(), part).await?;
            let Some(group) = open.metadata().row_groups().get(self.group) else {
                (self.part, self.group, self.row) = (self.part.saturating_add(1), 0, 0);
                continue;
            };
            let total = usize::try_from(group.num_rows()).unwrap_or(0);
            if self.row >= total {
                (self.group, self.row) = (self.group.saturating_add(1), 0);
                continue;
            }
            let end = self.row.saturating_add(ROWS_AT_ONCE).min(total);
            let range = self.row..end;
            let rows =
                self.archive.read_rows(&open, self.group, std::slice::from_ref(&range), |_, _| true).await?;
            self.row = end;
            return Ok(Some(rows));
        }
        Ok(None)
    }
}
