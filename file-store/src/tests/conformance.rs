//! One suite for both kinds of store.

use futures::{StreamExt, TryStreamExt};
use tempfile::TempDir;

use super::s3_server::S3Server;
use crate::limits::PART_BYTES;
use crate::{Bytes, FileError, FileStore, Key, PutNew, Sha256, UrlSecret};

struct Folder {
    dir: TempDir,
    store: FileStore,
}

fn folder() -> Folder {
    let dir = TempDir::new().unwrap();
    let location = dir.path().join("files").to_str().unwrap().parse().unwrap();
    let store = FileStore::open_with(&location, UrlSecret::new([7; 32]), []).unwrap();
    Folder { dir, store }
}

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

/// Bytes that no compression and no repetition helps with.
fn noise(length: usize) -> Bytes {
    let mut state = 1_u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

async fn keeps_files(store: &FileStore) {
    let name = key("statements/1/2026-01/statement.pdf");
    assert_eq!(store.head(&name).await.unwrap(), None);
    assert!(matches!(store.get(&name).await, Err(FileError::Missing(missing)) if missing == name));
    let stored = store.put(&name, "first").await.unwrap();
    assert_eq!((stored.bytes, stored.sha256), (5, Sha256::of(b"first")));
    assert_eq!(store.get(&name).await.unwrap(), "first");
    let info = store.head(&name).await.unwrap().unwrap();
    assert_eq!((&info.key, info.bytes), (&name, 5));
    store.put(&name, "the second").await.unwrap();
    assert_eq!(store.get(&name).await.unwrap(), "the second");
    assert_ne!(store.head(&name).await.unwrap().unwrap().e_tag, info.e_tag);
    store.put(&name, "").await.unwrap();
    assert_eq!(store.get(&name).await.unwrap(), "");
    store.delete(&name).await.unwrap();
    store.delete(&name).await.unwrap();
    assert_eq!(store.head(&name).await.unwrap(), None);
}

async fn keeps_the_first_of_new_files(store: &FileStore) {
    let name = key("manifests/month=2026-01.json");
    let stored = store.put_new(&name, "first").await.unwrap();
    assert!(matches!(stored, PutNew::Stored(stored) if stored.sha256 == Sha256::of(b"first")));
    assert_eq!(store.put_new(&name, "second").await.unwrap(), PutNew::Exists);
    assert_eq!(store.get(&name).await.unwrap(), "first");
}

async fn takes_long_files(store: &FileStore) {
    let name = key("transactions/month=2026-01/part-00000.parquet");
    let bytes = noise(2 * PART_BYTES + 12_345);
    let mut upload = store.upload(&name);
    for piece in bytes.chunks(1_000_003) {
        upload.write(Bytes::copy_from_slice(piece)).await.unwrap();
        assert_eq!(store.head(&name).await.unwrap(), None, "seen before its end");
    }
    let stored = upload.finish().await.unwrap();
    assert_eq!((stored.bytes, stored.sha256), (bytes.len() as u64, Sha256::of(&bytes)));
    let info = store.head(&name).await.unwrap().unwrap();
    let pieces: Vec<Bytes> = store.get_stream(&info).try_collect().await.unwrap();
    assert_eq!(pieces.concat(), bytes);
    assert!(pieces.iter().all(|piece| piece.len() <= PART_BYTES));
}

async fn forgets_what_was_given_up(store: &FileStore) {
    let name = key("given/up");
    for drop_it in [true, false] {
        let mut upload = store.upload(&name);
        upload.write(noise(PART_BYTES + 1)).await.unwrap();
        if drop_it {
            drop(upload);
        } else {
            upload.abort().await;
        }
        assert_eq!(store.head(&name).await.unwrap(), None);
    }
    let found: Vec<_> = store.list(&key("given")).try_collect().await.unwrap();
    assert_eq!(found, []);
}

async fn reads_ranges(store: &FileStore) {
    let name = key("downloads/noise.zip");
    let bytes = noise(300_000);
    store.put(&name, bytes.clone()).await.unwrap();
    let e_tag = store.head(&name).await.unwrap().unwrap().e_tag.unwrap();
    for range in [0..1, 0..300_000, 299_999..300_000, 7..7, 100_000..200_001] {
        let part = store.get_range(&name, range.start..range.end, Some(&e_tag)).await.unwrap();
        assert_eq!(part, bytes[range.start as usize..range.end as usize]);
    }
    let ranges = [200_000..200_010, 0..10, 20..30, 5..25, 10..10, 299_990..300_000];
    let parts = store.get_ranges(&name, &ranges, Some(&e_tag)).await.unwrap();
    for (range, part) in ranges.into_iter().zip(parts) {
        assert_eq!(part, bytes[range.start as usize..range.end as usize], "{range:?}");
    }
    for range in [299_999..300_001, 300_000..300_001, 400_000..400_002] {
        let refused = store.get_range(&name, range, None).await.unwrap_err();
        assert!(!matches!(refused, FileError::Missing(_) | FileError::Changed(_)), "{refused}");
    }
    store.put(&name, noise(300_001)).await.unwrap();
    let refused = store.get_range(&name, 0..1, Some(&e_tag)).await.unwrap_err();
    assert!(matches!(refused, FileError::Changed(_)), "{refused}");
}

async fn lists_a_folder_and_no_other(store: &FileStore) {
    let inside = ["list/a", "list/b/c", "list/b/d.pdf"];
    for name in inside.iter().chain(&["listed", "other/list"]) {
        store.put(&key(name), *name).await.unwrap();
    }
    let mut found: Vec<_> =
        store.list(&key("list")).map(|file| file.unwrap().key.to_string()).collect().await;
    found.sort();
    assert_eq!(found, inside);
    assert_eq!(store.list(&key("nothing")).count().await, 0);
}

macro_rules! conformance {
    ($($case:ident),* $(,)?) => {
        mod a_folder {
            $(#[tokio::test]
            async fn $case() {
                super::$case(&super::folder().store).await;
            })*
        }

        mod s3 {
            $(#[tokio::test]
            async fn $case() {
                let server = super::S3Server::start().await;
                super::$case(&server.store("some/prefix")).await;
            })*
        }
    };
}

conformance!(
    keeps_files,
    keeps_the_first_of_new_files,
    takes_long_files,
    forgets_what_was_given_up,
    reads_ranges,
    lists_a_folder_and_no_other,
);

// Of the server that stands in for S3 this cannot be asked: it looks and writes in two steps.
#[tokio::test]
async fn of_many_that_write_a_new_file_at_once_one_does() {
    let Folder { dir: _dir, store } = folder();
    let name = key("manifests/month=2026-01.json");
    let tries = (0..8).map(|number| {
        let (store, name) = (store.clone(), name.clone());
        tokio::spawn(async move { store.put_new(&name, format!("by {number}")).await.unwrap() })
    });
    let outcomes = futures::future::try_join_all(tries).await.unwrap();
    let winners: Vec<_> = (0..8).filter(|number| outcomes[*number] != PutNew::Exists).collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    assert_eq!(store.get(&name).await.unwrap(), format!("by {}", winners[0]));
}

#[tokio::test]
async fn stores_beside_each_other_on_s3_do_not_meet() {
    let server = S3Server::start().await;
    let (one, other) = (server.store("one"), server.store("oneself"));
    one.put(&key("a/b"), "1").await.unwrap();
    assert_eq!(other.head(&key("a/b")).await.unwrap(), None);
    assert_eq!(other.list(&key("a")).count().await, 0);
}

#[tokio::test]
async fn s3_refuses_who_has_another_key() {
    let server = S3Server::start().await;
    let stranger = server.store_as("some/prefix", "guessed");
    let refused = stranger.put(&key("a"), "1").await.unwrap_err();
    assert!(matches!(refused, FileError::Failed { .. }), "{refused}");
    assert_eq!(server.store("some/prefix").head(&key("a")).await.unwrap(), None);
}

#[tokio::test]
async fn what_a_killed_upload_left_in_a_folder_is_cleared_and_nothing_else() {
    let Folder { dir, store } = folder();
    store.put(&key("month/part-1"), "whole").await.unwrap();
    let left = dir.path().join("files/month/part-2#1");
    std::fs::write(&left, "half").unwrap();
    assert_eq!(store.list(&key("month")).count().await, 1, "nobody sees it");
    store.clear_unfinished(&key("month")).await.unwrap();
    store.clear_unfinished(&key("nothing")).await.unwrap();
    assert!(!left.exists());
    assert_eq!(store.get(&key("month/part-1")).await.unwrap(), "whole");
}
