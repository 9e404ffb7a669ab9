//! One file, encoded as its rows come.

use file_store::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::limits::{
    BATCH_ROWS, BLOOM_ACCOUNTS, BLOOM_FALSE_RATE, DICTIONARY_BYTES_MAX, GROUP_ROWS, PAGE_ROWS, ZSTD_LEVEL,
};
use crate::schema::{
    ACCOUNT_ID, BOOKED_AT, CURRENCY, DESCRIPTION, KIND, NAMES, RECORDED_AT, REVISION, STATUS, schema,
    to_batch,
};
use crate::{ArchiveError, Row};

/// Columns by whose least and greatest values a page is chosen. Those of the others would only make footers longer.
const BY_PAGE: &[usize] = &[ACCOUNT_ID, REVISION, BOOKED_AT, RECORDED_AT];
/// Columns with few values.
const WITH_DICTIONARY: &[usize] = &[KIND, STATUS, CURRENCY, DESCRIPTION];

/// A file being encoded. Of its bytes only those of the row group under way are in memory.
pub(crate) struct PartEncoder {
    writer: ArrowWriter<Vec<u8>>,
}

impl PartEncoder {
    pub(crate) fn new() -> Result<Self, ParquetError> {
        Ok(Self { writer: ArrowWriter::try_new(Vec::new(), schema(), Some(properties()?))? })
    }

    /// The next rows, and the bytes of the file that they complete.
    pub(crate) fn write(&mut self, rows: &[Row]) -> Result<Bytes, ArchiveError> {
        for rows in rows.chunks(BATCH_ROWS) {
            self.writer.write(&to_batch(rows)?)?;
        }
        self.writer.sync().map_err(ParquetError::from)?;
        Ok(std::mem::take(self.writer.inner_mut()).into())
    }

    /// How long the file is so far, without the row group under way.
    pub(crate) fn bytes_written(&self) -> usize {
        self.writer.bytes_written()
    }

    /// The rest of the file.
    pub(crate) fn finish(self) -> Result<Bytes, ParquetError> {
        Ok(self.writer.into_inner()?.into())
    }
}

fn path(column: usize) -> ColumnPath {
    ColumnPath::from(NAMES.get(column).copied().unwrap_or_default())
}

fn properties() -> Result<WriterProperties, ParquetError> {
    let sorted_by = |column: usize| SortingColumn {
        column_idx: i32::try_from(column).unwrap_or(0),
        descending: false,
        nulls_first: false,
    };
    let mut properties = WriterProperties::builder()
        .set_created_by("daybook".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        // Pages of all columns end at the same rows, as long as none is cut by its bytes.
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_dictionary_enabled(false)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES_MAX)
        .set_sorting_columns(Some(vec![sorted_by(ACCOUNT_ID), sorted_by(REVISION)]))
        .set_column_bloom_filter_enabled(path(ACCOUNT_ID), true)
        .set_column_bloom_filter_fpp(path(ACCOUNT_ID), BLOOM_FALSE_RATE)
        .set_column_bloom_filter_max_ndv(path(ACCOUNT_ID), BLOOM_ACCOUNTS);
    for column in BY_PAGE {
        properties = properties.set_column_statistics_enabled(path(*column), EnabledStatistics::Page);
    }
    for column in WITH_DICTIONARY {
        properties = properties.set_column_dictionary_enabled(path(*column), true);
    }
    Ok(properties.build())
}
