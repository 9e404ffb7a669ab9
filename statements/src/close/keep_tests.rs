use std::fs;
use std::path::Path;

use chrono::{DateTime, Utc};
use file_store::{FileStore, Location, SECRET_BYTES, UrlSecret};
use tempfile::TempDir;

use super::{Kept, Made};
use crate::testing::{account, issue, march};

const NAMES: [&str; 3] = ["statement.pdf", "statement.csv", "statement.xml"];

fn store(dir: &TempDir) -> FileStore {
    FileStore::open(&Location::Folder(dir.path().to_owned()), UrlSecret::new([7; SECRET_BYTES])).unwrap()
}

/// Files that say when they were made.
fn made(at: DateTime<Utc>, csv: &str) -> Made {
    let camt053 = format!("<CreDtTm>{}</CreDtTm>", at.to_rfc3339());
    Made {
        pdf: format!("on {}", at.date_naive()).into(),
        csv: csv.to_owned().into(),
        camt053: camt053.into(),
    }
}

async fn keep(files: &FileStore, made: &Made) -> Kept {
    made.keep(files, account("CZK", "x").id, march(), 1).await.unwrap()
}

fn folder(dir: &TempDir) -> std::path::PathBuf {
    dir.path().join("statements").join(account("CZK", "x").id.to_string()).join("2026-03")
}

fn content(folder: &Path) -> [Vec<u8>; 3] {
    NAMES.map(|name| fs::read(folder.join(name)).unwrap())
}

#[tokio::test]
async fn what_a_killed_close_left_can_be_made_again_and_is_as_good_as_written() {
    let first = issue(1).issued_at;
    let later = first + chrono::Duration::days(2);
    for left in 0..NAMES.len() {
        let dir = tempfile::tempdir().unwrap();
        let (files, folder) = (store(&dir), folder(&dir));
        assert_eq!(keep(&files, &made(first, "1")).await, Kept::All);
        let before = content(&folder);
        // The last of them was never written.
        for name in &NAMES[..left] {
            fs::remove_file(folder.join(name)).unwrap();
        }
        assert_eq!(keep(&files, &made(later, "1")).await, Kept::Taken(Some(first)));
        assert_eq!(keep(&files, &made(first, "1")).await, Kept::All);
        assert_eq!(content(&folder), before);
    }
}

#[tokio::test]
async fn a_file_of_other_bytes_stays_as_it_is() {
    let first = issue(1).issued_at;
    for name in NAMES {
        let dir = tempfile::tempdir().unwrap();
        let (files, folder) = (store(&dir), folder(&dir));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), "other bytes").unwrap();
        assert_eq!(keep(&files, &made(first, "1")).await, Kept::Taken(None));
        assert_eq!(fs::read(folder.join(name)).unwrap(), b"other bytes");
    }
    // As after a late booking.
    let dir = tempfile::tempdir().unwrap();
    let files = store(&dir);
    assert_eq!(keep(&files, &made(first, "1")).await, Kept::All);
    let before = content(&folder(&dir));
    assert_eq!(keep(&files, &made(first, "2")).await, Kept::Taken(None));
    assert_eq!(content(&folder(&dir)), before);
}

#[tokio::test]
async fn half_of_a_file_that_is_being_written_is_in_nobodys_way_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let half = folder(&dir).join("statement.pdf#1");
    fs::create_dir_all(folder(&dir)).unwrap();
    fs::write(&half, "%PDF-").unwrap();
    assert_eq!(keep(&store(&dir), &made(issue(1).issued_at, "1")).await, Kept::All);
    assert_eq!(fs::read(&half).unwrap(), b"%PDF-");
    assert_eq!(fs::read_dir(folder(&dir)).unwrap().count(), NAMES.len() + 1);
}
