//! The house, held: imports run one way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Which crates of ours each crate may import. A new edge is a decision: see ARCHITECTURE.md.
const ALLOWED: &[(&str, &[&str])] = &[
    ("ledger-core", &[]),
    ("eventstore-node", &[]),
    ("name-lookup", &[]),
    ("pdf-binding", &[]),
    ("file-store", &["ledger-core"]),
    ("archive", &["ledger-core", "file-store"]),
    ("ledger-streams", &["ledger-core", "eventstore-node"]),
    ("command-api", &["ledger-core", "ledger-streams", "name-lookup"]),
    ("projector", &["ledger-core", "ledger-streams"]),
    ("query-api", &["ledger-core", "ledger-streams", "file-store", "archive", "pdf-binding"]),
    ("notifications", &["ledger-core", "ledger-streams", "name-lookup"]),
    ("statements", &["ledger-core", "ledger-streams", "file-store", "archive", "pdf-binding"]),
    (
        "daybook",
        &[
            "ledger-core",
            "ledger-streams",
            "eventstore-node",
            "command-api",
            "projector",
            "query-api",
            "notifications",
            "file-store",
            "archive",
            "statements",
            "file-store",
        ],
    ),
];

/// Libraries that only some crates may name.
const RESERVED: &[(&str, &[&str])] = &[
    ("sqlx", &["projector", "query-api", "notifications", "statements", "daybook"]),
    ("hickory-resolver", &["name-lookup"]),
    ("lopdf", &["pdf-binding"]),
    ("redis", &["query-api"]),
    ("fjall", &["eventstore-node"]),
    ("kurrentdb", &["ledger-streams"]),
    ("axum", &["eventstore-node", "command-api", "query-api", "daybook"]),
    ("tonic", &["eventstore-node", "ledger-streams"]),
    ("prost", &["eventstore-node"]),
    ("async-graphql", &["query-api"]),
    ("jsonwebtoken", &["daybook"]),
    ("object_store", &["file-store"]),
    ("parquet", &["archive"]),
    ("arrow-array", &["archive"]),
    ("arrow-schema", &["archive"]),
    ("rayon", &["statements"]),
    ("typst", &["statements"]),
    ("typst-kit", &["statements"]),
    ("typst-layout", &["statements"]),
    ("typst-pdf", &["statements"]),
];

/// What the domain may name: nothing that does I/O, tells the time or draws lots.
const DOMAIN_LIBRARIES: &[&str] =
    &["chrono", "iso_currency", "schemars", "serde", "serde_json", "sha2", "thiserror"];

/// Crate → the libraries it depends on, tests aside.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline", "--manifest-path"])
        .arg(root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            let normal = dependencies.filter(|dependency| dependency["kind"].is_null());
            let names = normal.map(|dependency| dependency["name"].as_str().unwrap().to_owned());
            (package["name"].as_str().unwrap().to_owned(), names.collect())
        })
        .collect()
}

#[test]
fn imports_run_one_way() {
    let dependencies = dependencies();
    let ours: BTreeSet<_> = dependencies.keys().cloned().collect();
    let allowed: BTreeMap<_, BTreeSet<_>> =
        ALLOWED.iter().map(|(name, imports)| (*name, imports.iter().copied().collect())).collect();
    for (name, imports) in &dependencies {
        if name == "ledger-tests" {
            continue;
        }
        let allowed =
            allowed.get(name.as_str()).unwrap_or_else(|| panic!("{name} has no place in the house"));
        for import in imports.intersection(&ours) {
            assert!(allowed.contains(import.as_str()), "{name} must not import {import}");
        }
    }
}

#[test]
fn each_library_stays_in_its_room() {
    for (name, imports) in dependencies() {
        for (library, rooms) in RESERVED {
            let fits = !imports.contains(*library) || rooms.contains(&name.as_str());
            assert!(fits, "{name} must not name {library}: it belongs to {rooms:?}");
        }
    }
}

#[test]
fn the_domain_is_pure() {
    let dependencies = dependencies();
    let strangers: Vec<_> = dependencies["ledger-core"]
        .iter()
        .filter(|library| !DOMAIN_LIBRARIES.contains(&library.as_str()))
        .collect();
    assert!(strangers.is_empty(), "{strangers:?}");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ledger-core/src");
    for file in rust_files(&source) {
        let text = std::fs::read_to_string(&file).unwrap();
        for word in [
            "Utc::now",
            "SystemTime",
            "Instant::now",
            "async fn",
            "f64",
            "f32",
            "std::fs",
            "std::net",
            "rand::",
        ] {
            assert!(!text.contains(word), "{}: '{word}' has no place in the domain", file.display());
        }
    }
}

#[test]
fn the_engine_knows_no_banking() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../eventstore-node/src");
    for file in rust_files(&source) {
        let text = std::fs::read_to_string(&file).unwrap().to_lowercase();
        for word in ["account", "transfer", "balance", "money", "ledger"] {
            let found = text.split(|c: char| !c.is_alphanumeric()).any(|token| token == word);
            assert!(!found, "{}: '{word}' has no place in the engine", file.display());
        }
    }
}

#[test]
fn every_version_of_a_library_is_chosen_at_the_root() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for entry in std::fs::read_dir(root).unwrap() {
        let manifest = entry.unwrap().path().join("Cargo.toml");
        let Ok(text) = std::fs::read_to_string(&manifest) else { continue };
        let own = text.lines().skip_while(|line| !line.contains("dependencies]"));
        let mut chosen = own.filter(|line| line.contains('=') && !line.contains("workspace = true"));
        assert_eq!(chosen.next(), None, "{}", manifest.display());
    }
}

fn rust_files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
