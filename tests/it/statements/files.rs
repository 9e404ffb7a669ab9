//! What is in the files, read by others, is what the API says.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use ledger_core::Month;
use serde_json::{Value, json};

use super::closed::{MONTHS, ZONE, closed_bank, metrics};
use super::tools;
use super::{file, link, said, sha256};
use crate::harness::{cents, text};

const FORMATS: [(&str, &str); 3] = [("pdf", "pdf"), ("csv", "csv"), ("camt053", "xml")];

#[tokio::test]
async fn what_is_due_is_closed_by_itself_at_the_start() {
    let closed = closed_bank().await;
    let today = Utc::now().with_timezone(&ZONE).date_naive();
    let last = Month::containing(today.with_day(1).and_then(|day: NaiveDate| day.pred_opt()).unwrap());
    // Yves has neither entries nor a balance.
    let count = closed.accounts.len();
    for month in MONTHS.map(str::to_owned).into_iter().chain([last.to_string()]) {
        for (account, _) in &closed.accounts {
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
    let issued = format!("statements_total{{outcome=\"issued\"}} {}", count * (MONTHS.len() + 1));
    for line in [issued.as_str(), r#"month_closes_total{outcome="failed"} 0"#] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

/// A month's entries as a statement has them: by booked time, each with what it changes and with the balance that runs from the opening one.
fn running(books: &Value) -> Vec<(&Value, i64, i64)> {
    let mut entries: Vec<&Value> = books["transactions"].as_array().unwrap().iter().collect();
    entries.sort_by_key(|entry| (instant(&entry["booked_at"]), entry["revision"].as_i64()));
    let mut balance = cents(&text(&books["opening"]));
    let with_balance = entries.into_iter().map(|entry| {
        let amount = cents(&text(&entry["amount"]));
        let change = if entry["type"] == "debit" { -amount } else { amount };
        balance += change;
        (entry, change, balance)
    });
    let with_balance: Vec<_> = with_balance.collect();
    assert_eq!(balance, cents(&text(&books["closing"])));
    with_balance
}

fn instant(value: &Value) -> DateTime<Utc> {
    text(value).parse().unwrap()
}

/// Every amount on a PDF, in the order of reading, in the currency's smallest unit. Without digits after the point only those of more than
/// three are told from other numbers.
fn amounts(shown: &str, digits: usize) -> Vec<i64> {
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_amount = |word: &String| {
        let unsigned = word.strip_prefix('-').unwrap_or(word);
        let (whole, part) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let mut groups = whole.split(',');
        let first = groups.next().is_some_and(are_digits);
        let others: Vec<&str> = groups.collect();
        let whole = first && others.iter().all(|group| group.len() == 3 && are_digits(group));
        whole
            && if digits == 0 {
                unsigned.len() > 3 && !others.is_empty()
            } else {
                part.len() == digits && are_digits(part)
            }
    };
    let words = shown.split_whitespace().map(|word| word.replace('\u{2212}', "-"));
    words.filter(is_amount).map(|word| cents(&word.replace(',', ""))).collect()
}

#[tokio::test]
async fn every_amount_on_a_pdf_is_what_the_api_says() {
    let closed = closed_bank().await;
    for (account, owner, month) in closed.statements() {
        let books = closed.books(account, month).await;
        let [opening, closing, debits, credits] =
            ["opening", "closing", "total_debits", "total_credits"].map(|name| cents(&text(&books[name])));
        let entries = running(&books);
        let mut expected = vec![opening, credits, debits, closing, opening];
        expected.extend(entries.iter().flat_map(|(_, change, balance)| [change.abs(), *balance]));
        expected.extend([debits, credits, closing]);
        let digits = text(&books["opening"]).split_once('.').map_or(0, |(_, part)| part.len());
        if digits == 0 {
            expected.retain(|amount| amount.abs() >= 1_000);
        }
        let pdf = file(&closed.daybook, account, month, "statement.pdf");
        let pdf = pdf.to_str().unwrap();
        let shown = said("pdftotext", &["-layout", pdf, "-"]);
        assert_eq!(amounts(&shown, digits), expected, "{account} {month}");

        let info = said("pdfinfo", &[pdf]);
        let pages = info.lines().find_map(|line| line.strip_prefix("Pages:"));
        let pages: usize = pages.unwrap().trim().parse().unwrap();
        assert_eq!(pages > 1, entries.len() > 40, "{pages} pages");
        assert!(info.contains("A4"));
        for words in ["Bank of Bohemia", &format!("Page {pages} of {pages}"), owner] {
            assert!(shown.contains(words), "'{words}' is not on it: {shown}");
        }
        // None is without embedded fonts.
        let fonts = said("pdffonts", &[pdf]);
        assert!(
            fonts.lines().skip(2).all(|line| line.contains(" yes ")) && fonts.lines().count() > 2,
            "{fonts}"
        );
    }
    // What was booked late changed what the statement says of those after it, and not what the API had said.
    let february = closed.books(&closed.account, "1993-02").await;
    let of_the_log = running(&february)
        .into_iter()
        .map(|(entry, _, balance)| (balance, cents(&text(&entry["balance_after"]))));
    assert_eq!(of_the_log.filter(|(by_time, by_log)| by_time != by_log).count(), 2);
}

#[tokio::test]
async fn a_csv_says_what_the_api_says() {
    let closed = closed_bank().await;
    for (account, _, month) in closed.statements() {
        let books = closed.books(account, month).await;
        let csv = std::fs::read_to_string(file(&closed.daybook, account, month, "statement.csv")).unwrap();
        let lines: Vec<Vec<&str>> = csv.lines().skip(1).map(|line| line.split(',').collect()).collect();
        let [first, entries @ .., last] = &lines[..] else { panic!("{csv}") };
        for (line, kind, balance) in [(first, "opening", "opening"), (last, "closing", "closing")] {
            assert_eq!((line[3], line[4]), (books["currency"].as_str().unwrap(), kind));
            assert_eq!(line[12], books[balance], "{account} {month}");
        }
        let running = running(&books);
        assert_eq!(entries.len(), running.len());
        for (line, (entry, change, balance)) in entries.iter().zip(running) {
            let amount = text(&entry["amount"]);
            let sign = if change < 0 { "-" } else { "" };
            assert_eq!(
                (line[11], cents(line[12])),
                (&*format!("{sign}{amount}"), balance),
                "{account} {month}"
            );
            assert_eq!(format!("{account}-{}", line[6]), entry["id"]);
            assert_eq!((line[7], line[8]), (&*text(&entry["transfer_id"]), &*text(&entry["reference"])));
            assert_eq!(DateTime::parse_from_rfc3339(line[5]).unwrap(), instant(&entry["booked_at"]));
        }
    }
    let path = file(&closed.daybook, &closed.account, "1993-02", "statement.csv");
    let february = std::fs::read_to_string(path).unwrap();
    for time in [
        "opening,1993-02-01T00:00:00+01:00",
        "credit,1993-02-01T00:00:00+01:00",
        "closing,1993-02-28T23:59:59+01:00",
    ] {
        assert!(february.contains(time), "{february}");
    }
}

#[tokio::test]
async fn a_camt053_is_valid_and_says_what_the_api_says() {
    let closed = closed_bank().await;
    let dir = tempfile::tempdir().unwrap();
    for (account, _, month) in closed.statements() {
        let xml = file(&closed.daybook, account, month, "statement.xml");
        std::fs::copy(xml, dir.path().join(format!("{account}-{month}.xml"))).unwrap();
    }
    // Validated by the official schema, then read by a parser of others.
    let found = tools::python("camt053.py", dir.path());
    let found: Vec<Value> = found.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(found.len(), closed.accounts.len() * MONTHS.len());
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
        let entries = running(&books).into_iter().map(|(entry, change, _)| {
            let sign = if change < 0 { "-" } else { "" };
            json!({ "id": entry["id"], "amount": format!("{sign}{}", text(&entry["amount"])), "transfer": entry["transfer_id"],
                    "reference": entry["reference"], "counterparty": entry["counterparty"], "at": instant(&entry["booked_at"]) })
        });
        let read = found["entries"].as_array().unwrap().iter().map(|entry| {
            json!({ "id": entry["id"], "amount": entry["amount"], "transfer": entry["transfer"], "reference": entry["reference"],
                    "counterparty": entry["counterparty"], "at": instant(&entry["booked_at"]) })
        });
        assert_eq!(entries.collect::<Vec<_>>(), read.collect::<Vec<_>>(), "{account} {month}");
    }
}
