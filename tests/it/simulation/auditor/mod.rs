//! The auditor: a second, simple bookkeeper, who reads event names and JSON and shares nothing with the program but those.

mod answers;
mod books;
mod event;

use std::collections::BTreeMap;

use eventstore_node::RecordedEvent;

pub(super) use answers::{Answer, Asked};
pub(super) use books::{Account, Books, Entry, Status, Transfer};
pub(super) use event::{Event, read};

use super::counts::{Counts, Kind};

/// What should never have happened, in words.
pub(super) type Violations = Vec<String>;

/// Checks a whole log, and everything anybody was told about it.
pub(super) fn audit(events: &[Event], asked: &[Asked], violations: &mut Violations) -> Books {
    let mut books = Books::default();
    for event in events {
        books.enter(event, violations);
    }
    books.close(violations);
    answers::check(&books, asked, violations);
    books
}

/// Transfers that were requested and have not ended.
pub(super) fn open_transfers(events: &[RecordedEvent]) -> usize {
    let mut lengths: BTreeMap<&str, usize> = BTreeMap::new();
    for event in events.iter().filter(|event| event.stream.starts_with("transfer-")) {
        *lengths.entry(&event.stream).or_default() += 1;
    }
    lengths.into_values().filter(|length| *length == 1).count()
}

/// Transfers that wait for an operator, each with what one said of it before.
pub(super) fn parked(recorded: &[RecordedEvent]) -> BTreeMap<String, Option<String>> {
    let letters: Vec<_> =
        recorded.iter().filter(|event| event.stream.starts_with("deadletter-")).cloned().collect();
    let (mut parked, mut said) = (BTreeMap::new(), BTreeMap::new());
    for event in read(&letters) {
        let id = event.text("transfer_id").to_owned();
        match event.name.as_str() {
            "TransferParked" => {
                parked.insert(id.clone(), said.get(&id).cloned());
            }
            "ParkedTransferResolved" => {
                said.insert(id.clone(), event.text("resolution").to_owned());
                parked.remove(&id);
            }
            _ => {
                parked.remove(&id);
            }
        }
    }
    parked
}

/// Counts how transfers ended, and what operators did about them.
pub(super) fn count(events: &[Event], counts: &Counts) {
    for event in events {
        match event.name.as_str() {
            "TransferCompleted" => counts.add(Kind::TransferCompleted),
            "TransferFailed" => counts.add(Kind::TransferFailed),
            "TransferRejected" => counts.add(Kind::TransferRejected),
            "TransferParked" => counts.add(Kind::TransferParked),
            "ParkedTransferRetried" => counts.add(Kind::ParkedRetried),
            "ParkedTransferResolved" if event.text("resolution") == "refund" => {
                counts.add(Kind::ParkedRefunded);
            }
            "ParkedTransferResolved" => counts.add(Kind::ParkedCompleted),
            "ReversalWaived" => counts.add(Kind::ReversalWaived),
            "AccountCredited" if event.data["forced"] == true => counts.add(Kind::CreditForced),
            _ => {}
        }
    }
}

/// Counts what process managers and accounts wrote for themselves.
pub(super) fn count_bookkeeping(recorded: &[RecordedEvent], counts: &Counts) {
    let mut holders: BTreeMap<&str, &[u8]> = BTreeMap::new();
    for event in recorded {
        if event.stream.starts_with("$lease-") {
            let before = holders.insert(&event.stream, &event.data);
            if before.is_some_and(|before| *before != *event.data) {
                counts.add(Kind::Takeover);
            }
        } else if event.stream.starts_with("$snapshot-") {
            counts.add(Kind::Snapshot);
        }
    }
}

/// Counts, when a process has crashed, where the transfers under way stand.
pub(super) fn count_gaps(recorded: &[RecordedEvent], counts: &Counts) {
    let latest = read(recorded.get(recorded.len().saturating_sub(60)..).unwrap_or_default());
    let mut last: BTreeMap<String, Kind> = BTreeMap::new();
    for event in &latest {
        let kind = match event.name.as_str() {
            "TransferRequested" => Kind::CrashAfterRequest,
            "AccountDebited" => Kind::CrashAfterDebit,
            "DebitRefused" => Kind::CrashAfterDebitRefusal,
            "AccountCredited" => Kind::CrashAfterCredit,
            "CreditRefused" => Kind::CrashAfterCreditRefusal,
            "DebitReversed" => Kind::CrashAfterReversal,
            "TransferCompleted" | "TransferFailed" | "TransferRejected" => {
                last.remove(event.text("transfer_id"));
                continue;
            }
            _ => continue,
        };
        last.insert(event.text("transfer_id").to_owned(), kind);
    }
    for kind in last.into_values() {
        counts.add(kind);
    }
}
