//! What was read while things went wrong: it must have been true at the position that was named, or later.

use super::account::State;
use super::books::Books;
use crate::harness::{Answer, Exchange, cents};

pub(super) fn is_true(books: &Books, exchange: &Exchange, answer: &Answer) -> Result<(), String> {
    let parts: Vec<&str> = exchange.path.split('/').collect();
    match (parts.as_slice(), answer.status) {
        (["", "api", "v1", "accounts", id], 200 | 404) => account(books, id, exchange.at, answer),
        (["", "api", "v1", "transactions", id, "status"], 200 | 404) => {
            status(books, id, exchange.at, answer)
        }
        _ => Ok(()),
    }
}

fn account(books: &Books, id: &str, at: u64, answer: &Answer) -> Result<(), String> {
    let known = books.accounts.get(id);
    if answer.status == 404 {
        let hidden = known.is_some_and(|account| account.states[0].0 <= at);
        return if hidden { Err("it was there".to_owned()) } else { Ok(()) };
    }
    let states = known.ok_or("it is not in the log")?.states_from(at);
    if states.iter().any(|(_, state)| is_shown(state, answer)) {
        return Ok(());
    }
    Err(format!("it never was so from there on: {states:?}"))
}

/// Whether this is what a read route shows of an account.
pub(super) fn is_shown(state: &State, answer: &Answer) -> bool {
    let body = &answer.body;
    let amount = |member: &str| body[member].as_str().map(cents);
    let State { status, balance, limit, in_transit } = *state;
    body["status"] == status
        && amount("balance") == Some(balance)
        && amount("available") == Some(balance + limit)
        && amount("overdraft_limit") == Some(limit)
        && amount("in_transit") == Some(in_transit)
}

fn status(books: &Books, id: &str, at: u64, answer: &Answer) -> Result<(), String> {
    let known = books.transfers.get(id);
    if answer.status == 404 {
        let hidden = known.is_some_and(|transfer| transfer.stages[0].0 <= at);
        return if hidden { Err("it was there".to_owned()) } else { Ok(()) };
    }
    let transfer = known.ok_or("it is not in the log")?;
    if transfer.statuses_from(at).any(|status| answer.body["status"] == status) {
        return Ok(());
    }
    Err(format!("it never was so from there on: {transfer:?}"))
}
