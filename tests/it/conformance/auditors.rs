//! The programs of `docs/auditors.md`, on a ledger in which something happened.

use std::path::Path;

use super::foreign::Foreign;
use crate::harness::{Client, log_client, shared};

#[allow(dead_code, unreachable_pub, clippy::print_stdout, reason = "a program of its own, shown to auditors")]
#[path = "../../clients/rust/audit.rs"]
mod program;

/// Money went from one account to another, and came back from a closed one. Both accounts and the last transfer.
async fn ledger(bank: &Client) -> ([String; 2], String) {
    let (from, to) = (bank.open_with_euros("20.00").await, bank.open("EUR").await);
    let closed = bank.open("EUR").await;
    bank.command(&closed, "close").await.is(200);
    let good = bank.transfer("audited-good", &from, &to, "7.50").await.transfer_id();
    assert_eq!(bank.ended(&good).await["status"], "completed");
    let failed = bank.transfer("audited-failed", &from, &closed, "2.00").await.transfer_id();
    assert_eq!(bank.ended(&failed).await["status"], "failed");
    ([from, to], failed)
}

/// Where a daybook says that its log is.
fn log_url(said: &str) -> String {
    let url = said.split_whitespace().rfind(|word| word.starts_with("esdb://")).expect("the log's address");
    url.replacen("esdb", "kurrentdb", 1)
}

/// The stream of the transfer that an account's last event belongs to.
async fn stream_of_last(url: &str, account: &str) -> String {
    let options = eventstore::ReadStreamOptions::default().position(eventstore::StreamPosition::End);
    let stream = format!("account-{account}");
    let mut read = log_client(url).read_stream(stream, &options).await.unwrap();
    let event = read.next().await.unwrap().unwrap();
    let metadata: serde_json::Value =
        serde_json::from_slice(&event.get_original_event().custom_metadata).unwrap();
    metadata["$correlationId"].as_str().unwrap().to_owned()
}

/// Whether a program told the balances and the transfer from its request to its end.
fn tells(said: &str, [from, to]: &[String; 2], transfer: &str) {
    for balance in [format!("account-{from} 12.50"), format!("account-{to} 7.50")] {
        assert!(said.lines().any(|line| line == balance), "{balance} is missing:\n{said}");
    }
    let of_transfer: Vec<_> = said.lines().filter_map(|line| line.split(' ').nth(3)).collect();
    let course = ["TransferRequested", "AccountDebited", "CreditRefused", "DebitReversed", "TransferFailed"];
    assert_eq!(of_transfer, course, "{transfer}:\n{said}");
}

#[tokio::test]
async fn an_auditor_proves_the_balances_in_every_language() {
    let daybook = shared().await;
    let bank = daybook.operator("audited").await;
    let (accounts, _) = ledger(&bank).await;
    let url = log_url(&daybook.said());
    let transfer = stream_of_last(&url, &accounts[0]).await;
    tells(&Foreign::Python.run("audit.py", &[&url, &transfer]).await, &accounts, &transfer);
    tells(&Foreign::Node.run("audit.mjs", &[&url, &transfer]).await, &accounts, &transfer);
    tells(&program::audit(&url, Some(&transfer)).await.unwrap().join("\n"), &accounts, &transfer);
}

#[test]
fn the_programs_stand_in_the_document_as_they_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = std::fs::read_to_string(root.join("../docs/auditors.md")).unwrap();
    for (language, file) in
        [("python", "python/audit.py"), ("js", "node/audit.mjs"), ("rust", "rust/audit.rs")]
    {
        let program = std::fs::read_to_string(root.join("clients").join(file)).unwrap();
        let block = format!("```{language}\n{program}```\n");
        assert!(document.contains(&block), "docs/auditors.md shows another {file}");
    }
}
