//! Which file is where.

use file_store::Key;

use crate::{ArchiveError, Month};

/// The folder of manifests: beside the months, so that an engine that reads all below `transactions/` finds Parquet only.
pub(crate) const MANIFESTS: &str = "manifests";

/// The month's manifest.
pub(crate) fn manifest(month: Month) -> Result<Key, ArchiveError> {
    Ok(format!("{MANIFESTS}/month={month}.json").parse()?)
}

/// The month of a manifest.
pub(crate) fn month_of_manifest(key: &Key) -> Option<Month> {
    key.name().strip_prefix("month=")?.strip_suffix(".json")?.parse().ok()
}

/// The folder of the month's parts. Its name is Hive's way to write a column.
pub(crate) fn folder(month: Month) -> Result<Key, ArchiveError> {
    Ok(format!("transactions/month={month}").parse()?)
}

/// One of the month's parts. Each writing has a mark of its own: what is read under a name never changes.
pub(crate) fn part(month: Month, number: usize, mark: &str) -> Result<Key, ArchiveError> {
    Ok(folder(month)?.join(&format!("part-{number:05}-{mark}.parquet"))?)
}
