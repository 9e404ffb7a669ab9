//! A file on its way into the store.

use bytes::{Bytes, BytesMut};
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use sha2::Digest;
use tokio::task::JoinSet;

use crate::limits::{PART_BYTES, PARTS_UNDER_WAY_MAX};
use crate::{FileError, FileStore, Key, Sha256};

/// A file that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// How long it is.
    pub bytes: u64,
    /// What was written.
    pub sha256: Sha256,
}

/// A file that is being written. Dropped before its end, it was never there. A short one is kept in memory and goes in one piece; of a long
/// one a few parts are in memory at a time.
#[derive(Debug)]
pub struct Upload {
    store: FileStore,
    key: Key,
    /// What does not fill a part yet.
    rest: BytesMut,
    hasher: sha2::Sha256,
    bytes: u64,
    /// Once a part was full.
    parts: Option<Box<dyn MultipartUpload>>,
    under_way: JoinSet<Result<(), object_store::Error>>,
}

impl Upload {
    pub(crate) fn new(store: FileStore, key: Key) -> Self {
        Self {
            store,
            key,
            rest: BytesMut::new(),
            hasher: sha2::Sha256::new(),
            bytes: 0,
            parts: None,
            under_way: JoinSet::new(),
        }
    }

    /// The next piece of the file. Waits while as much is under way as may be.
    ///
    /// # Errors
    /// When the store does not take it. Then nothing more can be written, and the upload should be given up.
    pub async fn write(&mut self, bytes: impl Into<Bytes>) -> Result<(), FileError> {
        let bytes = bytes.into();
        self.hasher.update(&bytes);
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        self.rest.extend_from_slice(&bytes);
        while self.rest.len() > PART_BYTES {
            let part = self.rest.split_to(PART_BYTES).freeze();
            self.send(part).await?;
        }
        Ok(())
    }

    async fn send(&mut self, part: Bytes) -> Result<(), FileError> {
        let failed = |source| FileError::new("write", &self.key, source);
        if self.parts.is_none() {
            let path = self.store.path(&self.key);
            self.parts = Some(self.store.objects().put_multipart(&path).await.map_err(failed)?);
        }
        while self.under_way.len() >= PARTS_UNDER_WAY_MAX {
            ended(self.under_way.join_next().await).map_err(failed)?;
        }
        if let Some(parts) = &mut self.parts {
            self.under_way.spawn(parts.put_part(PutPayload::from(part)));
        }
        Ok(())
    }

    /// Makes the file appear under its key, whole, in place of one that may be there.
    ///
    /// # Errors
    /// When the store does not take it. Then nothing has changed.
    pub async fn finish(mut self) -> Result<Stored, FileError> {
        let stored = Stored { bytes: self.bytes, sha256: self.hasher.clone().into() };
        let rest = self.rest.split().freeze();
        if self.parts.is_none() {
            let path = self.store.path(&self.key);
            let put = self.store.objects().put(&path, PutPayload::from(rest)).await;
            put.map_err(|source| FileError::new("write", &self.key, source))?;
            return Ok(stored);
        }
        let finished = self.finish_parts(rest).await;
        if finished.is_err() {
            self.abort().await;
        }
        finished.map(|()| stored)
    }

    async fn finish_parts(&mut self, rest: Bytes) -> Result<(), FileError> {
        if !rest.is_empty() {
            self.send(rest).await?;
        }
        while let Some(part) = self.under_way.join_next().await {
            ended(Some(part)).map_err(|source| FileError::new("write", &self.key, source))?;
        }
        if let Some(parts) = &mut self.parts {
            parts.complete().await.map_err(|source| FileError::new("write", &self.key, source))?;
        }
        Ok(())
    }

    /// Gives the file up. What was sent of it is removed, as far as the store can be reached.
    pub async fn abort(mut self) {
        self.under_way.shutdown().await;
        if let Some(parts) = &mut self.parts {
            // That it fails changes nothing: no part is ever seen.
            let _ = parts.abort().await;
        }
    }
}

/// A part that came to its end, one way or another.
fn ended(
    part: Option<Result<Result<(), object_store::Error>, tokio::task::JoinError>>,
) -> Result<(), object_store::Error> {
    match part {
        None => Ok(()),
        Some(Ok(sent)) => sent,
        Some(Err(source)) => Err(object_store::Error::JoinError { source }),
    }
}
