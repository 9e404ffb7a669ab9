//! What was answered, held to the log.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::Value;

use super::books::Books;
use super::reads;
use super::transfer::Transfer;
use crate::harness::{Answer, Exchange, cents};

/// Everything that is wrong with the answers.
pub(super) fn faults(books: &Books, exchanges: &[Exchange]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut wishes: BTreeMap<(&str, &str), Vec<&Exchange>> = BTreeMap::new();
    for exchange in exchanges {
        let fault = match (&exchange.body["idempotency_key"], &exchange.answer) {
            (Value::String(key), _) => {
                wishes.entry((&exchange.path, key)).or_default().push(exchange);
                Ok(())
            }
            (_, Some(answer)) if exchange.method == Method::GET => reads::is_true(books, exchange, answer),
            (_, Some(answer)) => had_effect(books, exchange, answer),
            (_, None) => Ok(()),
        };
        faults.extend(fault.err().map(|fault| format!("{}: {fault}", told(exchange))));
    }
    for ((_, key), asked) in &wishes {
        if let Err(fault) = became_one_transfer(books, key, asked) {
            let asked: Vec<_> = asked.iter().map(|exchange| told(exchange)).collect();
            faults.push(format!("{fault}:\n  {}", asked.join("\n  ")));
        }
    }
    faults
}

/// One line about an exchange.
fn told(Exchange { method, path, body, at, answer }: &Exchange) -> String {
    let answer = answer.as_ref().map_or("no answer".to_owned(), |answer| {
        let replayed = if answer.is_replayed() { "again " } else { "" };
        format!("{replayed}{} {}", answer.status, answer.body)
    });
    format!("{method} {path} {body} at {at}: {answer}")
}

/// Everything that was asked under one key.
fn became_one_transfer(books: &Books, key: &str, asked: &[&Exchange]) -> Result<(), String> {
    let answered = asked.iter().filter_map(|exchange| Some((*exchange, exchange.answer.as_ref()?)));
    let (taken, others): (Vec<_>, Vec<_>) = answered.partition(|(_, answer)| id(answer).is_some());
    let in_log: Vec<_> =
        books.transfers.iter().filter(|(_, transfer)| transfer.reference.as_deref() == Some(key)).collect();
    if in_log.len() > 1 {
        return Err(format!("the log has it {} times", in_log.len()));
    }
    let Some((_, first)) = taken.first() else {
        // An answer that stayed out, or "not now", promises nothing. A "no" does, and nobody is told of another's transfer when there is none.
        let refused =
            !others.is_empty() && others.iter().all(|(_, answer)| (400..500).contains(&answer.status));
        let all_refused = refused && others.len() == asked.len();
        let made = all_refused && !in_log.is_empty();
        return if made { Err("it was refused, and is in the log".to_owned()) } else { Ok(()) };
    };
    let id = id(first).unwrap_or_default();
    let transfer = books.transfers.get(id).ok_or("it was answered, and is not in the log")?;
    if in_log.first().is_some_and(|(other, _)| *other != id) {
        return Err(format!("another transfer is in the log: {in_log:?}"));
    }
    if taken.iter().filter(|(_, answer)| !answer.is_replayed()).count() > 1 {
        return Err("more than one answer says that it is the first".to_owned());
    }
    let mut finals = taken.iter().map(|(_, answer)| said(answer)).filter(|said| said.3 != "pending");
    let pending = taken.iter().any(|(_, answer)| said(answer).3 == "pending");
    let last = finals.next();
    let same =
        finals.all(|said| Some(said) == last) && !(pending && last.is_some() && !is_cash(&taken[0].0.path));
    if !same || taken.iter().any(|(_, answer)| self::id(answer) != Some(id)) {
        return Err("the answers differ".to_owned());
    }
    for (exchange, answer) in &taken {
        if !asks_for(exchange, transfer) {
            return Err(format!("the log has another wish: {transfer:?}"));
        }
        is_kept(transfer, exchange, answer)?;
        if answer.status == 400 && transfer.status() == "rejected" && !answer.is_replayed() {
            was_so(books, transfer, exchange.at, answer.position())?;
        }
    }
    match others.iter().find(|(exchange, answer)| answer.status == 409 && asks_for(exchange, transfer)) {
        Some(_) => Err("it was called another wish, and is the one in the log".to_owned()),
        None => Ok(()),
    }
}

/// Whether what an answer says became true, at the position it named or before.
fn is_kept(transfer: &Transfer, exchange: &Exchange, answer: &Answer) -> Result<(), String> {
    let (status, _, code, state) = said(answer);
    let by = answer.position();
    let reached = |stage| transfer.reached(stage).is_some_and(|position| position <= by);
    let kept = match (status, state) {
        (202, "pending") => reached("debited") && transfer.has_ended(),
        (202, "completed") => reached("completed"),
        (400, _) if is_cash(&exchange.path) => reached("rejected") || reached("failed"),
        (400, _) => reached("rejected"),
        _ => false,
    };
    if !kept || (status == 400 && transfer.reason.as_deref() != Some(code)) {
        return Err(format!("the log does not have it so: {transfer:?}"));
    }
    Ok(())
}

/// Whether the reason of a refusal was true at a time between the question and the answer.
fn was_so(books: &Books, transfer: &Transfer, from: u64, to: u64) -> Result<(), String> {
    let reason = transfer.reason.as_deref().unwrap_or_default();
    let source = books.accounts.get(&transfer.from).ok_or("its source is not in the log")?;
    let mut between = source.states_from(from).iter().take_while(|(began, _)| *began <= to);
    if between.any(|(_, state)| state.refuses(reason, transfer.amount)) {
        return Ok(());
    }
    Err(format!("the account never was like that between {from} and {to}"))
}

fn id(answer: &Answer) -> Option<&str> {
    answer.body["transfer_id"].as_str()
}

/// What must be the same in each answer. The position is where the transfer can be seen, and may be any from there on.
fn said(answer: &Answer) -> (u16, Option<&str>, &str, &str) {
    let text = |member: &str| answer.body[member].as_str().unwrap_or_default();
    (answer.status, id(answer), text("code"), text("status"))
}

/// Deposits and withdrawals are waited for, but not for ever: their first answer may be that they are under way.
fn is_cash(path: &str) -> bool {
    path.ends_with("/deposits") || path.ends_with("/withdrawals")
}

fn asks_for(exchange: &Exchange, transfer: &Transfer) -> bool {
    let body = &exchange.body;
    let account = exchange.path.split('/').nth(4).unwrap_or_default();
    let fits = match exchange.path.rsplit('/').next() {
        Some("deposits") => transfer.to == account,
        Some("withdrawals") => transfer.from == account,
        _ => transfer.from == account && body["to_account"].as_str().is_none_or(|to| transfer.to == to),
    };
    fits && body["amount"].as_str().is_some_and(|amount| cents(amount) == transfer.amount)
        && body["currency"] == transfer.currency
}

/// A command that is not about money.
fn had_effect(books: &Books, exchange: &Exchange, answer: &Answer) -> Result<(), String> {
    let had = |account: &Value, change: &dyn Fn(&super::account::State) -> bool| {
        let account = account.as_str().and_then(|id| books.accounts.get(id));
        let states = account.map(|account| account.states.as_slice()).unwrap_or_default();
        states.iter().any(|(began, state)| *began <= answer.position() && change(state))
    };
    let id = &answer.body["account_id"];
    let kept = match (answer.status, exchange.path.rsplit('/').next()) {
        (201, Some("accounts")) => had(id, &|_| true),
        (200, Some("freeze")) => had(id, &|state| state.status == "frozen"),
        (200, Some("close")) => had(id, &|state| state.status == "closed"),
        (200, Some("overdraft-limit")) => had(id, &|state| {
            exchange.body["amount"].as_str().is_some_and(|limit| cents(limit) == state.limit)
        }),
        _ => true,
    };
    if kept && answer.position() <= books.head { Ok(()) } else { Err("it is not in the log".to_owned()) }
}
