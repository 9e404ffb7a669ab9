use std::num::NonZeroU32;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde::Deserialize;

use super::{camt053, created_at};
use crate::EntryKind::{Credit, Debit, Reversal};
use crate::document::DocumentError;
use crate::testing::{any_statement, bank, booking, issue, statement};
use crate::{BankProfile, Issue, Statement, tools};

fn xml(statement: &Statement, number: u32) -> Vec<u8> {
    camt053(statement, &bank(), &issue(number)).unwrap()
}

#[derive(Debug, Deserialize)]
struct Found {
    id: String,
    account: String,
    currency: String,
    holder: Option<String>,
    bank: String,
    opening: String,
    closing: String,
    debits: String,
    credits: String,
    count: usize,
    entries: Vec<FoundEntry>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct FoundEntry {
    id: String,
    amount: String,
    reversal: bool,
    booked_at: String,
    transfer: String,
    reference: Option<String>,
    more: Option<String>,
    counterparty: String,
    description: Option<String>,
}

/// What an independent reader finds, after the official schema was content.
fn found(documents: &[Vec<u8>]) -> Vec<Found> {
    let dir = tempfile::tempdir().unwrap();
    for (number, document) in documents.iter().enumerate() {
        std::fs::write(dir.path().join(format!("{number:04}.xml")), document).unwrap();
    }
    let said = tools::python("camt053.py", dir.path());
    let found: Vec<_> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(found.len(), documents.len());
    found
}

/// As XML can say it: no forbidden characters, line ends as "\n", nothing around it.
fn plain(text: Option<&str>, chars_max: usize) -> Option<String> {
    let forbidden = |char: char| {
        char < ' ' && !matches!(char, '\t' | '\n' | '\r') || matches!(char, '\u{fffe}' | '\u{ffff}')
    };
    let text = text?.trim().replace(forbidden, "\u{fffd}");
    (!text.is_empty()).then(|| text.chars().take(chars_max).collect())
}

#[test]
fn the_official_schema_and_an_independent_reader_find_the_statement() {
    let mut runner = TestRunner::deterministic();
    let mut statements: Vec<_> =
        (0..40).map(|_| any_statement(40).new_tree(&mut runner).unwrap().current()).collect();
    statements.push(any_statement(500).new_tree(&mut runner).unwrap().current());
    statements.push(statement("CZK", 0, Vec::new()));
    statements.push(statement("CZK", -999_999_999_999_999_998, vec![booking(1, Reversal, 1, "x")]));
    let mut long = booking(1, Credit, 1, &"<&>\"' ž".repeat(60));
    long.reference = Some("r".repeat(64));
    statements.push(statement("EUR", 0, vec![long]));
    let documents: Vec<_> = statements.iter().map(|statement| xml(statement, 2)).collect();
    for (found, statement) in found(&documents).into_iter().zip(&statements) {
        let account = statement.account();
        assert_eq!(found.id, format!("{}-2026-03-2", account.id));
        assert_eq!((found.account, found.currency), (account.id.to_string(), account.currency.to_string()));
        assert_eq!(found.holder, plain(Some(&account.holder), 140));
        assert_eq!(found.bank, "Bank of Bohemia & Sons");
        assert_eq!(found.opening, statement.amount(statement.opening()));
        assert_eq!(found.closing, statement.amount(statement.closing()));
        assert_eq!(found.debits, statement.amount(statement.debits()));
        assert_eq!(found.credits, statement.amount(statement.credits()));
        assert_eq!((found.count, found.entries.len()), (statement.lines().len(), statement.lines().len()));
        for (found, line) in found.entries.into_iter().zip(statement.lines()) {
            let booking = &line.booking;
            let reference = plain(booking.reference.as_deref(), 64);
            let expected = FoundEntry {
                id: format!("{}-{}", account.id, booking.revision),
                amount: statement.amount(booking.change()),
                reversal: booking.kind == Reversal,
                booked_at: statement.local(booking.booked_at).to_rfc3339(),
                transfer: booking.transfer_id.to_string(),
                more: reference.clone().filter(|reference| reference.chars().count() > 35),
                reference: plain(reference.as_deref(), 35),
                counterparty: booking.counterparty.to_string(),
                description: plain(booking.description.as_deref(), usize::MAX),
            };
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn a_number_of_too_many_digits_is_refused_and_not_cut() {
    let widest = statement("CZK", 999_999_999_999_999_999, Vec::new());
    assert!(camt053(&widest, &bank(), &issue(1)).is_ok());
    let wider = statement("CZK", 999_999_999_999_999_999, vec![booking(1, Credit, 1, "")]);
    let refused = camt053(&wider, &bank(), &issue(1));
    assert!(
        matches!(&refused, Err(DocumentError::AmountTooLong(text)) if text == "10000000000000000.00"),
        "{refused:?}"
    );
    let widest_entry = statement("JPY", -i128::from(i64::MAX), vec![booking(1, Credit, i64::MAX, "")]);
    assert!(camt053(&widest_entry, &bank(), &issue(1)).is_err());
}

#[test]
fn a_later_issue_names_the_one_it_replaces() {
    let statement = statement("CZK", 0, vec![booking(1, Debit, 1, "")]);
    let [first, second] = [1, 2].map(|number| String::from_utf8(xml(&statement, number)).unwrap());
    assert!(!first.contains("AddtlStmtInf") && first.contains("<ElctrncSeqNb>202603001</ElctrncSeqNb>"));
    assert!(second.contains("<AddtlStmtInf>Issue 2, replaces issue 1</AddtlStmtInf>"), "{second}");
    assert_eq!(xml(&statement, 2), second.into_bytes());
    let after_a_gap = Issue { replaces: Some(NonZeroU32::MIN), ..issue(3) };
    let third = String::from_utf8(camt053(&statement, &bank(), &after_a_gap).unwrap()).unwrap();
    assert!(third.contains("<AddtlStmtInf>Issue 3, replaces issue 1</AddtlStmtInf>"), "{third}");
}

#[test]
fn a_document_tells_when_it_was_made() {
    let statement = statement("CZK", 0, vec![booking(1, Debit, 1, "")]);
    assert_eq!(created_at(&xml(&statement, 1)), Some(issue(1).issued_at));
    assert_eq!((created_at(b"<CreDtTm>today</CreDtTm>"), created_at(b"%PDF-\xff")), (None, None));
}

#[test]
fn a_bank_of_which_only_the_name_is_known_is_enough() {
    let statement = statement("CZK", 0, vec![booking(1, Debit, 1, "")]);
    let document = camt053(&statement, &BankProfile::named("x"), &issue(1)).unwrap();
    assert_eq!(found(&[document])[0].bank, "x");
}
