//! Links to files, and the digests that files are known by.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use file_store::{Bytes, FileInfo, FileStore, Key, Sha256};
use futures::TryStreamExt;
use http::{StatusCode, header};
use ledger_core::AccountId;
use quick_cache::sync::Cache;
use serde::Serialize;
use sha2::Digest;
use tokio::sync::Semaphore;

use crate::limits::{DIGESTS_KEPT_MAX, LINK_VALID, MERGES_MAX};
use crate::problem::Problem;
use crate::read_models::statement::{Format, IssuedFile};
use crate::several::{self, MergeError};

/// Where files are, if this process was told.
#[derive(Clone, Debug)]
pub(crate) struct Downloads {
    files: Option<FileStore>,
    /// By key and version: a file is read once to know its digest.
    digests: Arc<Cache<(String, Option<String>), Sha256>>,
    merges: Arc<Semaphore>,
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
    pub(crate) fn new(files: Option<FileStore>) -> Self {
        Self {
            files,
            digests: Arc::new(Cache::new(DIGESTS_KEPT_MAX)),
            merges: Arc::new(Semaphore::new(MERGES_MAX)),
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

    /// Files of several statements as one, which is kept under what it is made of: whoever asks again finds it.
    pub(crate) async fn together(
        &self,
        account_id: AccountId,
        parts: &[IssuedFile],
        format: Format,
    ) -> Result<FileInfo, Problem> {
        let files = self.files()?;
        let mut hasher = sha2::Sha256::new();
        for part in parts {
            hasher.update(&part.path);
            hasher.update(&part.sha256);
        }
        let extension = if format == Format::Pdf { "pdf" } else { "zip" };
        let path = format!("downloads/{account_id}/{}.{extension}", Sha256::from(hasher));
        let key: Key = path.parse().map_err(|_| Problem::Internal)?;
        if let Some(info) = files.head(&key).await? {
            return Ok(info);
        }
        let one_of_few = self.merges.clone().acquire_owned().await.map_err(|_| Problem::Internal)?;
        // Somebody else may have made it meanwhile.
        if let Some(info) = files.head(&key).await? {
            return Ok(info);
        }
        let mut read = Vec::with_capacity(parts.len());
        for part in parts {
            let bytes = files.get(&part.path.parse().map_err(|_| Problem::Internal)?).await?;
            if Sha256::of(&bytes).to_string() != part.sha256 {
                tracing::error!(part.path, "a statement's file is not what the log says");
                return Err(Problem::Internal);
            }
            read.push((name(&part.path), bytes));
        }
        let merged = tokio::task::spawn_blocking(move || {
            // Work that nobody waits for any more still counts.
            let _one_of_few = one_of_few;
            merged(&read, format)
        })
        .await;
        let merged = merged.map_err(|_| Problem::Internal)?.map_err(|error| {
            tracing::error!(%error, "statements could not be made one file");
            Problem::Internal
        })?;
        files.put(&key, merged).await?;
        files.head(&key).await?.ok_or(Problem::FileNotFound)
    }

    /// The digest of a file.
    pub(crate) async fn digest(&self, info: &FileInfo) -> Result<Sha256, Problem> {
        let key = (info.key.to_string(), info.e_tag.clone());
        if let Some(known) = self.digests.get(&key) {
            return Ok(known);
        }
        let mut hasher = sha2::Sha256::new();
        let mut pieces = Box::pin(self.files()?.get_stream(info));
        while let Some(piece) = pieces.try_next().await? {
            hasher.update(&piece);
        }
        let digest = Sha256::from(hasher);
        self.digests.insert(key, digest);
        Ok(digest)
    }
}

fn merged(files: &[(String, Bytes)], format: Format) -> Result<Vec<u8>, MergeError> {
    match format {
        Format::Pdf => several::pdf(&files.iter().map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>()),
        Format::Csv | Format::Camt053 => several::zip(files),
    }
}

/// A file's name where it is saved: all of its key but what kind of file it is.
pub(crate) fn name(key: &str) -> String {
    key.split('/').skip(1).collect::<Vec<_>>().join("-")
}
