//! The store: what can be done with files.

use std::ops::Range;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::aws::AmazonS3;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload};

use crate::limits::{PART_BYTES, RANGE_BYTES_MAX, RANGE_GAP_BYTES, RANGES_AT_ONCE};
use crate::upload::{Stored, Upload};
use crate::{FileError, Key, Location, Sha256, UrlSecret, s3};

/// What the settings of S3 begin with in the environment.
const S3_SETTINGS: &str = "AWS_";

/// Files by their keys. Cloning is cheap, and all clones are the same store.
#[derive(Clone, Debug)]
pub struct FileStore {
    kind: Kind,
    location: Location,
    prefix: Option<Key>,
    secret: UrlSecret,
}

#[derive(Clone, Debug)]
enum Kind {
    Folder(Arc<LocalFileSystem>, PathBuf),
    S3(Arc<AmazonS3>),
}

/// What is known of a file without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Its key.
    pub key: Key,
    /// How long it is.
    pub bytes: u64,
    /// When it was written.
    pub written_at: DateTime<Utc>,
    /// Another one for each content, as far as the store can tell.
    pub e_tag: Option<String>,
}

/// What became of a file that was to be a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutNew {
    /// It is there.
    Stored(Stored),
    /// There was one already, and it is as before.
    Exists,
}

impl FileStore {
    /// The store at this place. A folder is made if missing. For S3, the environment's `AWS_…` variables give endpoint, region and
    /// credentials, as for AWS's own programs; nothing is asked of it yet.
    ///
    /// # Errors
    /// When the folder cannot be made, or the settings are wrong.
    pub fn open(location: &Location, secret: UrlSecret) -> Result<Self, object_store::Error> {
        let of_ours =
            |name: &std::ffi::OsString| name.to_str().is_some_and(|name| name.starts_with(S3_SETTINGS));
        let settings = std::env::vars_os()
            .filter(|(name, _)| of_ours(name))
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::open_with(location, secret, settings)
    }

    /// The same with settings of S3 given, under the names that they have in the environment.
    ///
    /// # Errors
    /// When the folder cannot be made, or the settings are wrong.
    pub fn open_with(
        location: &Location,
        secret: UrlSecret,
        settings: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, object_store::Error> {
        let (kind, prefix) = match location {
            Location::Folder(path) => {
                let failed = |source: std::io::Error| object_store::Error::Generic {
                    store: "folder",
                    source: format!("{}: {source}", path.display()).into(),
                };
                // Who may read a bank's files is the owner; a folder that is there already is as its owner wants it.
                std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
                let path = path.canonicalize().map_err(failed)?;
                let folder = LocalFileSystem::new_with_prefix(&path)?.with_fsync(true);
                (Kind::Folder(Arc::new(folder), path), None)
            }
            Location::S3 { bucket, prefix } => {
                (Kind::S3(Arc::new(s3::open(bucket, settings)?)), prefix.clone())
            }
        };
        Ok(Self { kind, location: location.clone(), prefix, secret })
    }

    /// Where the files are.
    #[must_use]
    pub const fn location(&self) -> &Location {
        &self.location
    }

    pub(crate) const fn secret(&self) -> &UrlSecret {
        &self.secret
    }

    pub(crate) fn s3(&self) -> Option<&AmazonS3> {
        match &self.kind {
            Kind::Folder(..) => None,
            Kind::S3(s3) => Some(s3),
        }
    }

    pub(crate) fn objects(&self) -> &dyn ObjectStore {
        match &self.kind {
            Kind::Folder(folder, _) => &**folder,
            Kind::S3(s3) => &**s3,
        }
    }

    /// What the object store calls the file. All that a key may hold stands for itself there.
    pub(crate) fn path(&self, key: &Key) -> Path {
        match &self.prefix {
            None => Path::from(key.as_str()),
            Some(prefix) => Path::from(format!("{prefix}/{key}")),
        }
    }

    /// The key of what the object store has; none for what is not ours.
    fn key(&self, path: &Path) -> Option<Key> {
        let text = path.as_ref();
        let text = match &self.prefix {
            None => text,
            Some(prefix) => text.strip_prefix(prefix.as_str())?.strip_prefix('/')?,
        };
        text.parse().ok()
    }

    fn info(&self, meta: ObjectMeta) -> Option<FileInfo> {
        let key = self.key(&meta.location)?;
        Some(FileInfo { key, bytes: meta.size, written_at: meta.last_modified, e_tag: meta.e_tag })
    }

    /// Writes the file, in place of one that may be there. On disk (synced, in a folder) when this returns; before that nobody sees any
    /// of it.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn put(&self, key: &Key, bytes: impl Into<Bytes>) -> Result<Stored, FileError> {
        let mut upload = self.upload(key);
        upload.write(bytes.into()).await?;
        upload.finish().await
    }

    /// Writes the file unless there is one of this key. It goes in one piece, so it should not be large.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn put_new(&self, key: &Key, bytes: impl Into<Bytes>) -> Result<PutNew, FileError> {
        let bytes = bytes.into();
        let stored = Stored { bytes: bytes.len() as u64, sha256: Sha256::of(&bytes) };
        let path = self.path(key);
        match self.objects().put_opts(&path, PutPayload::from(bytes), PutMode::Create.into()).await {
            Ok(_) => Ok(PutNew::Stored(stored)),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(PutNew::Exists),
            Err(source) => Err(FileError::new("write", key, source)),
        }
    }

    /// Writes a file of any length piece by piece. Nobody sees any of it before [`Upload::finish`].
    #[must_use]
    pub fn upload(&self, key: &Key) -> Upload {
        Upload::new(self.clone(), key.clone())
    }

    /// The whole file in memory. For long ones there is [`get_stream`](Self::get_stream).
    ///
    /// # Errors
    /// [`FileError::Missing`], or when the store does not give it.
    pub async fn get(&self, key: &Key) -> Result<Bytes, FileError> {
        let failed = |source| FileError::new("read", key, source);
        self.objects().get(&self.path(key)).await.map_err(failed)?.bytes().await.map_err(failed)
    }

    /// The file, piece by piece, in order; all of one version of it.
    pub fn get_stream(&self, info: &FileInfo) -> impl Stream<Item = Result<Bytes, FileError>> + use<> {
        let (store, info) = (self.clone(), info.clone());
        let starts = (0..info.bytes).step_by(PART_BYTES);
        futures::stream::iter(starts).then(move |start| {
            let (store, info) = (store.clone(), info.clone());
            async move {
                let end = start.saturating_add(PART_BYTES as u64).min(info.bytes);
                store.get_range(&info.key, start..end, info.e_tag.as_deref()).await
            }
        })
    }

    /// A part of the file: exactly these bytes. With `e_tag` of that version of the file only.
    ///
    /// # Errors
    /// [`FileError::Missing`], [`FileError::Changed`] when it has another tag, [`FileError::Short`] when it ends earlier, or when the store
    /// does not give it.
    pub async fn get_range(
        &self,
        key: &Key,
        range: Range<u64>,
        e_tag: Option<&str>,
    ) -> Result<Bytes, FileError> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let failed = |source| FileError::new("read", key, source);
        let short = || FileError::Short { key: key.clone(), end: range.end };
        let options = GetOptions {
            range: Some(range.clone().into()),
            if_match: e_tag.map(str::to_owned),
            ..GetOptions::default()
        };
        let found = self.objects().get_opts(&self.path(key), options).await.map_err(failed)?;
        // Not every server that speaks S3's protocol looks at the condition.
        if e_tag.is_some_and(|wanted| found.meta.e_tag.as_deref().is_some_and(|tag| tag != wanted)) {
            return Err(FileError::Changed(key.clone()));
        }
        // A range that begins in the file and ends after it is cut by the store.
        if found.range != range {
            return Err(short());
        }
        let bytes = found.bytes().await.map_err(failed)?;
        if bytes.len() as u64 == range.end - range.start { Ok(bytes) } else { Err(short()) }
    }

    /// Several parts of the file, in the order asked for. Near ones are read together, several at a time.
    ///
    /// # Errors
    /// As of [`get_range`](Self::get_range).
    pub async fn get_ranges(
        &self,
        key: &Key,
        ranges: &[Range<u64>],
        e_tag: Option<&str>,
    ) -> Result<Vec<Bytes>, FileError> {
        let reads = together(ranges);
        let fetched: Vec<(Range<u64>, Bytes)> = futures::stream::iter(reads)
            .map(async |read| {
                let bytes = self.get_range(key, read.clone(), e_tag).await?;
                Ok::<_, FileError>((read, bytes))
            })
            .buffered(RANGES_AT_ONCE)
            .try_collect()
            .await?;
        let part = |range: &Range<u64>| {
            let (read, bytes) =
                fetched.iter().find(|(read, _)| read.start <= range.start && range.end <= read.end)?;
            let start = usize::try_from(range.start - read.start).ok()?;
            let length = usize::try_from(range.end.saturating_sub(range.start)).ok()?;
            Some(bytes.slice(start..start.checked_add(length)?))
        };
        Ok(ranges.iter().map(|range| part(range).unwrap_or_default()).collect())
    }

    /// What is known of the file; none if there is none.
    ///
    /// # Errors
    /// When the store does not say.
    pub async fn head(&self, key: &Key) -> Result<Option<FileInfo>, FileError> {
        match self.objects().head(&self.path(key)).await {
            Ok(meta) => Ok(self.info(meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(FileError::new("look at", key, source)),
        }
    }

    /// The files of a folder, and of folders in it, in no order.
    pub fn list(&self, folder: &Key) -> impl Stream<Item = Result<FileInfo, FileError>> + Send + use<'_> {
        let folder = folder.clone();
        let found = self.objects().list(Some(&self.path(&folder)));
        found.filter_map(move |found| {
            let found = match found {
                Ok(meta) => self.info(meta).map(Ok),
                Err(source) => Some(Err(FileError::new("list", &folder, source))),
            };
            std::future::ready(found)
        })
    }

    /// Removes the file; that it is not there is as good.
    ///
    /// # Errors
    /// When the store does not do it.
    pub async fn delete(&self, key: &Key) -> Result<(), FileError> {
        match self.objects().delete(&self.path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(FileError::new("remove", key, source)),
        }
    }

    /// Removes what uploads to a folder have left that never came to their end: a killed process cannot tidy up. Whoever calls this knows
    /// that no upload to the folder is under way. On S3 it does nothing: a rule of the bucket does it there
    /// (`AbortIncompleteMultipartUpload`).
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn clear_unfinished(&self, folder: &Key) -> Result<(), FileError> {
        let Kind::Folder(_, root) = &self.kind else { return Ok(()) };
        let dir = root.join(folder.as_str());
        let cleared = tokio::task::spawn_blocking(move || {
            let entries = match std::fs::read_dir(dir) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            };
            for entry in entries {
                let entry = entry?;
                // No key has this sign in it: object_store writes to `name#number` and gives it its name at the end.
                if entry.file_name().to_string_lossy().contains('#') {
                    std::fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        });
        let cleared = cleared.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        cleared.map_err(|error| {
            let source = object_store::Error::Generic { store: "folder", source: error.into() };
            FileError::new("tidy up beside", folder, source)
        })
    }
}

/// The reads that bring all of the ranges: near ones in one.
fn together(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut sorted: Vec<_> = ranges.iter().filter(|range| !range.is_empty()).cloned().collect();
    sorted.sort_unstable_by_key(|range| (range.start, range.end));
    let mut reads: Vec<Range<u64>> = Vec::new();
    for range in sorted {
        match reads.last_mut() {
            Some(read)
                if range.end <= read.end
                    || (range.start <= read.end.saturating_add(RANGE_GAP_BYTES)
                        && range.end.saturating_sub(read.start) <= RANGE_BYTES_MAX) =>
            {
                read.end = read.end.max(range.end);
            }
            _ => reads.push(range),
        }
    }
    reads
}
