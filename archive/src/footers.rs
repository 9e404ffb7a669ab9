//! Footers of files, kept: they say where in a file what is.

use std::sync::Arc;

use file_store::{FileError, FileInfo, FileStore};
use parquet::DecodeResult;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::blocks::{self, Blocks};
use crate::limits::{BLOCK_BYTES, FOOTERS_BYTES_MAX, FOOTERS_EXPECTED, TAIL_BYTES};
use crate::schema::schema;
use crate::{ArchiveError, Part};

/// A file of which the footer was read.
pub(crate) struct OpenPart {
    /// What the file was then; it is read only while it is that.
    pub(crate) info: FileInfo,
    pub(crate) blocks: Blocks,
    pub(crate) arrow: ArrowReaderMetadata,
}

impl OpenPart {
    pub(crate) fn metadata(&self) -> &Arc<ParquetMetaData> {
        self.arrow.metadata()
    }
}

/// Footers by the file's key.
pub(crate) struct Footers(Cache<String, Arc<OpenPart>, ByBytes>);

#[derive(Clone)]
struct ByBytes;

impl Weighter<String, Arc<OpenPart>> for ByBytes {
    fn weight(&self, key: &String, part: &Arc<OpenPart>) -> u64 {
        let sums = part.info.bytes / BLOCK_BYTES as u64 * 4;
        (key.len() + part.metadata().memory_size()) as u64 + sums
    }
}

impl Footers {
    pub(crate) fn new() -> Self {
        Self(Cache::with_weighter(FOOTERS_EXPECTED, FOOTERS_BYTES_MAX, ByBytes))
    }

    /// The file, with its footer from memory if it was read before.
    pub(crate) async fn open(&self, files: &FileStore, part: &Part) -> Result<Arc<OpenPart>, ArchiveError> {
        if let Some(open) = self.0.get(part.key.as_str()) {
            return Ok(open);
        }
        let open = Arc::new(read(files, part).await?);
        self.0.insert(part.key.to_string(), Arc::clone(&open));
        Ok(open)
    }

    /// Forgets the file.
    pub(crate) fn forget(&self, part: &Part) {
        self.0.remove(part.key.as_str());
    }
}

async fn read(files: &FileStore, part: &Part) -> Result<OpenPart, ArchiveError> {
    let key = &part.key;
    let info = files.head(key).await?.ok_or_else(|| FileError::Missing(key.clone()))?;
    if info.bytes != part.bytes {
        return Err(ArchiveError::damaged(
            key,
            format!("it has {} bytes, of {} that were written", info.bytes, part.bytes),
        ));
    }
    let damaged = |error| ArchiveError::damaged(key, error);
    let mut decoder = ParquetMetaDataPushDecoder::try_new(info.bytes)
        .map_err(damaged)?
        .with_page_index_policy(PageIndexPolicy::Required);
    let tail: Vec<_> = std::iter::once(info.bytes.saturating_sub(TAIL_BYTES)..info.bytes).collect();
    let bytes = blocks::read(files, &info, &part.blocks, &tail).await?;
    decoder.push_ranges(tail, bytes).map_err(damaged)?;
    let metadata = loop {
        match decoder.try_decode().map_err(damaged)? {
            DecodeResult::Data(metadata) => break metadata,
            DecodeResult::NeedsData(ranges) => {
                if ranges.iter().any(|range| range.end > info.bytes) {
                    return Err(ArchiveError::damaged(key, "its footer points out of it"));
                }
                let bytes = blocks::read(files, &info, &part.blocks, &ranges).await?;
                decoder.push_ranges(ranges, bytes).map_err(damaged)?;
            }
            DecodeResult::Finished => return Err(ArchiveError::damaged(key, "it has no footer")),
        }
    };
    if u64::try_from(metadata.file_metadata().num_rows()) != Ok(part.rows) {
        return Err(ArchiveError::damaged(key, "its footer speaks of another number of rows"));
    }
    let options = ArrowReaderOptions::new().with_schema(schema());
    let arrow = ArrowReaderMetadata::try_new(Arc::new(metadata), options).map_err(damaged)?;
    Ok(OpenPart { info, blocks: part.blocks.clone(), arrow })
}
