//! A bank moves in with its history.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use crate::harness::{Daybook, run, shared, text};

const HEADER: &str = "transaction_id,account_id,booked_on,direction,amount,currency,operation,purpose,counterparty_bank,counterparty_account,balance_after";

/// Two accounts over two months; the second ends overdrawn, as the bank had it.
const ROWS: [&str; 9] = [
    "j1,journey-1,1993-01-01,credit,700.00,CZK,cash_deposit,,,,700.00",
    "j2,journey-2,1993-01-03,credit,800.00,CZK,transfer_in,pension,IJ,6149286,800.00",
    "j3,journey-1,1993-01-05,debit,30.50,CZK,transfer_out,household,YZ,87144583,669.50",
    "j4,journey-2,1993-01-31,credit,2.10,CZK,interest,interest_credited,,,802.10",
    "j5,journey-2,1993-02-01,debit,900.00,CZK,cash_withdrawal,,,,-97.90",
    "j6,journey-1,1993-02-01,debit,14.60,CZK,cash_withdrawal,statement_fee,,,654.90",
    "j7,journey-2,1993-02-28,debit,0.10,CZK,cash_withdrawal,penalty_interest,,,-98.00",
    "j8,journey-1,1993-02-28,debit,654.90,CZK,card_withdrawal,,,,0.00",
    "j9,journey-1,1993-02-28,credit,1.00,CZK,cash_deposit,,,,1.00",
];

fn file(daybook: &Daybook, name: &str, rows: &[&str]) -> PathBuf {
    let path = daybook.dir().join(name);
    fs::write(&path, format!("{HEADER}\n{}\n", rows.join("\n"))).unwrap();
    path
}

async fn import(daybook: &Daybook, path: &Path, more: &[&str]) -> Output {
    let (url, dir) = (daybook.url(), daybook.dir().to_str().unwrap().to_owned());
    let mut arguments = vec!["import", path.to_str().unwrap(), "--url", &url, "--data-dir", &dir];
    arguments.extend(more);
    run(&arguments).await
}

#[track_caller]
fn report(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn a_banks_history_is_imported_to_the_cent_and_once() {
    let daybook = shared().await;
    let bank = daybook.auditor().await;
    let path = file(&daybook, "history.csv", &ROWS);

    let first = report(&import(&daybook, &path, &["--verify", "--json"]).await);
    assert_eq!((&first["import"]["booked"], &first["import"]["accounts_opened"]), (&json!(9), &json!(2)));
    assert_eq!(
        (&first["verify"]["transactions"], &first["verify"]["overdrawn"], &first["verify"]["differences"]),
        (&json!(9), &json!(1), &json!([]))
    );
    let again = report(&import(&daybook, &path, &["--verify", "--json"]).await);
    assert_eq!((&again["import"]["booked"], &again["import"]["already_booked"]), (&json!(0), &json!(9)));
    assert_eq!(again["import"]["accounts_opened"], 0);
    // For people, too.
    let said = import(&daybook, &path, &["--verify-only"]).await;
    assert!(said.status.success(), "{said:?}");
    assert!(String::from_utf8_lossy(&said.stdout).contains("all as in the file"), "{said:?}");

    // Not only by its own word.
    for account in ["journey-1", "journey-2"] {
        let data = bank
            .graphql(
                "query($reference: String!) { account(reference: $reference) {
                    id balance { amount }
                    january: monthlyTotals(month: \"1993-01\") { opening closing totalDebits totalCredits count }
                    february: monthlyTotals(month: \"1993-02\") { opening closing totalDebits totalCredits count }
                    newYear: balanceAt(time: \"1993-01-31T23:59:59Z\") { amount } } }",
                json!({ "reference": account }),
            )
            .await;
        let data = &data["account"];
        let rows: Vec<Vec<&str>> = ROWS
            .iter()
            .map(|row| row.split(',').collect())
            .filter(|row: &Vec<_>| row[1] == account)
            .collect();
        let entries = bank.entries(&text(&data["id"])).await;
        assert_eq!(entries.len(), rows.len());
        for (row, entry) in rows.iter().zip(&entries) {
            assert_eq!(entry["reference"], row[0]);
            assert_eq!(entry["type"], row[3].to_uppercase());
            assert_eq!(
                (&entry["amount"], &entry["balanceAfter"]),
                (&json!(row[4]), &json!(row[10])),
                "{row:?}"
            );
        }
        let month = |opening: &str, closing: &str, debits: &str, credits: &str, count: u32| json!({ "opening": opening, "closing": closing, "totalDebits": debits, "totalCredits": credits, "count": count });
        let (january, february) = match account {
            "journey-1" => {
                (month("0.00", "669.50", "30.50", "700.00", 2), month("669.50", "1.00", "669.50", "1.00", 3))
            }
            _ => {
                (month("0.00", "802.10", "0.00", "802.10", 2), month("802.10", "-98.00", "900.10", "0.00", 2))
            }
        };
        assert_eq!((&data["january"], &data["february"]), (&january, &february));
        assert_eq!(data["newYear"]["amount"], january["closing"]);
        assert_eq!(data["balance"]["amount"], february["closing"]);
    }
    // No other journey has crowns.
    let sums = bank.trial_balance().await;
    let crowns = sums.as_array().unwrap().iter().find(|sum| sum["currency"] == "CZK").unwrap();
    assert_eq!(
        *crowns,
        json!({ "currency": "CZK", "customers": "-97.00", "settlement": "97.00", "inTransit": "0.00", "total": "0.00" })
    );
}

#[tokio::test]
async fn a_bad_row_is_named_and_nothing_of_its_file_is_sent() {
    let daybook = shared().await;
    let bank = daybook.auditor().await;
    let good = "bad1,journey-bad,1993-01-01,credit,700.00,CZK,cash_deposit,,,,700.00";
    for (row, reason) in [
        ("bad2,journey-bad,1993-01-02,credit,1.00,CZK,cash_deposit,,,,700.00", "balance_after"),
        ("bad2,journey-bad,1993-01-02,credit,1.0,CZK,cash_deposit,,,,701.00", "amount"),
        ("bad2,journey-bad,1993-02-30,credit,1.00,CZK,cash_deposit,,,,701.00", "booked_on"),
        ("bad1,journey-bad,1993-01-02,credit,1.00,CZK,cash_deposit,,,,701.00", "transaction_id"),
        ("bad2,journey-bad,1993-01-02,credit,1.00,CZK,cash_deposit", "columns"),
    ] {
        let path = file(&daybook, "bad.csv", &[good, row]);
        let output = import(&daybook, &path, &[]).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        for words in ["line 3", reason, "Nothing was sent."] {
            assert!(said.contains(words), "{row}: '{words}' is not in: {said}");
        }
    }
    let found = bank.graphql("{ account(reference: \"journey-bad\") { id } }", Value::Null).await;
    assert_eq!(found["account"], Value::Null);

    // A file that is not as the ledger has it is found out.
    let moved_in =
        file(&daybook, "moved-in.csv", &["d1,journey-d,1993-01-01,credit,5.00,PLN,cash_deposit,,,,5.00"]);
    report(&import(&daybook, &moved_in, &["--json"]).await);
    let changed =
        file(&daybook, "changed.csv", &["d1,journey-d,1993-01-01,credit,6.00,PLN,cash_deposit,,,,6.00"]);
    let output = import(&daybook, &changed, &["--verify-only", "--json"]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(!found["verify"]["differences"].as_array().unwrap().is_empty(), "{found}");
    let output = import(&daybook, &changed, &[]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("idempotency_key_reused"), "{output:?}");
}
