//! Statements of several months as one file, which is kept for a while.

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use file_store::{Bytes, FileInfo, FileStore, Key, Sha256};
use futures::{StreamExt, TryStreamExt};
use ledger_core::AccountId;
use sha2::Digest;
use tokio::sync::{Semaphore, oneshot};

use crate::downloads::Downloads;
use crate::limits::{
    DOWNLOAD_BYTES_MAX, DOWNLOADS_FOUND_FOR, DOWNLOADS_SWEPT_AFTER, DOWNLOADS_SWEPT_AT_ONCE,
};
use crate::problem::Problem;
use crate::read_models::statement::{Format, IssuedFile};
use crate::several::{self, MergeError};

/// A file that is made of others.
struct Download {
    /// What an account has of such files.
    folder: Key,
    /// Says what it is made of.
    key: Key,
    parts: Vec<IssuedFile>,
    format: Format,
}

impl Downloads {
    /// Files of several statements as one, which is kept under what it is made of: whoever asks again finds it. It is made to its end and kept
    /// even if the caller goes away; only a process that ends does not wait for callers that are gone.
    pub(crate) async fn together(
        &self,
        account_id: AccountId,
        parts: Vec<IssuedFile>,
        format: Format,
    ) -> Result<FileInfo, Problem> {
        let files = self.files()?;
        let bytes = parts.iter().fold(0, |sum: u64, part| sum.saturating_add(part.bytes));
        if bytes > DOWNLOAD_BYTES_MAX {
            return Err(Problem::DownloadTooLarge(bytes));
        }
        let digest = digest_of(&parts);
        let download = Download::new(account_id, digest, parts, format)?;
        if let Some(info) = found(files, &download.key).await? {
            return Ok(info);
        }
        // Who goes away while waiting leaves nothing behind.
        let lane = self.lane(digest).ok_or(Problem::Internal)?;
        let turn = lane.acquire_owned().await.map_err(|_| Problem::Internal)?;
        // Somebody else may have made it meanwhile.
        if let Some(info) = found(files, &download.key).await? {
            return Ok(info);
        }
        let (mut answer, made) = oneshot::channel();
        let (downloads, files) = (self.clone(), files.clone());
        tokio::spawn(async move {
            let unwanted = async {
                downloads.closing.cancelled().await;
                answer.closed().await;
            };
            let made = tokio::select! {
                made = downloads.make(&files, &download) => made,
                () = unwanted => return,
            };
            // That nobody hears it is no matter: the file is there.
            let _ = answer.send(made);
            drop(turn);
            downloads.closing.run_until_cancelled(sweep(&files, &download.folder)).await;
        });
        made.await.map_err(|_| Problem::Internal)?
    }

    /// Where the file of these parts is made.
    fn lane(&self, digest: Sha256) -> Option<Arc<Semaphore>> {
        let [first, ..] = digest.0;
        self.lanes.iter().cycle().nth(first.into()).cloned()
    }

    async fn make(&self, files: &FileStore, download: &Download) -> Result<FileInfo, Problem> {
        let mut read = Vec::with_capacity(download.parts.len());
        for part in &download.parts {
            let key: Key = part.path.parse().map_err(|_| Problem::Internal)?;
            let bytes = files.get(&key).await?;
            if Sha256::of(&bytes).to_string() != part.sha256 {
                tracing::error!(part.path, "a statement's file is not what the log says");
                return Err(Problem::Internal);
            }
            read.push((key.saved_as(), bytes));
        }
        let format = download.format;
        let merged = tokio::task::spawn_blocking(move || merged(&read, format)).await;
        let merged = merged.map_err(|_| Problem::Internal)?.map_err(|error| {
            tracing::error!(%error, "statements could not be made one file");
            Problem::Internal
        })?;
        let stored = files.put(&download.key, merged).await?;
        let info = files.head(&download.key).await?.ok_or(Problem::FileNotFound)?;
        self.know_digest(&info, stored.sha256);
        Ok(info)
    }
}

impl Download {
    fn new(
        account_id: AccountId,
        digest: Sha256,
        parts: Vec<IssuedFile>,
        format: Format,
    ) -> Result<Self, Problem> {
        let extension = match format {
            Format::Pdf => "pdf",
            Format::Csv | Format::Camt053 => "zip",
        };
        let folder: Key = format!("downloads/{account_id}").parse().map_err(|_| Problem::Internal)?;
        let key = folder.join(&format!("{digest}.{extension}")).map_err(|_| Problem::Internal)?;
        Ok(Self { folder, key, parts, format })
    }
}

/// What the parts are known by together.
fn digest_of(parts: &[IssuedFile]) -> Sha256 {
    let mut hasher = sha2::Sha256::new();
    for part in parts {
        hasher.update(&part.path);
        hasher.update(&part.sha256);
    }
    hasher.into()
}

fn merged(files: &[(String, Bytes)], format: Format) -> Result<Vec<u8>, MergeError> {
    match format {
        Format::Pdf => several::pdf(files.iter().map(|(_, bytes)| bytes)),
        Format::Csv | Format::Camt053 => several::zip(files),
    }
}

fn is_older(info: &FileInfo, age: Duration) -> bool {
    Utc::now().signed_duration_since(info.written_at) > TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX)
}

/// The file, if it is there, and stays for as long as a link to it is good.
async fn found(files: &FileStore, key: &Key) -> Result<Option<FileInfo>, Problem> {
    Ok(files.head(key).await?.filter(|info| !is_older(info, DOWNLOADS_FOUND_FOR)))
}

/// Removes what is old. Nothing is lost: whoever asks for it again has it made again.
async fn sweep(files: &FileStore, folder: &Key) {
    let old = files
        .list(folder)
        .try_filter(|info| std::future::ready(is_older(info, DOWNLOADS_SWEPT_AFTER)))
        .take(DOWNLOADS_SWEPT_AT_ONCE)
        .try_for_each(async |info| {
            // It may have been made anew since it was listed.
            match files.head(&info.key).await? {
                Some(info) if is_older(&info, DOWNLOADS_SWEPT_AFTER) => files.delete(&info.key).await,
                Some(_) | None => Ok(()),
            }
        });
    if let Err(error) = old.await {
        tracing::warn!(%error, "old downloads could not be removed");
    }
}

#[cfg(test)]
#[path = "together_tests.rs"]
mod tests;
