//! Writings that are cut off, meet each other, or meet readers.

use std::path::Path;

use file_store::FileStore;

use super::{Fixture, fixture, month, rows, start, write};
use crate::limits::GROUP_ROWS;
use crate::{Archive, ArchiveError, Edition, EntriesQuery, LogSpan, Manifest};

const SPAN: LogSpan = LogSpan { from: 0, to: 1 };

/// Every file in the store, seen from outside.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { found.push(path.display().to_string()) }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn a_writing_that_is_cut_off_leaves_no_month_and_no_parquet() {
    let Fixture { dir, archive, .. } = fixture();
    let rows = rows(10, GROUP_ROWS / 2, 1);
    let mut writer = archive.writer(month()).await.unwrap();
    writer.write(rows.clone()).await.unwrap();
    assert!(files(dir.path()).iter().all(|file| !file.ends_with(".parquet")), "seen before its end");
    // As if the process had been killed: nothing is tidied up.
    std::mem::forget(writer);
    assert_eq!(archive.months().await.unwrap(), []);
    archive.sweep(month()).await.unwrap();
    assert_eq!(files(dir.path()), [""; 0]);
    let manifest = write(&archive, &rows).await;
    assert_eq!(*archive.verify(month()).await.unwrap(), manifest);
}

#[tokio::test]
async fn parts_without_a_manifest_are_no_month() {
    let Fixture { dir, archive, .. } = fixture();
    let rows = rows(10, 50, 1);
    write(&archive, &rows).await;
    // Killed between the last part and the manifest.
    std::fs::remove_file(dir.path().join("manifests/month=2025-03.json")).unwrap();
    let another = |files: FileStore| Archive::new(files);
    let archive = another(archive.files().clone());
    assert_eq!(archive.manifest(month()).await.unwrap(), None);
    archive.sweep(month()).await.unwrap();
    let manifest = write(&archive, &rows).await;
    assert_eq!(*archive.verify(month()).await.unwrap(), manifest);
}

#[tokio::test]
async fn of_two_writings_at_once_one_stays_and_is_whole() {
    let Fixture { dir, archive, .. } = fixture();
    let writers = (0..4).map(|seed| {
        let archive = Archive::new(archive.files().clone());
        tokio::spawn(async move {
            let mut writer = archive.writer(month()).await?;
            writer.write(rows(50, 50, seed)).await?;
            writer.finish(SPAN, start()).await
        })
    });
    let outcomes: Vec<Result<Manifest, ArchiveError>> =
        futures::future::join_all(writers).await.into_iter().map(Result::unwrap).collect();
    let winners: Vec<_> = outcomes.iter().flatten().collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    let refused = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    assert!(refused.clone().all(|error| matches!(error, ArchiveError::Exists(_))), "{outcomes:?}");
    assert_eq!(*archive.verify(month()).await.unwrap(), *winners[0]);
    assert_eq!(files(dir.path()).len(), 2, "the losers' parts are gone");
}

#[tokio::test]
async fn an_archived_month_is_not_archived_again() {
    let Fixture { archive, dir: _dir, .. } = fixture();
    write(&archive, &rows(3, 3, 1)).await;
    let refused = archive.writer(month()).await.err().unwrap();
    assert!(matches!(refused, ArchiveError::Exists(_)), "{refused}");
}

#[tokio::test]
async fn who_reads_notices_that_a_month_was_restored_or_archived_anew_elsewhere() {
    let Fixture { archive, dir, files: store } = fixture();
    let first = rows(20, 30, 1);
    write(&archive, &first).await;
    let reader = Archive::new(store);
    let query = EntriesQuery::all(first[0].account_id);
    let of_it = |rows: &[crate::Row]| -> Vec<_> {
        rows.iter().filter(|row| row.account_id == query.account_id).cloned().collect()
    };
    assert_eq!(reader.entries(month(), &query).await.unwrap(), of_it(&first));
    archive.remove(month()).await.unwrap();
    assert_eq!(files(dir.path()), [""; 0]);
    let refused = reader.entries(month(), &query).await.unwrap_err();
    assert!(matches!(refused, ArchiveError::Missing(_)), "{refused}");

    write(&archive, &first).await;
    assert_eq!(reader.entries(month(), &query).await.unwrap(), of_it(&first));
    archive.remove(month()).await.unwrap();
    let second = rows(20, 30, 2);
    write(&archive, &second).await;
    assert_eq!(reader.entries(month(), &query).await.unwrap(), of_it(&second));
}

/// What is remembered may say that a month has nothing of an account, and no file is touched then.
#[tokio::test]
async fn who_names_the_rows_they_want_gets_no_older_ones() {
    let Fixture { archive, dir: _dir, files: store } = fixture();
    let first = rows(20, 30, 1);
    let old = write(&archive, &first).await;
    let reader = Archive::new(store);
    let mut late = first.last().unwrap().clone();
    late.account_id += 1_000;
    let query = EntriesQuery::all(late.account_id);
    let edition = |manifest: &Manifest| Edition { month: month(), digest: Some(manifest.digest) };
    assert_eq!(reader.entries(edition(&old), &query).await.unwrap(), []);
    let mut rows_of_old = reader.rows(&reader.edition(edition(&old)).await.unwrap());
    rows_of_old.next().await.unwrap();

    archive.remove(month()).await.unwrap();
    let new = write(&archive, &[&first[..], std::slice::from_ref(&late)].concat()).await;
    assert_eq!(reader.entries(edition(&new), &query).await.unwrap(), [late.clone()]);
    let refused = reader.entries(edition(&old), &query).await.unwrap_err();
    assert!(matches!(refused, ArchiveError::Differs { .. }), "{refused}");
    // Nor is what is remembered in the way of who reads all of it.
    let mut again = reader.rows(&std::sync::Arc::new(old));
    let refused = again.next().await.unwrap_err();
    assert!(matches!(refused, ArchiveError::Differs { .. }), "{refused}");
    let mut all = reader.rows(&reader.edition(month()).await.unwrap());
    assert_eq!(all.next().await.unwrap().unwrap().last(), Some(&late));
}
