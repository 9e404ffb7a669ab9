//! Links that expire.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tempfile::TempDir;

use super::s3_server::S3Server;
use crate::{FILES_ROUTE, FileStore, Key, Refusal, URL_VALID_MAX, UrlSecret};

fn now() -> DateTime<Utc> {
    "2026-11-26T12:00:00.9Z".parse().unwrap()
}

fn key() -> Key {
    "statements/1/2026-01/statement.pdf".parse().unwrap()
}

fn folder() -> (TempDir, FileStore) {
    let dir = TempDir::new().unwrap();
    let location = dir.path().to_str().unwrap().parse().unwrap();
    let store = FileStore::open_with(&location, UrlSecret::new([7; 32]), []).unwrap();
    (dir, store)
}

/// What stands in a link: key, expiry, signature.
fn parts(link: &str) -> (Key, i64, String) {
    let (key, query) = link.strip_prefix(FILES_ROUTE).unwrap().split_once('?').unwrap();
    let (expires, signature) = query.strip_prefix("expires=").unwrap().split_once("&signature=").unwrap();
    (key.parse().unwrap(), expires.parse().unwrap(), signature.to_owned())
}

#[tokio::test]
async fn a_link_to_a_folders_file_is_good_until_it_expires() {
    let (_dir, store) = folder();
    let (key, expires, signature) =
        parts(&store.url_for(&key(), Duration::from_secs(60), now()).await.unwrap());
    assert_eq!(expires, now().timestamp() + 60);
    let at = |seconds| store.verify(&key, expires, &signature, now() + TimeDelta::seconds(seconds));
    assert_eq!(at(0), Ok(()));
    assert_eq!(at(59), Ok(()));
    assert_eq!(at(60), Err(Refusal::Expired));
    assert_eq!(at(6_000_000), Err(Refusal::Expired));
}

#[tokio::test]
async fn a_link_that_was_changed_is_not_ours() {
    let (_dir, store) = folder();
    let (good, expires, signature) =
        parts(&store.url_for(&key(), Duration::from_secs(60), now()).await.unwrap());
    let other: Key = "statements/2/2026-01/statement.pdf".parse().unwrap();
    let refused = |key: &Key, expires, signature: &str| store.verify(key, expires, signature, now());
    assert_eq!(refused(&other, expires, &signature), Err(Refusal::Unsigned));
    assert_eq!(refused(&good, expires + 1, &signature), Err(Refusal::Unsigned));
    for place in 0..signature.len() {
        let mut bytes = signature.clone().into_bytes();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert_eq!(refused(&good, expires, &changed), Err(Refusal::Unsigned), "{place}");
    }
    for changed in ["", "?", &signature[..20], &format!("{signature}AAAA")] {
        assert_eq!(refused(&good, expires, changed), Err(Refusal::Unsigned), "{changed}");
    }
    let stranger = UrlSecret::new([8; 32]);
    assert_eq!(stranger.verify(&good, expires, &signature, now()), Err(Refusal::Unsigned));
}

#[tokio::test]
async fn no_link_is_good_for_longer_than_the_longest() {
    let (_dir, store) = folder();
    let (_, expires, _) = parts(&store.url_for(&key(), Duration::MAX, now()).await.unwrap());
    assert_eq!(expires - now().timestamp(), i64::try_from(URL_VALID_MAX.as_secs()).unwrap());
}

#[test]
fn the_secret_is_not_shown() {
    assert_eq!(format!("{:?}", UrlSecret::new([7; 32])), "UrlSecret(…)");
}

#[tokio::test]
async fn anybody_follows_s3s_own_link_until_it_expires() {
    let server = S3Server::start().await;
    let store = server.store("some/prefix");
    store.put(&key(), "a statement").await.unwrap();
    let link = store.url_for(&key(), Duration::from_secs(600), now()).await.unwrap();
    let http = reqwest::Client::new();
    let answer = http.get(&link).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    for (name, value) in [
        ("content-type", "application/pdf"),
        ("content-disposition", "attachment; filename=\"1-2026-01-statement.pdf\""),
        ("cache-control", "public, immutable"),
        // Ten minutes later.
        ("expires", "Thu, 26 Nov 2026 12:10:00 GMT"),
    ] {
        assert_eq!(answer.headers()[name], value, "{name}");
    }
    assert_eq!(answer.text().await.unwrap(), "a statement");

    // A range of it, as a browser that goes on with a download asks.
    let answer = http.get(&link).header("range", "bytes=2-").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap()), (206, "statement".to_owned()));

    let tampered = link.replace("/1/2026-01/", "/2/2026-01/");
    assert_ne!(tampered, link);
    let signature = link.split_once("X-Amz-Signature=").unwrap().1;
    let flipped = if signature.starts_with('0') { "1" } else { "0" };
    let forged = link.replace(
        &format!("X-Amz-Signature={signature}"),
        &format!("X-Amz-Signature={flipped}{}", &signature[1..]),
    );
    let longer = link.replace("X-Amz-Expires=600", "X-Amz-Expires=6000");
    assert_ne!(longer, link);
    let bare = link.split_once('?').unwrap().0.to_owned();
    for link in [tampered, forged, longer, bare] {
        let answer = http.get(&link).send().await.unwrap();
        assert_eq!(answer.status(), 403, "{link}");
    }

    let short = store.url_for(&key(), Duration::from_secs(1), now()).await.unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while http.get(&short).send().await.unwrap().status() != 403 {
        assert!(std::time::Instant::now() < deadline, "it does not expire");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
