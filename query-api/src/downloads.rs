//! Links to files, and the digests that files are known by.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use file_store::{FileInfo, FileStore, Key, Sha256};
use futures::TryStreamExt;
use http::{StatusCode, header};
use quick_cache::sync::Cache;
use serde::Serialize;
use sha2::Digest;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::limits::{DIGESTS_KEPT_MAX, LINK_VALID, MERGES_MAX};
use crate::problem::Problem;

/// Where files are, if this process was told.
#[derive(Clone, Debug)]
pub(crate) struct Downloads {
    files: Option<FileStore>,
    /// By key and version: a file is read once to know its digest.
    digests: Arc<Cache<(String, Option<String>), Sha256>>,
    /// Where several files become one, one after the other. The same ones always meet in the same lane.
    pub(crate) lanes: [Arc<Semaphore>; MERGES_MAX],
    /// Cancelled when the process is about to end.
    pub(crate) closing: CancellationToken,
}

/// A link that is good for a while.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) url: String,
    pub(crate) expires_at: DateTime<Utc>,
}

impl Link {
    /// Leads there. Nobody keeps the answer: the link ends.
    pub(crate) fn redirect(&self, body: impl Serialize) -> Response {
        let headers = [(header::LOCATION, self.url.as_str()), (header::CACHE_CONTROL, "no-store")];
        (StatusCode::FOUND, headers, Json(body)).into_response()
    }
}

impl Downloads {
    pub(crate) fn new(files: Option<FileStore>, closing: CancellationToken) -> Self {
        Self {
            files,
            digests: Arc::new(Cache::new(DIGESTS_KEPT_MAX)),
            lanes: std::array::from_fn(|_| Arc::new(Semaphore::new(1))),
            closing,
        }
    }

    /// The store.
    pub(crate) fn files(&self) -> Result<&FileStore, Problem> {
        self.files.as_ref().ok_or(Problem::FilesUnavailable)
    }

    /// A link to a file, which is not looked at.
    pub(crate) async fn link(&self, path: &str) -> Result<Link, Problem> {
        let key: Key = path.parse().map_err(|_| Problem::Internal)?;
        let now = Utc::now();
        let url = self.files()?.url_for(&key, LINK_VALID, now).await?;
        // To the second: so far the link is good.
        let expires_at = DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now)
            + TimeDelta::from_std(LINK_VALID).unwrap_or_default();
        Ok(Link { url, expires_at })
    }

    /// The digest of a file.
    pub(crate) async fn digest(&self, info: &FileInfo) -> Result<Sha256, Problem> {
        if let Some(known) = self.known_digest(info) {
            return Ok(known);
        }
        let mut hasher = sha2::Sha256::new();
        let mut pieces = Box::pin(self.files()?.get_stream(info));
        while let Some(piece) = pieces.try_next().await? {
            hasher.update(&piece);
        }
        let digest = Sha256::from(hasher);
        self.know_digest(info, digest);
        Ok(digest)
    }

    /// The digest, if this file need not be read for it.
    pub(crate) fn known_digest(&self, info: &FileInfo) -> Option<Sha256> {
        self.digests.get(&(info.key.to_string(), info.e_tag.clone()))
    }

    /// Remembers what the digest is.
    pub(crate) fn know_digest(&self, info: &FileInfo, digest: Sha256) {
        self.digests.insert((info.key.to_string(), info.e_tag.clone()), digest);
    }
}
