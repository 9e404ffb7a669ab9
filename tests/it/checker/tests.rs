//! The checker finds what is wrong: each of these spoils one thing of a small log, or of what was answered about it.

use std::collections::HashMap;

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::answers;
use super::books::Books;
use super::log::LogEvent;
use crate::harness::{Answer, Exchange};

type Told = (String, &'static str, Value);

fn money(amount: &str) -> Value {
    json!({ "amount": amount, "currency": "EUR" })
}

fn opened(account: &str, kind: &str) -> Told {
    let data =
        json!({ "account_id": account, "kind": kind, "currency": "EUR", "overdraft_limit": money("0.00") });
    (format!("account-{account}"), "AccountOpened", data)
}

fn requested(id: &str, from: &str, to: &str, amount: &str) -> Told {
    let data = json!({ "transfer_id": id, "from": from, "to": to, "amount": money(amount), "reference": format!("key-{id}") });
    (format!("transfer-{id}"), "TransferRequested", data)
}

fn leg(name: &'static str, id: &str, account: &str, counterparty: &str, amount: &str, after: &str) -> Told {
    let data = json!({ "transfer_id": id, "counterparty": counterparty, "amount": money(amount), "balance_after": money(after),
                       "reason": if name == "DebitReversed" { Some("account_frozen") } else { None } });
    (format!("account-{account}"), name, data)
}

fn refused(
    name: &'static str,
    id: &str,
    account: &str,
    counterparty: &str,
    amount: &str,
    reason: &str,
) -> Told {
    let data =
        json!({ "transfer_id": id, "counterparty": counterparty, "amount": money(amount), "reason": reason });
    (format!("account-{account}"), name, data)
}

fn ended(name: &'static str, id: &str, reason: Option<&str>) -> Told {
    (format!("transfer-{id}"), name, json!({ "transfer_id": id, "reason": reason }))
}

/// 10.00 in cash onto account 1, 4.00 of it to account 2, 1.00 to the frozen account 3 and back, and 50.00 that are not there.
fn ledger() -> Vec<Told> {
    vec![
        opened("1978", "settlement"),
        opened("1", "checking"),
        opened("2", "checking"),
        opened("3", "checking"),
        ("account-3".to_owned(), "AccountFrozen", json!({})),
        requested("10", "1978", "1", "10.00"),
        leg("AccountDebited", "10", "1978", "1", "10.00", "-10.00"),
        leg("AccountCredited", "10", "1", "1978", "10.00", "10.00"),
        ended("TransferCompleted", "10", None),
        requested("11", "1", "2", "4.00"),
        leg("AccountDebited", "11", "1", "2", "4.00", "6.00"),
        leg("AccountCredited", "11", "2", "1", "4.00", "4.00"),
        ended("TransferCompleted", "11", None),
        requested("12", "1", "3", "1.00"),
        leg("AccountDebited", "12", "1", "3", "1.00", "5.00"),
        refused("CreditRefused", "12", "3", "1", "1.00", "account_frozen"),
        leg("DebitReversed", "12", "1", "3", "1.00", "6.00"),
        ended("TransferFailed", "12", Some("account_frozen")),
        requested("13", "1", "2", "50.00"),
        ended("TransferRejected", "13", Some("insufficient_funds")),
    ]
}

/// The place of an event in [`ledger`].
fn place(name: &str, id: &str) -> usize {
    let about = |told: &Told| told.1 == name && told.2["transfer_id"] == id;
    ledger().iter().position(about).unwrap()
}

/// As a log has it: the event at place n stands at position 100 (n + 1).
fn books(ledger: Vec<Told>) -> Books {
    let mut revisions: HashMap<String, u64> = HashMap::new();
    let mut books = Books::default();
    for (place, (stream, name, data)) in (1..).zip(ledger) {
        let revision = revisions.entry(stream.clone()).or_default();
        let metadata = json!({ "booked_at": "2026-11-26T10:00:00Z" });
        books.learn(&LogEvent {
            position: place * 100,
            stream,
            revision: *revision,
            name: name.to_owned(),
            data,
            metadata,
        });
        *revision += 1;
    }
    books
}

fn position(name: &str, id: &str) -> u64 {
    (place(name, id) as u64 + 1) * 100
}

#[track_caller]
fn finds(spoil: impl FnOnce(&mut Vec<Told>), fault: &str) {
    let mut ledger = ledger();
    spoil(&mut ledger);
    let found = books(ledger);
    assert!(
        found.faults().iter().any(|found| found.contains(fault)),
        "{fault:?} is not in {:#?}",
        found.faults()
    );
}

#[test]
fn a_good_log_has_no_faults() {
    let books = books(ledger());
    assert_eq!(books.faults(), [""; 0]);
    assert_eq!(books.under_way().count(), 0);
    let balances: Vec<_> = books.accounts.values().map(|account| account.state().balance).collect();
    assert_eq!(balances, [600, -1000, 400, 0]);
}

#[test]
fn whatever_is_wrong_with_a_log_is_found() {
    let credit = leg("AccountCredited", "11", "2", "1", "4.00", "8.00");
    finds(|log| log.insert(place("TransferCompleted", "11"), credit), "its transfer was credited before it");
    finds(|log| drop(log.remove(place("AccountDebited", "11"))), "its transfer was requested before it");
    finds(|log| drop(log.remove(place("AccountCredited", "11"))), "its transfer was debited before it");
    finds(|log| drop(log.remove(place("CreditRefused", "12"))), "its transfer was debited before it");
    finds(|log| drop(log.remove(place("DebitReversed", "12"))), "its transfer was credit refused before it");
    finds(|log| drop(log.remove(place("TransferRequested", "11"))), "nobody asked for its transfer");
    let untrue = refused("CreditRefused", "11", "2", "1", "4.00", "account_frozen");
    finds(|log| log[place("AccountCredited", "11")] = untrue, "the account is State");
    let balance_after =
        |log: &mut Vec<Told>, place: usize, amount| log[place].2["balance_after"] = money(amount);
    finds(|log| balance_after(log, place("AccountDebited", "11"), "6.01"), "the balance was 1000 before it");
    let amount = |log: &mut Vec<Told>, place: usize| log[place].2["amount"] = money("3.00");
    finds(|log| amount(log, place("AccountCredited", "11")), "it is not what was asked for");
    let to_frozen = leg("AccountCredited", "12", "3", "1", "1.00", "1.00");
    finds(|log| log[place("CreditRefused", "12")] = to_frozen, "the account was frozen");
    let beyond = leg("AccountDebited", "13", "1", "2", "50.00", "-44.00");
    finds(|log| log.insert(place("TransferRejected", "13"), beyond), "the account may go down to -0");
    finds(|log| log.push(("account-1".to_owned(), "AccountClosed", json!({}))), "with 600 on it");
    let reason =
        |log: &mut Vec<Told>| log[place("TransferFailed", "12")].2["reason"] = json!("account_closed");
    finds(reason, "the reason was account_frozen before");
}

#[test]
fn a_log_with_a_gap_is_found() {
    let mut books = books(ledger());
    let event = |position, revision| LogEvent {
        position,
        stream: "account-3".to_owned(),
        revision,
        name: "AccountUnfrozen".to_owned(),
        data: json!({}),
        metadata: json!({}),
    };
    books.learn(&event(9_000, 4));
    books.learn(&event(8_000, 3));
    let faults = books.faults();
    assert!(faults[0].contains("the next revision of its stream is 3"), "{faults:?}");
    assert!(faults[1].contains("the log had come to 9000 before it"), "{faults:?}");
}

fn asked(id: &str, to: &str, amount: &str, answer: Option<Answer>) -> Exchange {
    let key = format!("key-{id}");
    Exchange {
        method: Method::POST,
        path: "/api/v1/transactions/1/account".to_owned(),
        body: json!({ "idempotency_key": key, "reference": key, "to_account": to, "amount": amount, "currency": "EUR" }),
        at: 0,
        answer,
    }
}

fn answer(status: u16, body: Value) -> Option<Answer> {
    Some(Answer { status, headers: HeaderMap::new(), body })
}

fn again(answer: Option<Answer>) -> Option<Answer> {
    let mut answer = answer.unwrap();
    answer.headers.insert("idempotent-replayed", "true".parse().unwrap());
    Some(answer)
}

fn accepted(id: &str, position: u64) -> Option<Answer> {
    answer(202, json!({ "transfer_id": id, "status": "pending", "position": position }))
}

fn rejected(id: &str, code: &str, position: u64) -> Option<Answer> {
    answer(400, json!({ "transfer_id": id, "code": code, "position": position }))
}

fn read(path: &str, at: u64, status: u16, body: Value) -> Exchange {
    let method = Method::GET;
    Exchange { method, path: format!("/api/v1/{path}"), body: Value::Null, at, answer: answer(status, body) }
}

fn account(balance: &str, available: &str, in_transit: &str) -> Value {
    json!({ "status": "open", "balance": balance, "available": available, "in_transit": in_transit, "overdraft_limit": "0.00" })
}

#[test]
fn true_answers_have_no_faults() {
    let debit = position("AccountDebited", "11");
    let end = position("TransferRejected", "13");
    let exchanges = [
        asked("11", "2", "4.00", None),
        asked("11", "2", "4.00", accepted("11", debit)),
        asked("11", "2", "4.00", again(accepted("11", end))),
        asked("11", "2", "4.01", answer(409, json!({ "code": "idempotency_key_reused" }))),
        asked("13", "2", "50.00", answer(503, json!({}))),
        asked("13", "2", "50.00", rejected("13", "insufficient_funds", end)),
        asked("never", "2", "1.00", None),
        read("accounts/1", debit, 200, account("6.00", "6.00", "4.00")),
        read("accounts/1", debit, 200, account("5.00", "5.00", "1.00")),
        read("transactions/12/status", 0, 404, json!({})),
        read("transactions/12/status", position("AccountDebited", "12"), 200, json!({ "status": "pending" })),
    ];
    assert_eq!(answers::faults(&books(ledger()), &exchanges), [""; 0]);
}

#[test]
fn whatever_is_wrong_with_an_answer_is_found() {
    let books = books(ledger());
    let finds = |exchanges: &[Exchange], fault: &str| {
        let faults = answers::faults(&books, exchanges);
        assert!(faults.len() == 1 && faults[0].contains(fault), "{fault:?} is not in {faults:#?}");
    };
    let (debit, end) = (position("AccountDebited", "11"), position("TransferRejected", "13"));
    let good = || asked("11", "2", "4.00", accepted("11", debit));
    finds(&[asked("14", "2", "4.00", accepted("14", debit))], "it was answered, and is not in the log");
    finds(&[asked("11", "2", "4.00", accepted("11", debit - 1))], "the log does not have it so");
    finds(&[asked("11", "2", "5.00", accepted("11", debit))], "the log has another wish");
    finds(&[asked("11", "2", "4.00", accepted("10", debit))], "another transfer is in the log");
    finds(&[good(), good()], "more than one answer says that it is the first");
    let other = again(rejected("11", "insufficient_funds", end));
    finds(&[good(), asked("11", "2", "4.00", other)], "the answers differ");
    let reused = answer(409, json!({ "code": "idempotency_key_reused" }));
    finds(&[good(), asked("11", "2", "4.00", reused)], "is the one in the log");
    finds(&[asked("13", "2", "50.00", accepted("13", end))], "the log does not have it so");
    finds(&[asked("13", "2", "50.00", rejected("13", "account_frozen", end))], "the log does not have it so");
    finds(
        &[asked("11", "2", "4.00", answer(400, json!({ "code": "account_not_found" })))],
        "and is in the log",
    );

    finds(&[read("accounts/1", debit, 200, account("10.00", "10.00", "0.00"))], "it never was so");
    finds(&[read("accounts/1", 0, 200, account("7.00", "7.00", "0.00"))], "it never was so");
    finds(&[read("accounts/1", end, 404, json!({}))], "it was there");
    finds(&[read("transactions/11/status", end, 200, json!({ "status": "pending" }))], "it never was so");
    finds(&[read("transactions/11/status", debit, 404, json!({}))], "it was there");
    let thawed = answer(200, json!({ "account_id": "1", "position": end }));
    let freeze = Exchange { path: "/api/v1/accounts/1/freeze".to_owned(), answer: thawed, ..good() };
    finds(&[Exchange { body: Value::Null, ..freeze }], "it is not in the log");
}

#[test]
fn a_wish_that_is_in_the_log_twice_is_found() {
    let mut ledger = ledger();
    let mut twin = requested("14", "1", "2", "50.00");
    twin.2["reference"] = json!("key-13");
    ledger.extend([twin, ended("TransferRejected", "14", Some("insufficient_funds"))]);
    let faults = answers::faults(&books(ledger), &[asked("13", "2", "50.00", None)]);
    assert!(faults.len() == 1 && faults[0].contains("the log has it 2 times"), "{faults:?}");
}

#[test]
fn a_refusal_for_what_was_not_so_any_more_is_found() {
    let mut ledger = ledger();
    let before = ledger.len() as u64 * 100;
    ledger.extend([
        requested("15", "1", "2", "3.00"),
        ended("TransferRejected", "15", Some("insufficient_funds")),
    ]);
    let refused = rejected("15", "insufficient_funds", before + 200);
    let asked = |at| Exchange { at, ..asked("15", "2", "3.00", refused.clone()) };
    let books = books(ledger);
    // It had nothing at first: whoever asked then may hear so late.
    assert_eq!(answers::faults(&books, &[asked(0)]), [""; 0]);
    let faults = answers::faults(&books, &[asked(before)]);
    assert!(faults.len() == 1 && faults[0].contains("the account never was like that"), "{faults:?}");
}
