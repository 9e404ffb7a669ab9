//! What clients were told, held against the log.

use std::collections::{BTreeMap, BTreeSet};

use super::Violations;
use super::books::{Books, Transfer};

/// A wish, and what came back.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) key: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) amount: i64,
    pub(crate) description: Option<String>,
    pub(crate) already_booked: bool,
    /// The log's end when it was asked.
    pub(crate) asked_after: u64,
    /// The log's end when it was answered.
    pub(crate) told_before: u64,
    pub(crate) answer: Answer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Receipt {
        transfer_id: String,
        status: String,
        position: u64,
        ended_at: Option<u64>,
    },
    Refused(String),
    Broken(String),
    /// None that the client heard.
    None,
}

pub(crate) fn check(books: &Books, asked: &[Asked], violations: &mut Violations) {
    let mut ids: BTreeMap<&str, &str> = BTreeMap::new();
    let mut keys: BTreeMap<&str, &str> = BTreeMap::new();
    for asked in asked {
        let before = violations.len();
        match &asked.answer {
            Answer::Receipt { transfer_id, .. } => {
                let same_id = ids.insert(&asked.key, transfer_id).is_none_or(|id| id == transfer_id);
                let same_key = keys.insert(transfer_id, &asked.key).is_none_or(|key| key == asked.key);
                if !same_id || !same_key {
                    violations.push("a key does not stand for one transfer".to_owned());
                }
                match books.transfers.get(transfer_id) {
                    Some(transfer) => asked.hold_against(transfer, violations),
                    None => violations.push("a receipt for a transfer that is not in the log".to_owned()),
                }
            }
            Answer::Refused(reason) => {
                let is_right = match reason.as_str() {
                    "same_account" => asked.from == asked.to,
                    "idempotency_key_reused" => true,
                    _ => false,
                };
                if !is_right {
                    violations.push("refused for nothing".to_owned());
                }
            }
            Answer::Broken(_) => violations.push("told that the ledger is broken".to_owned()),
            Answer::None => {}
        }
        for violation in violations.iter_mut().skip(before) {
            *violation = format!("{violation} ({asked:?})");
        }
    }
    check_reuse(&ids, asked, violations);
    check_origin(books, asked, violations);
    check_rejections(books, &ids, asked, violations);
}

impl Asked {
    fn hold_against(&self, transfer: &Transfer, violations: &mut Violations) {
        let Answer::Receipt { status, position, ended_at, .. } = &self.answer else { return };
        let mut accuse = |what: &str| violations.push(format!("{what}: {transfer:?}"));
        if !self.is_for(transfer) {
            accuse("a receipt for another wish");
        }
        if *position > self.told_before {
            accuse("a receipt names a place beyond the log");
        }
        let end = transfer.end.as_ref().map(|(how, reason, at)| match reason.as_str() {
            "" => ((*how).to_owned(), *at),
            reason => (format!("{how}: {reason}"), *at),
        });
        if status == "pending" {
            if transfer.debited.is_none_or(|debited| debited > *position) {
                accuse("told that it was debited, which it was not");
            }
            if end.is_some_and(|(_, at)| at <= self.asked_after) {
                accuse("told that it was pending when it had ended");
            }
        } else if end.is_none_or(|(how, at)| how != *status || at > self.told_before) {
            accuse("told of another end");
        }
        let real_end = transfer.end.as_ref().map(|(.., at)| *at);
        if ended_at.is_some_and(|at| Some(at) != real_end) {
            accuse("told of an end elsewhere");
        }
    }

    fn is_for(&self, transfer: &Transfer) -> bool {
        self.from == transfer.from
            && self.to == transfer.to
            && self.amount == transfer.amount
            && self.description == transfer.description
            && self.already_booked == transfer.already_booked
    }
}

/// A wish under the key of another one is refused, and no other is.
fn check_reuse(ids: &BTreeMap<&str, &str>, asked: &[Asked], violations: &mut Violations) {
    let answered = asked.iter().filter(|asked| matches!(asked.answer, Answer::Receipt { .. }));
    let first: BTreeMap<_, _> = answered.map(|asked| (&asked.key, asked)).collect();
    for refused in asked {
        if refused.answer != Answer::Refused("idempotency_key_reused".to_owned()) {
            continue;
        }
        let same = first.get(&refused.key).filter(|first| {
            (&first.from, &first.to, first.amount, &first.description, first.already_booked)
                == (&refused.from, &refused.to, refused.amount, &refused.description, refused.already_booked)
        });
        if same.is_some() {
            let id = ids.get(refused.key.as_str());
            violations.push(format!("its own key is taken for another's: {refused:?}, transfer {id:?}"));
        }
    }
}

/// No transfer that nobody asked for, and no more of them than keys.
fn check_origin(books: &Books, asked: &[Asked], violations: &mut Violations) {
    let keys: BTreeSet<_> = asked.iter().map(|asked| &asked.key).collect();
    if books.transfers.len() > keys.len() {
        violations.push(format!("{} transfers of {} keys", books.transfers.len(), keys.len()));
    }
    for (id, transfer) in &books.transfers {
        if !asked.iter().any(|asked| asked.is_for(transfer)) {
            violations.push(format!("nobody asked for transfer {id}: {transfer:?}"));
        }
    }
}

/// A wish that was rejected before it was debited had to be, at some moment between the question and the rejection.
fn check_rejections(books: &Books, ids: &BTreeMap<&str, &str>, asked: &[Asked], violations: &mut Violations) {
    for (key, id) in ids {
        let Some(transfer) = books.transfers.get(*id) else { continue };
        let Some(("rejected", reason, at)) = &transfer.end else { continue };
        let Some(account) = books.accounts.get(&transfer.from).filter(|_| transfer.debit_refused.is_none())
        else {
            continue;
        };
        let since = asked.iter().filter(|asked| asked.key == *key).map(|asked| asked.asked_after).min();
        let since = since.unwrap_or(0);
        let until_now = [(u64::MAX, account.now.clone())];
        let mut began = 0;
        let mut is_right = false;
        for (ended, standing) in account.before.iter().chain(&until_now) {
            let refusal = standing.refusal(account.is_settlement, transfer, true);
            is_right |= began <= *at && *ended > since && refusal == Some(reason);
            began = *ended;
        }
        if !is_right {
            violations.push(format!("transfer {id} was rejected for nothing: {transfer:?}"));
        }
    }
}
