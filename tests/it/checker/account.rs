//! An account, as its events tell.

use std::collections::BTreeMap;

use super::log::LogEvent;
use super::transfer::{Leg, Transfer};
use crate::harness::{cents, text};

#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) currency: String,
    pub(super) is_settlement: bool,
    /// Each state, and where in the log it began.
    pub(super) states: Vec<(u64, State)>,
    pub(super) entries: Vec<Entry>,
    /// By business time, which entries need not follow.
    pub(super) months: BTreeMap<String, Month>,
}

/// What can be read of an account at one position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) status: &'static str,
    pub(super) balance: i64,
    pub(super) limit: i64,
    /// Debits whose money has neither arrived nor come back.
    pub(super) in_transit: i64,
}

impl State {
    /// Whether an account like this says no to a debit of this amount, or a credit of none, for this reason.
    pub(super) fn refuses(&self, reason: &str, debit: i64) -> bool {
        match reason {
            "account_frozen" => self.status == "frozen",
            "account_closed" => self.status == "closed",
            "insufficient_funds" => self.balance + self.limit < debit,
            // By an operator's word, or for what no test here does.
            _ => true,
        }
    }
}

/// Money that came or went.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) month: String,
    pub(super) transfer: String,
    pub(super) counterparty: String,
    pub(super) is_debit: bool,
    pub(super) amount: i64,
    pub(super) balance_after: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Month {
    pub(super) debits: i128,
    pub(super) credits: i128,
    pub(super) count: i64,
}

impl Account {
    pub(super) fn opened(event: &LogEvent) -> Self {
        let data = &event.data;
        let limit = cents(&text(&data["overdraft_limit"]["amount"]));
        Self {
            currency: text(&data["currency"]),
            is_settlement: data["kind"] == "settlement",
            states: vec![(event.position, State { status: "open", balance: 0, limit, in_transit: 0 })],
            entries: Vec::new(),
            months: BTreeMap::new(),
        }
    }

    /// Its last state.
    pub(super) fn state(&self) -> &State {
        &self.states[self.states.len() - 1].1
    }

    /// Every state it had at this position or later.
    pub(super) fn states_from(&self, position: u64) -> &[(u64, State)] {
        let seen = self.states.partition_point(|(began, _)| *began <= position).saturating_sub(1);
        &self.states[seen..]
    }

    pub(super) fn becomes(&mut self, position: u64, change: impl FnOnce(&mut State)) {
        let mut state = self.state().clone();
        change(&mut state);
        self.states.push((position, state));
    }

    /// Freezing and the like: not about money.
    pub(super) fn change(&mut self, event: &LogEvent) -> Result<(), String> {
        let State { status, balance, .. } = *self.state();
        let position = event.position;
        match (&*event.name, status) {
            ("AccountFrozen", "open") => self.becomes(position, |state| state.status = "frozen"),
            ("AccountUnfrozen", "frozen") => self.becomes(position, |state| state.status = "open"),
            ("AccountClosed", "open" | "frozen") if balance == 0 => {
                self.becomes(position, |state| state.status = "closed");
            }
            ("OverdraftLimitChanged", "open" | "frozen") => {
                let limit = cents(&text(&event.data["limit"]["amount"]));
                let before = self.state().limit;
                if limit < 0 || (limit < before && balance < -limit) {
                    return Err(format!("the balance is {balance}"));
                }
                self.becomes(position, |state| state.limit = limit);
            }
            _ => return Err(format!("the account was {status} before it, with {balance} on it")),
        }
        Ok(())
    }

    /// A debit, a credit or a reversal of this transfer.
    pub(super) fn book(&mut self, event: &LogEvent, transfer: &Transfer) -> Result<(), String> {
        let Leg { transfer: id, counterparty, amount, .. } = Leg::of(&event.data);
        let is_debit = event.name == "AccountDebited";
        let State { status, balance, limit, .. } = *self.state();
        let moved = if is_debit { -amount } else { amount };
        let balance_after = cents(&text(&event.data["balance_after"]["amount"]));
        if balance_after != balance + moved {
            return Err(format!("the balance was {balance} before it"));
        }
        if event.name != "DebitReversed" && event.data["forced"] != true && status != "open" {
            return Err(format!("the account was {status}"));
        }
        if is_debit && !self.is_settlement && !transfer.already_booked && balance_after < -limit {
            return Err(format!("the account may go down to -{limit}"));
        }
        self.becomes(event.position, |state| {
            state.balance = balance_after;
            match &*event.name {
                "AccountDebited" => state.in_transit += amount,
                "DebitReversed" => state.in_transit -= amount,
                _ => {}
            }
        });
        let month = self.months.entry(event.month()).or_default();
        month.count += 1;
        *(if is_debit { &mut month.debits } else { &mut month.credits }) += i128::from(amount);
        let month = event.month();
        self.entries.push(Entry { month, transfer: id, counterparty, is_debit, amount, balance_after });
        Ok(())
    }
}
