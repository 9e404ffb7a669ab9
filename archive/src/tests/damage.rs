//! Files that are not what was written.

use std::fs;
use std::path::PathBuf;

use super::{Fixture, fixture, month, rows, write};
use crate::{Archive, ArchiveError, EntriesQuery, Manifest};

fn path(fixture: &Fixture, manifest: &Manifest) -> PathBuf {
    fixture.dir.path().join(manifest.parts[0].key.as_str())
}

#[tokio::test]
async fn a_truncated_or_longer_file_is_noticed_when_read() {
    let fixture = fixture();
    let rows = rows(20, 30, 1);
    let manifest = write(&fixture.archive, &rows).await;
    let path = path(&fixture, &manifest);
    let good = fs::read(&path).unwrap();
    // Also by who has read it before and remembers its footer.
    fixture.archive.entries(month(), &EntriesQuery::all(1)).await.unwrap();
    for bytes in [&good[..good.len() - 1], &good[..4], &[], &[&*good, b"x"].concat()] {
        fs::write(&path, bytes).unwrap();
        for archive in [fixture.archive.clone(), Archive::new(fixture.files.clone())] {
            let refused = archive.entries(month(), &EntriesQuery::all(1)).await.unwrap_err();
            assert!(matches!(refused, ArchiveError::Damaged { .. }), "{refused}");
            let refused = archive.verify(month()).await.unwrap_err();
            assert!(matches!(refused, ArchiveError::Damaged { .. }), "{refused}");
        }
    }
    fs::write(&path, good).unwrap();
    assert_eq!(*fixture.archive.verify(month()).await.unwrap(), manifest);
}

#[tokio::test]
async fn one_changed_bit_anywhere_is_noticed_when_the_month_is_verified() {
    let fixture = fixture();
    let manifest = write(&fixture.archive, &rows(20, 30, 1)).await;
    let path = path(&fixture, &manifest);
    let good = fs::read(&path).unwrap();
    for place in (0..good.len()).step_by(good.len() / 150) {
        let mut bytes = good.clone();
        bytes[place] ^= 1;
        fs::write(&path, bytes).unwrap();
        let refused = fixture.archive.verify(month()).await.unwrap_err();
        assert!(matches!(refused, ArchiveError::Damaged { .. }), "byte {place}: {refused}");
    }
}

/// Who reads only some of a file does not meet with all of it; what they get is what was written, or nothing.
#[tokio::test]
async fn one_changed_bit_never_makes_a_wrong_answer() {
    let fixture = fixture();
    let rows = rows(20, 2_000, 1);
    let manifest = write(&fixture.archive, &rows).await;
    let path = path(&fixture, &manifest);
    let good = fs::read(&path).unwrap();
    let account_id = rows[rows.len() / 2].account_id;
    let expected: Vec<_> = rows.into_iter().filter(|row| row.account_id == account_id).collect();
    let (mut noticed, mut untouched) = (0, 0);
    for place in (0..good.len()).step_by(good.len() / 150) {
        let mut bytes = good.clone();
        bytes[place] ^= 1;
        fs::write(&path, bytes).unwrap();
        for archive in [fixture.archive.clone(), Archive::new(fixture.files.clone())] {
            match archive.entries(month(), &EntriesQuery::all(account_id)).await {
                Ok(found) => {
                    assert_eq!(found, expected, "byte {place}");
                    untouched += 1;
                }
                Err(ArchiveError::Damaged { .. }) => noticed += 1,
                Err(other) => panic!("byte {place}: {other}"),
            }
        }
    }
    assert!(noticed > 20 && untouched > 20, "{noticed} noticed, {untouched} untouched");
}

#[tokio::test]
async fn a_changed_manifest_is_noticed_when_the_month_is_verified() {
    let fixture = fixture();
    let manifest = write(&fixture.archive, &rows(20, 30, 1)).await;
    let changes: [fn(&mut Manifest); 8] = [
        |manifest| manifest.rows += 1,
        |manifest| manifest.accounts -= 1,
        |manifest| manifest.digest.0[0] ^= 1,
        |manifest| manifest.sums[0].debits.insert(0, '1'),
        |manifest| manifest.recorded = None,
        |manifest| manifest.parts.clear(),
        |manifest| manifest.parts[0].first.revision += 1,
        |manifest| manifest.parts[0].last.account_id -= 1,
    ];
    for change in changes {
        let mut wrong = manifest.clone();
        change(&mut wrong);
        let wrong = wrong.sealed().unwrap();
        let path = fixture.dir.path().join("manifests/month=2025-03.json");
        fs::write(path, serde_json::to_vec(&wrong).unwrap()).unwrap();
        let refused = fixture.archive.verify(month()).await.unwrap_err();
        assert!(matches!(refused, ArchiveError::Differs { .. }), "{refused}");
    }
}

#[tokio::test]
async fn one_changed_bit_of_a_manifest_never_makes_another_one() {
    let fixture = fixture();
    let manifest = write(&fixture.archive, &rows(20, 30, 1)).await;
    let path = fixture.dir.path().join("manifests/month=2025-03.json");
    let good = fs::read(&path).unwrap();
    let mut noticed = 0;
    for place in 0..good.len() {
        let mut bytes = good.clone();
        bytes[place] ^= 1;
        fs::write(&path, bytes).unwrap();
        // Some are but another space.
        match Archive::new(fixture.files.clone()).manifest(month()).await {
            Ok(found) => assert_eq!(found.as_deref(), Some(&manifest), "byte {place}"),
            Err(ArchiveError::Damaged { .. }) => noticed += 1,
            Err(other) => panic!("byte {place}: {other}"),
        }
    }
    assert!(noticed > good.len() / 2, "{noticed} of {}", good.len());
}

#[tokio::test]
async fn a_part_that_no_manifest_names_is_noticed_and_swept() {
    let fixture = fixture();
    let manifest = write(&fixture.archive, &rows(20, 30, 1)).await;
    let path = path(&fixture, &manifest);
    fs::copy(&path, path.with_file_name("part-00001-0123456789ab.parquet")).unwrap();
    let refused = fixture.archive.verify(month()).await.unwrap_err();
    assert!(matches!(refused, ArchiveError::Differs { .. }), "{refused}");
    fixture.archive.sweep(month()).await.unwrap();
    assert_eq!(*fixture.archive.verify(month()).await.unwrap(), manifest);
}

#[tokio::test]
async fn a_missing_part_is_noticed() {
    let fixture = fixture();
    let manifest = write(&fixture.archive, &rows(20, 30, 1)).await;
    fixture.archive.entries(month(), &EntriesQuery::all(1)).await.unwrap();
    fs::remove_file(path(&fixture, &manifest)).unwrap();
    let refused = fixture.archive.entries(month(), &EntriesQuery::all(1)).await.unwrap_err();
    assert!(matches!(refused, ArchiveError::Differs { .. }), "{refused}");
    let refused = fixture.archive.verify(month()).await.unwrap_err();
    assert!(matches!(refused, ArchiveError::Differs { .. }), "{refused}");
}
