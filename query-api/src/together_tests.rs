use std::fs::File;
use std::path::PathBuf;
use std::time::SystemTime;

use file_store::UrlSecret;
use futures::future::join_all;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::*;

struct Bank {
    dir: TempDir,
    files: FileStore,
    downloads: Downloads,
}

impl Bank {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let location = dir.path().to_str().unwrap().parse().unwrap();
        let files = FileStore::open_with(&location, UrlSecret::new([7; 32]), []).unwrap();
        let downloads = Downloads::new(Some(files.clone()), CancellationToken::new());
        Self { dir, files, downloads }
    }

    /// A statement of account 1.
    async fn issued(&self, month: &str, csv: &'static str) -> IssuedFile {
        let path = format!("statements/1/{month}/statement.csv");
        let stored = self.files.put(&path.parse().unwrap(), csv).await.unwrap();
        IssuedFile { issue: 1, path, sha256: stored.sha256.to_string(), bytes: stored.bytes }
    }

    async fn together(&self, parts: &[IssuedFile]) -> Result<FileInfo, Problem> {
        let account = AccountId::from_i64(1).unwrap();
        self.downloads.together(account, parts.to_vec(), Format::Csv).await
    }

    fn path(&self, key: &str) -> PathBuf {
        self.dir.path().join(key)
    }

    /// Makes a file look as if it were older.
    fn age(&self, key: &str, by: Duration) {
        let file = File::options().write(true).open(self.path(key)).unwrap();
        file.set_modified(SystemTime::now() - by).unwrap();
    }
}

#[tokio::test]
async fn months_of_too_many_bytes_are_refused_without_reading_them() {
    let bank = Bank::new();
    let nowhere = |bytes| IssuedFile {
        issue: 1,
        path: "statements/1/2026-01/statement.csv".to_owned(),
        sha256: String::new(),
        bytes,
    };
    let refused = bank.together(&[nowhere(DOWNLOAD_BYTES_MAX), nowhere(1)]).await.unwrap_err();
    assert_eq!(refused, Problem::DownloadTooLarge(DOWNLOAD_BYTES_MAX + 1));
    assert_eq!(refused.code(), "download_too_large");
    let refused = bank.together(&[nowhere(u64::MAX), nowhere(u64::MAX)]).await.unwrap_err();
    assert_eq!(refused, Problem::DownloadTooLarge(u64::MAX));
    // As much as may be is looked for.
    assert_eq!(bank.together(&[nowhere(DOWNLOAD_BYTES_MAX)]).await, Err(Problem::FileNotFound));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_many_ask_for_at_once_is_made_once_and_not_read_for_its_digest() {
    let bank = Bank::new();
    let parts = [bank.issued("2026-01", "a").await, bank.issued("2026-02", "b").await];
    let made = join_all((0..16).map(|_| bank.together(&parts))).await;
    let first = made[0].clone().unwrap();
    // Made again, it would be another version of the file.
    assert!(made.iter().all(|info| info.as_ref() == Ok(&first)), "{made:?}");
    let known = bank.downloads.known_digest(&first).expect("it was just written");
    assert_eq!(known, Sha256::of(&bank.files.get(&first.key).await.unwrap()));
    assert_eq!(bank.together(&parts).await.unwrap(), first);
}

#[tokio::test]
async fn a_statement_that_is_not_as_issued_goes_into_no_file() {
    let bank = Bank::new();
    let parts = [bank.issued("2026-01", "a").await, bank.issued("2026-02", "b").await];
    bank.issued("2026-02", "c").await;
    assert_eq!(bank.together(&parts).await, Err(Problem::Internal));
    assert!(!bank.path("downloads").exists());
}

#[tokio::test]
async fn old_files_go_when_a_new_one_is_made() {
    let bank = Bank::new();
    let (january, february) = (bank.issued("2026-01", "a").await, bank.issued("2026-02", "b").await);
    let kept = ["downloads/1/new.zip", "downloads/2/old.zip", "statements/1/old.pdf"];
    for key in kept.iter().chain(&["downloads/1/old.zip"]) {
        bank.files.put(&key.parse().unwrap(), "x").await.unwrap();
        bank.age(key, DOWNLOADS_SWEPT_AFTER + Duration::from_secs(60));
    }
    bank.age(kept[0], DOWNLOADS_SWEPT_AFTER - Duration::from_secs(60));
    bank.together(&[january, february]).await.unwrap();
    // Nobody waits for that.
    let gone = async {
        while bank.path("downloads/1/old.zip").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
    assert!(kept.iter().all(|key| bank.path(key).exists()));
}

#[tokio::test]
async fn what_may_be_gone_before_its_link_is_over_is_made_anew() {
    let bank = Bank::new();
    let parts = [bank.issued("2026-01", "a").await, bank.issued("2026-02", "b").await];
    let first = bank.together(&parts).await.unwrap();
    let key = first.key.as_str();
    bank.age(key, DOWNLOADS_FOUND_FOR - Duration::from_secs(60));
    let aged = bank.files.head(&first.key).await.unwrap();
    assert_eq!(bank.together(&parts).await.ok(), aged);
    bank.age(key, DOWNLOADS_FOUND_FOR + Duration::from_secs(1));
    let anew = bank.together(&parts).await.unwrap();
    assert!(!is_older(&anew, Duration::from_secs(60)) && anew.key == first.key);
}
