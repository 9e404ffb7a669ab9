//! Reading everything back.

use std::collections::BTreeSet;
use std::sync::Arc;

use file_store::{FileError, Key, Sha256};
use futures::{StreamExt, TryStreamExt};
use sha2::Digest;

use crate::manifest::Tally;
use crate::store::in_background;
use crate::{Archive, ArchiveError, Manifest, Month, Part, Place, RowDigest, layout};

impl Archive {
    /// Reads every byte and every row of an archived month back, from the store and not from memory, and compares with the manifest: which
    /// files there are, their length and SHA-256, the rows' order, number, sums and digest. Gives the manifest, whose digest is then that of
    /// the rows in the files; whoever has the rows elsewhere compares [`RowDigest`]s.
    ///
    /// # Errors
    /// [`ArchiveError::Missing`], [`ArchiveError::Differs`] or [`ArchiveError::Damaged`] say what is wrong; or the store does not answer.
    pub async fn verify(&self, month: Month) -> Result<Arc<Manifest>, ArchiveError> {
        self.forget(month);
        let manifest = self.manifest(month).await?.ok_or(ArchiveError::Missing(month))?;
        let differs = |reason: String| ArchiveError::Differs { month, reason };
        let found: BTreeSet<Key> =
            self.files().list(&layout::folder(month)?).map_ok(|file| file.key).try_collect().await?;
        let named: BTreeSet<Key> = manifest.parts.iter().map(|part| part.key.clone()).collect();
        if let Some(key) = found.symmetric_difference(&named).next() {
            let where_it_is = if found.contains(key) { "not in the manifest" } else { "missing" };
            return Err(differs(format!("{key} is {where_it_is}")));
        }
        for part in &manifest.parts {
            self.footers().forget(part);
            self.verify_bytes(part).await?;
        }
        let (tally, digest) = self.read_back(&manifest).await?;
        if tally.rows != manifest.rows || tally.accounts != manifest.accounts {
            return Err(differs(format!(
                "it has {} rows of {} accounts, not {} of {}",
                tally.rows, tally.accounts, manifest.rows, manifest.accounts
            )));
        }
        if tally.recorded != manifest.recorded {
            return Err(differs("its rows were recorded at other times".to_owned()));
        }
        if tally.sums() != manifest.sums {
            return Err(differs(format!("its sums are {:?}, not {:?}", tally.sums(), manifest.sums)));
        }
        if digest != manifest.digest {
            return Err(differs("the digest of its rows is another one".to_owned()));
        }
        Ok(manifest)
    }

    async fn verify_bytes(&self, part: &Part) -> Result<(), ArchiveError> {
        let info = self.files().head(&part.key).await?.ok_or_else(|| FileError::Missing(part.key.clone()))?;
        let mut pieces = std::pin::pin!(self.files().get_stream(&info));
        let mut hasher = sha2::Sha256::new();
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            hasher = in_background(move || {
                hasher.update(&piece);
                Ok(hasher)
            })
            .await?;
        }
        if info.bytes == part.bytes && Sha256::from(hasher) == part.sha256 {
            Ok(())
        } else {
            Err(ArchiveError::damaged(&part.key, "its bytes are not those that were written"))
        }
    }

    /// Also whether each part has the rows that the manifest says: readers pass over a part on the strength of it.
    async fn read_back(&self, manifest: &Arc<Manifest>) -> Result<(Tally, Sha256), ArchiveError> {
        let month = manifest.month;
        let mut parts: Vec<Option<(Place, Place, u64)>> = vec![None; manifest.parts.len()];
        let (mut tally, mut digest) = (Tally::default(), RowDigest::new());
        let mut months_rows = self.rows(manifest);
        while let Some(rows) = months_rows.next().await? {
            if let (Some(part), Some(first), Some(last)) =
                (parts.get_mut(months_rows.part()), rows.first(), rows.last())
            {
                let (first, count) = part.map_or((first.place(), 0), |(first, _, count)| (first, count));
                *part = Some((first, last.place(), rows.len() as u64 + count));
            }
            (tally, digest) = in_background(move || {
                for row in &rows {
                    tally.add(row).map_err(|last| ArchiveError::Order { month, place: row.place(), last })?;
                    digest.add(row);
                }
                Ok((tally, digest))
            })
            .await?;
        }
        let is_wrong =
            |(part, found): &(&Part, Option<_>)| *found != Some((part.first, part.last, part.rows));
        if let Some((part, _)) = manifest.parts.iter().zip(parts).find(is_wrong) {
            let reason = format!("{} has other rows than the manifest says", part.key);
            return Err(ArchiveError::Differs { month, reason });
        }
        Ok((tally, digest.finish()))
    }
}
