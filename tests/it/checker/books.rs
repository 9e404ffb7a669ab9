//! All accounts and transfers, by a small model that shares nothing with the product. Whatever an event breaks is a fault.

use std::collections::{BTreeMap, HashMap};

use super::account::Account;
use super::log::LogEvent;
use super::transfer::{Leg, Transfer};
use crate::harness::text;

#[derive(Default)]
pub(super) struct Books {
    /// The last position of the log.
    pub(super) head: u64,
    /// The last position about money: others do not concern the read models.
    pub(super) last: u64,
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) transfers: BTreeMap<String, Transfer>,
    pub(super) sums: BTreeMap<String, Sums>,
    /// How many events each stream has.
    streams: HashMap<String, u64>,
    faults: Vec<String>,
}

/// Where the money of a currency is. Balances are as the events name them, what is in transit is by the amounts moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) customers: i128,
    pub(super) settlement: i128,
    pub(super) in_transit: i128,
}

impl Books {
    pub(super) fn learn(&mut self, event: &LogEvent) {
        if let Err(fault) = self.follow(event) {
            self.faults.push(format!("{event}: {fault}"));
        }
    }

    pub(super) fn faults(&self) -> &[String] {
        &self.faults
    }

    /// Transfers that have not ended.
    pub(super) fn under_way(&self) -> impl Iterator<Item = (&String, &Transfer)> {
        self.transfers.iter().filter(|(_, transfer)| !transfer.has_ended())
    }

    fn follow(&mut self, event: &LogEvent) -> Result<(), String> {
        if event.position <= self.head {
            return Err(format!("the log had come to {} before it", self.head));
        }
        self.head = event.position;
        let next = self.streams.entry(event.stream.clone()).or_default();
        if event.revision != *next && !event.stream.starts_with('$') {
            return Err(format!("the next revision of its stream is {next}"));
        }
        *next += 1;
        if ["account", "transfer"].contains(&event.category().0) {
            self.last = event.position;
        }
        match event.category() {
            ("account", id) => self.follow_account(event, id),
            ("transfer", _) => self.follow_transfer(event),
            // No money there.
            _ => Ok(()),
        }
    }

    fn follow_account(&mut self, event: &LogEvent, id: &str) -> Result<(), String> {
        if event.name == "AccountOpened" {
            let known = self.accounts.insert(id.to_owned(), Account::opened(event));
            return if known.is_none() { Ok(()) } else { Err("it was open".to_owned()) };
        }
        let account = self.accounts.get_mut(id).ok_or("it was never opened")?;
        if event.data["transfer_id"].is_null() {
            return account.change(event);
        }
        let Leg { transfer, amount, .. } = Leg::of(&event.data);
        let transfer = self.transfers.get_mut(&transfer).ok_or("nobody asked for its transfer")?;
        transfer.fits_leg(event, id)?;
        transfer.go_on(event)?;
        if event.name == "ReversalWaived" {
            return Ok(());
        }
        if let ("DebitRefused" | "CreditRefused", Some(reason)) = (&*event.name, &transfer.reason) {
            let debit = if event.name == "DebitRefused" { amount } else { 0 };
            let is_so = account.state().refuses(reason, debit);
            return if is_so { Ok(()) } else { Err(format!("the account is {:?}", account.state())) };
        }
        let before = account.state().balance;
        account.book(event, transfer)?;
        let sums = self.sums.entry(account.currency.clone()).or_default();
        let side = if account.is_settlement { &mut sums.settlement } else { &mut sums.customers };
        *side += i128::from(account.state().balance) - i128::from(before);
        sums.in_transit += i128::from(if event.name == "AccountDebited" { amount } else { -amount });
        if sums.customers + sums.settlement + sums.in_transit != 0 {
            return Err(format!("the books are not at zero: {sums:?}"));
        }
        if event.name == "AccountCredited" {
            let source = self.accounts.get_mut(&transfer.from).ok_or("its source was never opened")?;
            source.becomes(event.position, |state| state.in_transit -= amount);
        }
        Ok(())
    }

    fn follow_transfer(&mut self, event: &LogEvent) -> Result<(), String> {
        if event.name == "TransferRequested" {
            let (id, transfer) = Transfer::requested(event);
            if event.revision != 0 {
                return Err("a transfer's stream has another request before it".to_owned());
            }
            let known = self.transfers.insert(id, transfer);
            return if known.is_none() { Ok(()) } else { Err("its id was given out before".to_owned()) };
        }
        let transfer =
            self.transfers.get_mut(&text(&event.data["transfer_id"])).ok_or("nobody asked for it")?;
        if transfer.stream != event.stream {
            return Err(format!("its transfer has another stream: {}", transfer.stream));
        }
        transfer.go_on(event)
    }
}
