//! What is in the files, read by others, is what the API says.

use chrono::{Datelike, NaiveDate, Utc};
use ledger_core::Month;
use serde_json::{Value, json};

use super::closed::{MONTHS, closed_bank, metrics};
use super::tools;
use super::{file, link, said, sha256};
use crate::harness::text;

const FORMATS: [(&str, &str); 3] = [("pdf", "pdf"), ("csv", "csv"), ("camt053", "xml")];

#[tokio::test]
async fn what_is_due_is_closed_by_itself_at_the_start() {
    let closed = closed_bank().await;
    let today = Utc::now().date_naive();
    let last = Month::containing(today.with_day(1).and_then(|day: NaiveDate| day.pred_opt()).unwrap());
    for (month, count) in MONTHS.iter().map(|month| ((*month).to_owned(), 2)).chain([(last.to_string(), 2)]) {
        // Zoë's and the bank's own; Yves has neither entries nor a balance.
        for account in [&closed.account, &closed.cash] {
            for (format, extension) in FORMATS {
                let name = format!("statement.{extension}");
                let bytes = std::fs::read(file(&closed.daybook, account, &month, &name)).unwrap();
                let told = link(&closed.daybook, &closed.bank, account, &month, format).await;
                assert_eq!((&told["sha256"], &told["bytes"]), (&json!(sha256(&bytes)), &json!(bytes.len())));
                assert_eq!(told["issue"], 1);
            }
        }
        assert!(
            closed
                .daybook
                .said()
                .contains(&format!("{month} closed: {count} accounts; statements: {count} issued"))
        );
    }
    let metrics = metrics(&closed.daybook).await;
    for line in [r#"statements_total{outcome="issued"} 8"#, r#"month_closes_total{outcome="failed"} 0"#] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    closed.daybook.check().await;
}

/// Every amount on a PDF, in the order of reading.
fn amounts(pdf: &str) -> Vec<String> {
    let is_amount = |word: &String| {
        let digits = word.strip_prefix('-').unwrap_or(word);
        digits.split_once('.').is_some_and(|(whole, part)| {
            part.len() == 2 && [whole, part].iter().all(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        })
    };
    let words = said("pdftotext", &["-layout", pdf, "-"]);
    words
        .split_whitespace()
        .map(|word| word.replace('\u{2212}', "-").replace(',', ""))
        .filter(is_amount)
        .collect()
}

#[tokio::test]
async fn every_amount_on_a_pdf_is_what_the_api_says() {
    let closed = closed_bank().await;
    for account in [&closed.account, &closed.cash] {
        for month in MONTHS {
            let books = closed.books(account, month).await;
            let [opening, closing, debits, credits] =
                ["opening", "closing", "total_debits", "total_credits"].map(|name| text(&books[name]));
            let entries = books["transactions"].as_array().unwrap();
            let mut expected =
                vec![opening.clone(), credits.clone(), debits.clone(), closing.clone(), opening];
            expected.extend(
                entries.iter().flat_map(|entry| [&entry["amount"], &entry["balance_after"]].map(text)),
            );
            expected.extend([debits, credits, closing]);
            let pdf = file(&closed.daybook, account, month, "statement.pdf");
            let pdf = pdf.to_str().unwrap();
            assert_eq!(amounts(pdf), expected, "{account} {month}");

            let pages: usize = said("pdfinfo", &[pdf])
                .lines()
                .find_map(|line| line.strip_prefix("Pages:"))
                .unwrap()
                .trim()
                .parse()
                .unwrap();
            assert_eq!(pages > 1, entries.len() > 40, "{pages} pages");
            assert!(said("pdfinfo", &[pdf]).contains("A4"));
            let shown = said("pdftotext", &["-layout", pdf, "-"]);
            assert!(
                shown.contains("Bank of Bohemia") && shown.contains(&format!("Page {pages} of {pages}")),
                "{shown}"
            );
            let owner = if *account == closed.cash { "Settlement account" } else { "Zoë Nováková" };
            assert!(shown.contains(owner), "{shown}");
            // None is without embedded fonts.
            let fonts = said("pdffonts", &[pdf]);
            assert!(
                fonts.lines().skip(2).all(|line| line.contains(" yes ")) && fonts.lines().count() > 2,
                "{fonts}"
            );
        }
    }
}

#[tokio::test]
async fn a_camt053_is_valid_and_says_what_the_api_says() {
    let closed = closed_bank().await;
    let dir = tempfile::tempdir().unwrap();
    for account in [&closed.account, &closed.cash] {
        for month in MONTHS {
            let xml = file(&closed.daybook, account, month, "statement.xml");
            std::fs::copy(xml, dir.path().join(format!("{account}-{month}.xml"))).unwrap();
        }
    }
    // Validated by the official schema, then read by a parser of others.
    let found = tools::python("camt053.py", dir.path());
    let found: Vec<Value> = found.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(found.len(), 2 * MONTHS.len());
    for found in found {
        let account = text(&found["account"]);
        let month = found["id"].as_str().unwrap().strip_prefix(&format!("{account}-")).unwrap();
        let books = closed.books(&account, month.strip_suffix("-1").unwrap()).await;
        for (ours, theirs) in [
            ("opening", "opening"),
            ("closing", "closing"),
            ("total_debits", "debits"),
            ("total_credits", "credits"),
            ("count", "count"),
            ("currency", "currency"),
        ] {
            assert_eq!(books[ours], found[theirs], "{account} {month}");
        }
        let entries = books["transactions"].as_array().unwrap().iter().map(|entry| {
            let sign = if entry["type"] == "DEBIT" || entry["type"] == "debit" { "-" } else { "" };
            json!({ "id": entry["id"], "amount": format!("{sign}{}", text(&entry["amount"])), "transfer": entry["transfer_id"],
                    "reference": entry["reference"], "counterparty": entry["counterparty"] })
        });
        let read = found["entries"].as_array().unwrap().iter().map(|entry| {
            json!({ "id": entry["id"], "amount": entry["amount"], "transfer": entry["transfer"], "reference": entry["reference"],
                    "counterparty": entry["counterparty"] })
        });
        assert_eq!(entries.collect::<Vec<_>>(), read.collect::<Vec<_>>(), "{account} {month}");
    }
}
