//! Contracts are committed files under `schemas/`, compared here. `UPDATE_SCHEMAS=1` writes them anew; the diff is the review.

mod graphql;
mod openapi;

use std::fs;
use std::path::{Path, PathBuf};

use ledger_core::Event;
use ledger_core::event::registry;

fn schemas() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas")
}

fn compare(file: &str, actual: &str) {
    compare_for(file, actual, |_, _| Vec::new());
}

/// As [`compare`], where `breaks` tells what of the difference breaks clients.
fn compare_for(file: &str, actual: &str, breaks: fn(&str, &str) -> Vec<String>) {
    let path = schemas().join(file);
    let broken = fs::read_to_string(&path).map(|old| breaks(&old, actual)).unwrap_or_default();
    assert!(
        broken.is_empty() || std::env::var_os("BREAK_CLIENTS").is_some(),
        "schemas/{file}: this change breaks clients:\n  {}\nKeep what they use, and mark it as deprecated. If nobody uses it: \
         BREAK_CLIENTS=1 UPDATE_SCHEMAS=1 cargo test -p ledger-tests contracts",
        broken.join("\n  ")
    );
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, actual).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == actual,
        "schemas/{file} is not what the code says. If the change is meant, and breaks no client and no old event: \
         UPDATE_SCHEMAS=1 cargo test -p ledger-tests contracts"
    );
}

fn pretty(value: &serde_json::Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap();
    text.push('\n');
    text
}

#[test]
fn the_registry_of_events() {
    let mut text = String::from("# name version category: a line stands for ever\n");
    for event in registry() {
        text.push_str(&format!(
            "{} {} {}\n",
            event.name,
            event.version,
            event.category.trim_end_matches('-')
        ));
    }
    compare("registry.txt", &text);
}

#[test]
fn the_schema_of_every_event() {
    for event in registry() {
        let schema = serde_json::to_value(&event.schema).unwrap();
        compare(&format!("events/{}.v{}.json", event.name, event.version), &pretty(&schema));
    }
}

/// Examples stay when versions move on: whatever was once written can still be read.
#[test]
fn every_old_example_still_decodes() {
    let mut seen = std::collections::BTreeSet::new();
    for entry in fs::read_dir(schemas().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let (name, version) = stem.split_once(".v").unwrap();
        let version: u16 = version.parse().unwrap();
        let event = Event::decode(name, version, &fs::read(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(event.name(), name);
        // And what is written now is read back as the same.
        let again = Event::decode(name, event.version(), &event.encode().unwrap()).unwrap();
        assert_eq!(again, event);
        seen.insert((name.to_owned(), version));
    }
    for event in registry() {
        for version in 1..=event.version {
            assert!(
                seen.contains(&(event.name.to_owned(), version)),
                "schemas/examples/{}.v{version}.json is missing",
                event.name
            );
        }
    }
}

#[test]
fn the_graphql_schema() {
    compare_for("graphql/query-api.graphql", &query_api::sdl(), graphql::breaks);
}

#[test]
fn the_rest_routes() {
    for (file, api) in [("command-api", command_api::openapi()), ("query-api", query_api::openapi())] {
        let value = serde_json::to_value(api).unwrap();
        compare_for(&format!("openapi/{file}.json"), &pretty(&value), openapi::breaks);
    }
}
