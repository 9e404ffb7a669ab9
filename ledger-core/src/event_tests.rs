use std::collections::HashSet;

use super::*;

#[test]
fn names_are_unique() {
    let registry = registry();
    let names: HashSet<_> = registry.iter().map(|event| event.name).collect();
    assert_eq!(names.len(), registry.len());
}

#[test]
fn an_unknown_name_is_an_error_not_nothing() {
    let error = Event::decode("AccountPainted", 1, b"{}").unwrap_err();
    assert!(matches!(error, DecodeError::UnknownName(name) if name == "AccountPainted"));
}

#[test]
fn a_newer_version_is_an_error_that_says_so() {
    let error = Event::decode("AccountClosed", 2, b"{}").unwrap_err();
    assert_eq!(error.to_string(), "version 2 of 'AccountClosed' is newer than this program knows (1)");
}

#[test]
fn a_version_that_never_was_is_an_error() {
    assert!(matches!(Event::decode("AccountClosed", 0, b"{}"), Err(DecodeError::Malformed { .. })));
}

#[test]
fn data_that_does_not_fit_is_an_error() {
    let error = Event::decode("AccountFrozen", 1, br#"{"reason":1}"#).unwrap_err();
    assert!(matches!(error, DecodeError::Malformed { .. }), "{error}");
}
