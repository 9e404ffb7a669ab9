//! The archive: which months there are.

use std::collections::HashSet;
use std::sync::Arc;

use file_store::{FileError, FileStore, Key, Sha256};
use futures::TryStreamExt;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use crate::footers::Footers;
use crate::limits::{MANIFEST_BYTES_MAX, MANIFESTS_MAX, READS_AT_ONCE_MAX};
use crate::{ArchiveError, Manifest, Month, SCHEMA_VERSION, Writer, layout};

/// Archived months in a file store. Cloning is cheap; clones share what they remember.
#[derive(Clone)]
pub struct Archive {
    files: FileStore,
    manifests: Arc<Cache<Month, Arc<Manifest>>>,
    footers: Arc<Footers>,
    pub(crate) reads: Arc<Semaphore>,
}

/// A month as somebody knows it: whoever noted the digest of its rows wants those and no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edition {
    /// The month.
    pub month: Month,
    /// [`Manifest::digest`]; none for whichever there is.
    pub digest: Option<Sha256>,
}

impl From<Month> for Edition {
    fn from(month: Month) -> Self {
        Self { month, digest: None }
    }
}

impl Archive {
    /// The archive in this store.
    #[must_use]
    pub fn new(files: FileStore) -> Self {
        Self {
            files,
            manifests: Arc::new(Cache::new(MANIFESTS_MAX)),
            footers: Arc::new(Footers::new()),
            reads: Arc::new(Semaphore::new(READS_AT_ONCE_MAX)),
        }
    }

    pub(crate) const fn files(&self) -> &FileStore {
        &self.files
    }

    pub(crate) fn footers(&self) -> &Footers {
        &self.footers
    }

    /// The archived months, oldest first.
    ///
    /// # Errors
    /// When the store does not say.
    pub async fn months(&self) -> Result<Vec<Month>, ArchiveError> {
        let folder: Key = layout::MANIFESTS.parse()?;
        let files: Vec<_> = self.files.list(&folder).try_collect().await?;
        let mut months: Vec<_> =
            files.iter().filter_map(|file| layout::month_of_manifest(&file.key)).collect();
        months.sort_unstable();
        Ok(months)
    }

    /// The month's manifest; none if the month is not archived. Once read it is remembered, until a file of it is found to be gone or
    /// changed. That a month is not archived is not remembered.
    ///
    /// # Errors
    /// When the store does not give it, or it is damaged.
    pub async fn manifest(&self, month: Month) -> Result<Option<Arc<Manifest>>, ArchiveError> {
        if let Some(manifest) = self.manifests.get(&month) {
            return Ok(Some(manifest));
        }
        let manifest = self.read_manifest(month).await?.map(Arc::new);
        if let Some(manifest) = &manifest {
            self.manifests.insert(month, Arc::clone(manifest));
        }
        Ok(manifest)
    }

    /// The manifest of these rows. What is remembered may be of other ones: a month can be restored and archived anew elsewhere.
    ///
    /// # Errors
    /// [`ArchiveError::Missing`] when the month is not archived, [`ArchiveError::Differs`] when other rows are; or the store does not answer.
    pub async fn edition(&self, wanted: impl Into<Edition>) -> Result<Arc<Manifest>, ArchiveError> {
        let Edition { month, digest } = wanted.into();
        let is_wanted = |manifest: &Manifest| digest.is_none_or(|digest| manifest.digest == digest);
        let missing = || ArchiveError::Missing(month);
        let manifest = self.manifest(month).await?.ok_or_else(missing)?;
        if is_wanted(&manifest) {
            return Ok(manifest);
        }
        self.forget(month);
        let manifest = self.manifest(month).await?.ok_or_else(missing)?;
        if is_wanted(&manifest) {
            return Ok(manifest);
        }
        let reason = "its files are of other rows than were noted".to_owned();
        Err(ArchiveError::Differs { month, reason })
    }

    /// The month's manifest as it is now.
    pub(crate) async fn read_manifest(&self, month: Month) -> Result<Option<Manifest>, ArchiveError> {
        let key = layout::manifest(month)?;
        let Some(info) = self.files.head(&key).await? else { return Ok(None) };
        if info.bytes > MANIFEST_BYTES_MAX {
            return Err(ArchiveError::damaged(&key, "it is too long"));
        }
        let text = match self.files.get(&key).await {
            Ok(text) => text,
            Err(FileError::Missing(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|error| ArchiveError::damaged(&key, error))?;
        if manifest.schema_version != SCHEMA_VERSION {
            let version = manifest.schema_version;
            return Err(ArchiveError::damaged(
                &key,
                format!("it is of version {version}, {SCHEMA_VERSION} is known"),
            ));
        }
        if manifest.month != month {
            return Err(ArchiveError::damaged(&key, format!("it is of {}", manifest.month)));
        }
        if manifest.sum != manifest.sum_of_rest()? {
            return Err(ArchiveError::damaged(&key, "it is not what was written"));
        }
        if manifest.parts.iter().any(|part| !part.blocks.are_of(part.bytes)) {
            return Err(ArchiveError::damaged(&key, "a part has sums of more or fewer blocks than it has"));
        }
        Ok(Some(manifest))
    }

    /// Forgets what is remembered of a month, such as after it was restored here.
    pub fn forget(&self, month: Month) {
        self.manifests.remove(&month);
    }

    /// The same, and what is remembered of its files.
    pub(crate) fn forget_all(&self, manifest: &Manifest) {
        self.forget(manifest.month);
        manifest.parts.iter().for_each(|part| self.footers.forget(part));
    }

    /// Begins to archive a month. Several at once do no harm: of their manifests the first one stays.
    ///
    /// # Errors
    /// [`ArchiveError::Exists`], or when the store does not answer.
    pub async fn writer(&self, month: Month) -> Result<Writer, ArchiveError> {
        if self.read_manifest(month).await?.is_some() {
            return Err(ArchiveError::Exists(month));
        }
        Ok(Writer::new(self.clone(), month))
    }

    /// Removes the month from the archive, the manifest first. It must be elsewhere by now.
    ///
    /// # Errors
    /// When the store does not do it; then it can be done again.
    pub async fn remove(&self, month: Month) -> Result<(), ArchiveError> {
        self.files.delete(&layout::manifest(month)?).await?;
        self.forget(month);
        self.sweep(month).await
    }

    /// Removes files of the month that no manifest names: what is left of a writing or removing that was cut off. Nobody may be writing the
    /// month meanwhile.
    ///
    /// # Errors
    /// When the store does not do it; then it can be done again.
    pub async fn sweep(&self, month: Month) -> Result<(), ArchiveError> {
        let manifest = self.read_manifest(month).await?;
        let named: HashSet<&Key> =
            manifest.iter().flat_map(|manifest| &manifest.parts).map(|part| &part.key).collect();
        let folder = layout::folder(month)?;
        let found: Vec<_> = self.files.list(&folder).try_collect().await?;
        for file in found.iter().filter(|file| !named.contains(&file.key)) {
            self.files.delete(&file.key).await?;
        }
        Ok(self.files.clear_unfinished(&folder).await?)
    }
}

/// Runs what takes a processor for a while where nobody waits for it.
pub(crate) async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, ArchiveError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(ArchiveError::Interrupted(error.to_string())),
    }
}
