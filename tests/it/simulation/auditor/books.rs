//! The books, kept a second time.

use std::collections::{BTreeMap, BTreeSet};

use super::Violations;
use super::event::Event;

/// What the log says.
#[derive(Default)]
pub(crate) struct Books {
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) transfers: BTreeMap<String, Transfer>,
    pub(crate) entries: Vec<Entry>,
    lengths: BTreeMap<String, u64>,
    references: BTreeSet<String>,
    last_created: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Status {
    #[default]
    Open,
    Frozen,
    Closed,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) is_settlement: bool,
    pub(crate) now: Standing,
    pub(crate) revision: u64,
    /// The standings before, each with the position at which it ended.
    pub(crate) before: Vec<(u64, Standing)>,
}

/// What decides whether an account takes a leg.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    pub(crate) balance: i64,
    pub(crate) limit: i64,
    pub(crate) status: Status,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Transfer {
    pub(crate) stream: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) amount: i64,
    pub(crate) description: Option<String>,
    pub(crate) already_booked: bool,
    pub(crate) debited: Option<u64>,
    pub(crate) debit_refused: Option<String>,
    pub(crate) credited: Option<u64>,
    pub(crate) credit_refused: Option<String>,
    pub(crate) reversed: Option<u64>,
    /// The source account does without the money.
    pub(crate) waived: bool,
    pub(crate) is_parked: bool,
    pub(crate) times_parked: u64,
    /// What became of it as a dead letter last.
    pub(crate) last_word: &'static str,
    /// What an operator said of it.
    pub(crate) resolution: Option<String>,
    /// How it ended, why, and where that stands.
    pub(crate) end: Option<(&'static str, String, u64)>,
}

/// A line on an account.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) account: String,
    pub(crate) revision: u64,
    pub(crate) transfer: String,
    pub(crate) kind: &'static str,
    pub(crate) amount: i64,
    pub(crate) balance_after: i64,
    pub(crate) booked_at: String,
}

impl Books {
    /// The books as the first of these events leave them.
    pub(crate) fn of(events: &[Event]) -> Self {
        let mut books = Self::default();
        for event in events {
            books.enter(event, &mut Violations::new());
        }
        books
    }

    pub(crate) fn enter(&mut self, event: &Event, violations: &mut Violations) {
        let before = violations.len();
        let length = self.lengths.entry(event.stream.clone()).or_default();
        if *length != event.revision {
            violations
                .push(format!("revision {} of {} follows {length} events", event.revision, event.stream));
        }
        *length += 1;
        if event.created < self.last_created {
            violations.push("the log's clock goes back".to_owned());
        }
        self.last_created = event.created;
        if let Some(account) = event.stream.strip_prefix("account-") {
            self.enter_account(account, event, violations);
        } else if event.stream.starts_with("transfer-") {
            self.enter_transfer(event, violations);
        } else if event.stream.starts_with("deadletter-") {
            self.enter_dead_letter(event, violations);
        } else if event.name == "AccountReferenceClaimed" && !self.references.insert(event.stream.clone()) {
            violations.push("a reference is claimed twice".to_owned());
        }
        let total = self.total();
        if total != 0 {
            violations.push(format!("the books are at {total}"));
        }
        for violation in violations.iter_mut().skip(before) {
            *violation = format!("{violation} (position {}, {} {})", event.position, event.name, event.data);
        }
    }

    /// Everything on accounts, and everything between them by what was asked for.
    fn total(&self) -> i64 {
        let balances: i64 = self.accounts.values().map(|account| account.now.balance).sum();
        let under_way = self.transfers.values().filter(|transfer| transfer.is_under_way());
        balances + under_way.map(|transfer| transfer.amount).sum::<i64>()
    }

    /// Every transfer has ended.
    pub(crate) fn close(&self, violations: &mut Violations) {
        for (id, transfer) in &self.transfers {
            if transfer.end.is_none() {
                violations.push(format!("transfer {id} has not ended: {transfer:?}"));
            }
            if transfer.is_under_way() {
                violations.push(format!("money of transfer {id} is nowhere: {transfer:?}"));
            }
        }
    }

    fn enter_account(&mut self, id: &str, event: &Event, violations: &mut Violations) {
        if event.name == "AccountOpened" {
            let account = Account {
                is_settlement: event.text("kind") == "settlement",
                revision: 0,
                now: Standing { limit: event.money("overdraft_limit"), ..Standing::default() },
                before: vec![],
            };
            if event.text("account_id") != id || self.accounts.insert(id.to_owned(), account).is_some() {
                violations.push("an account is opened twice, or as another one".to_owned());
            }
            return;
        }
        let Some(account) = self.accounts.get_mut(id) else {
            return violations.push("an account is used before it is opened".to_owned());
        };
        account.before.push((event.position, account.now.clone()));
        account.revision = event.revision;
        let now = &mut account.now;
        match event.name.as_str() {
            "AccountFrozen" if now.status == Status::Open => now.status = Status::Frozen,
            "AccountUnfrozen" if now.status == Status::Frozen => now.status = Status::Open,
            "AccountClosed" if now.status != Status::Closed && now.balance == 0 => {
                now.status = Status::Closed;
            }
            "OverdraftLimitChanged" => {
                let limit = event.money("limit");
                if limit < now.limit && now.balance < -limit {
                    violations.push("a limit in use is lowered".to_owned());
                }
                now.limit = limit;
            }
            "AccountDebited" | "AccountCredited" | "DebitReversed" | "DebitRefused" | "CreditRefused"
            | "ReversalWaived" => {
                self.enter_leg(id, event, violations);
            }
            _ => violations.push("an account does what it cannot".to_owned()),
        }
    }

    fn enter_leg(&mut self, id: &str, event: &Event, violations: &mut Violations) {
        let (Some(account), Some(transfer)) =
            (self.accounts.get_mut(id), self.transfers.get_mut(event.text("transfer_id")))
        else {
            return violations.push("a leg of no transfer".to_owned());
        };
        let was = transfer.clone();
        let mut accuse = |what: &str| violations.push(format!("{what}: {was:?}"));
        let is_source = !matches!(event.name.as_str(), "AccountCredited" | "CreditRefused");
        let (own, other) =
            if is_source { (&transfer.from, &transfer.to) } else { (&transfer.to, &transfer.from) };
        if own != id || other != event.text("counterparty") || transfer.amount != event.money("amount") {
            accuse("a leg is not as asked for");
        }
        if event.metadata["$correlationId"] != transfer.stream.as_str() {
            accuse("a leg names another transfer's stream");
        }
        if transfer.end.is_some() {
            accuse("a leg after the end");
        }
        let is_forced = event.data["forced"] == true;
        let refusal = account.now.refusal(account.is_settlement, transfer, is_source);
        let is_resolved = |how: &str| was.resolution.as_deref() == Some(how);
        let (amount, position, reason) = (transfer.amount, event.position, event.text("reason").to_owned());
        let change = match event.name.as_str() {
            "AccountDebited" => {
                if transfer.debited.is_some() || transfer.debit_refused.is_some() {
                    accuse("a debit too many");
                }
                if let Some(refusal) = refusal {
                    accuse(&format!("a debit that should be refused: {refusal}"));
                }
                transfer.debited = Some(position);
                Some(("debit", -amount))
            }
            "AccountCredited" if is_forced => {
                if !transfer.waived || transfer.credited.is_some() || transfer.reversed.is_some() {
                    accuse("a credit is forced too often, or too early");
                }
                transfer.credited = Some(position);
                Some(("credit", amount))
            }
            "ReversalWaived" => {
                if transfer.credit_refused.is_none()
                    || transfer.reversed.is_some()
                    || transfer.waived
                    || !is_resolved("complete")
                {
                    accuse("a reversal is waived too often, or for nothing");
                }
                transfer.waived = true;
                None
            }
            "AccountCredited" => {
                if transfer.debited.is_none()
                    || transfer.credited.is_some()
                    || transfer.credit_refused.is_some()
                    || transfer.reversed.is_some()
                {
                    accuse("a credit too many, or too early");
                }
                if let Some(refusal) = refusal {
                    accuse(&format!("a credit that should be refused: {refusal}"));
                }
                transfer.credited = Some(position);
                Some(("credit", amount))
            }
            "DebitReversed" => {
                if transfer.reversed.is_some()
                    || transfer.credited.is_some()
                    || transfer.waived
                    || transfer.credit_refused.as_ref() != Some(&reason)
                {
                    accuse("a reversal too many, or for nothing");
                }
                transfer.reversed = Some(position);
                Some(("reversal", amount))
            }
            "DebitRefused" => {
                if transfer.debited.is_some() || transfer.debit_refused.is_some() {
                    accuse("a debit is refused too late");
                }
                let by_operator = reason == "resolved_by_operator" && is_resolved("refund");
                if refusal != Some(&*reason) && !by_operator {
                    accuse("a debit is refused for nothing");
                }
                transfer.debit_refused = Some(reason);
                None
            }
            _ => {
                if transfer.debited.is_none()
                    || transfer.credited.is_some()
                    || transfer.credit_refused.is_some()
                {
                    accuse("a credit is refused too late, or too early");
                }
                let by_operator = reason == "resolved_by_operator" && is_resolved("refund");
                if refusal != Some(&*reason) && !by_operator {
                    accuse("a credit is refused for nothing");
                }
                transfer.credit_refused = Some(reason);
                None
            }
        };
        let Some((kind, change)) = change else { return };
        let balance_after = event.money("balance_after");
        if account.now.balance + change != balance_after {
            accuse(&format!("{} and {change} make {balance_after}", account.now.balance));
        }
        account.now.balance = balance_after;
        self.entries.push(Entry {
            account: id.to_owned(),
            revision: event.revision,
            transfer: event.text("transfer_id").to_owned(),
            kind,
            amount,
            balance_after,
            booked_at: event.metadata["booked_at"].as_str().unwrap_or_default().to_owned(),
        });
    }

    fn enter_dead_letter(&mut self, event: &Event, violations: &mut Violations) {
        let Some(transfer) = self.transfers.get_mut(event.text("transfer_id")) else {
            return violations.push("a dead letter of no transfer".to_owned());
        };
        let resolution = event.text("resolution");
        let is_right = match event.name.as_str() {
            "TransferParked" => !transfer.is_parked,
            "ParkedTransferRetried" => {
                transfer.is_parked && resolution == transfer.resolution.as_deref().unwrap_or_default()
            }
            _ => {
                let first = transfer.resolution.get_or_insert_with(|| resolution.to_owned());
                transfer.is_parked && *first == resolution
            }
        };
        if !is_right || event.text("stream") != transfer.stream {
            violations.push(format!("a dead letter is not as it should be: {transfer:?}"));
        }
        transfer.is_parked = event.name == "TransferParked";
        transfer.times_parked += u64::from(transfer.is_parked);
        transfer.last_word = match event.name.as_str() {
            "TransferParked" => "parked",
            "ParkedTransferRetried" => "retried",
            _ => "resolved",
        };
    }

    fn enter_transfer(&mut self, event: &Event, violations: &mut Violations) {
        let id = event.text("transfer_id");
        if event.name == "TransferRequested" {
            let requested = Transfer {
                stream: event.stream.clone(),
                from: event.text("from").to_owned(),
                to: event.text("to").to_owned(),
                amount: event.money("amount"),
                description: event.data["description"].as_str().map(str::to_owned),
                already_booked: event.data["already_booked"] == true,
                ..Transfer::default()
            };
            if event.revision != 0 {
                violations.push("a transfer is requested twice".to_owned());
            }
            if requested.amount <= 0 || requested.from == requested.to {
                violations.push("a transfer of nothing, or to nobody".to_owned());
            }
            for account in [&requested.from, &requested.to] {
                if !self.accounts.contains_key(account) {
                    violations.push(format!("a transfer with account {account}, which is not there"));
                }
            }
            if self.transfers.insert(id.to_owned(), requested).is_some() {
                violations.push("two transfers have one id".to_owned());
            }
            return;
        }
        let Some(transfer) = self.transfers.get_mut(id).filter(|transfer| transfer.stream == event.stream)
        else {
            return violations.push("a transfer ends that was never asked for".to_owned());
        };
        let reason = event.text("reason").to_owned();
        let is_right = match event.name.as_str() {
            "TransferCompleted" => transfer.credited.is_some(),
            "TransferFailed" => {
                transfer.reversed.is_some() && transfer.credit_refused.as_ref() == Some(&reason)
            }
            "TransferRejected" => {
                transfer.debited.is_none()
                    && transfer.debit_refused.as_ref().is_none_or(|refused| *refused == reason)
            }
            _ => false,
        };
        if !is_right {
            violations.push(format!("a transfer ends otherwise than it went: {transfer:?}"));
        }
        if transfer.end.is_some() {
            violations.push(format!("a transfer ends twice: {transfer:?}"));
        }
        let how = match event.name.as_str() {
            "TransferCompleted" => "completed",
            "TransferFailed" => "failed",
            _ => "rejected",
        };
        transfer.end = Some((how, reason, event.position));
        // What was parked and ends without a word waits for none any more.
        if transfer.last_word == "parked" {
            transfer.last_word = "ended";
        }
    }
}

impl Transfer {
    /// Its money is on no account.
    pub(crate) fn is_under_way(&self) -> bool {
        self.debited.is_some() && self.credited.is_none() && self.reversed.is_none()
    }
}

impl Standing {
    /// Why a leg of this transfer must be refused, if it must.
    pub(crate) fn refusal(
        &self,
        is_settlement: bool,
        transfer: &Transfer,
        is_source: bool,
    ) -> Option<&'static str> {
        match self.status {
            Status::Closed => return Some("account_closed"),
            Status::Frozen => return Some("account_frozen"),
            Status::Open => {}
        }
        let needs_cover = is_source && !is_settlement && !transfer.already_booked;
        (needs_cover && self.balance - transfer.amount < -self.limit).then_some("insufficient_funds")
    }
}
