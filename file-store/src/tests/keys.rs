//! Keys and locations as text.

use proptest::prelude::*;

use crate::{Key, Location, LocationError};

#[test]
fn no_key_leads_out_of_the_store_or_hides() {
    let long = "a".repeat(201);
    for text in [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        ".",
        "..",
        "a/../b",
        "../a",
        ".a",
        "a/.b",
        "a b",
        "a\\b",
        "a%2e",
        "a#1",
        "a\nb",
        "ž",
        "a\0",
        "~",
        long.as_str(),
    ] {
        assert!(text.parse::<Key>().is_err(), "{text:?}");
    }
    for text in ["a", "transactions/month=2026-01/part-00000-0f.parquet", "a..b", "-_=."] {
        assert_eq!(text.parse::<Key>().unwrap().to_string(), text);
    }
}

#[test]
fn a_saved_file_has_a_name_of_its_own() {
    for (key, name) in [
        ("statements/1/2026-01/statement.pdf", "1-2026-01-statement.pdf"),
        ("downloads/1/0f.zip", "1-0f.zip"),
        ("whole.pdf", "whole.pdf"),
    ] {
        assert_eq!(key.parse::<Key>().unwrap().saved_as(), name);
    }
}

proptest! {
    #[test]
    fn whatever_is_a_key_stays_below_the_root(text in "[a./#%~=-]{0,12}") {
        if let Ok(key) = text.parse::<Key>() {
            let root = std::path::Path::new("/root");
            let path = root.join(key.as_str());
            prop_assert!(path.starts_with(root));
            prop_assert!(path.components().all(|part| !matches!(part, std::path::Component::ParentDir)));
            prop_assert!(path.components().count() > root.components().count());
        }
    }
}

#[test]
fn a_location_is_a_folder_or_a_bucket() {
    let folder = |path: &str| Location::Folder(path.into());
    let s3 = |prefix: Option<&str>| Location::S3 {
        bucket: "bank".to_owned(),
        prefix: prefix.map(|prefix| prefix.parse().unwrap()),
    };
    for (text, location) in [
        ("/var/files", folder("/var/files")),
        ("files", folder("files")),
        ("file:///var/my%20files", folder("/var/my files")),
        ("s3://bank", s3(None)),
        ("s3://bank/", s3(None)),
        ("s3://bank/a/b/", s3(Some("a/b"))),
    ] {
        assert_eq!(text.parse::<Location>().unwrap(), location, "{text}");
    }
    for text in ["", "ftp://bank/a", "s3:///a", "file://host/a", "s3://bank/a%2Fb", "s3://bank/.a"] {
        assert!(matches!(text.parse::<Location>(), Err(LocationError::Unknown(_))), "{text}");
    }
    for text in ["s3://key:secret@bank/a", "s3://bank/a?region=x", "s3://bank:9000/a"] {
        let refused = text.parse::<Location>().unwrap_err();
        assert_eq!(refused, LocationError::Surplus, "{text}");
        assert!(!refused.to_string().contains("secret"), "what may be a password is not repeated");
    }
}
