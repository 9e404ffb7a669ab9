//! The newest entries of accounts that are looked at again and again, kept in this process and thrown away by the log.
//!
//! A list is kept only while no event of its account has come since it was read: the feed throws it away. So a list that is there is right
//! as of `fed`, up to where the feed has come. Only lists whose entries are final are kept: those change by new entries alone.

use std::sync::Arc;

use ledger_core::Position;
use parking_lot::Mutex;
use quick_cache::unsync::Cache;

use crate::limits::LATEST_ACCOUNTS_MAX;
use crate::read_models::transaction::TransactionRow;

/// Lists by account, the least used go first.
pub(super) struct Latest(Mutex<Inner>);

struct Inner {
    lists: Cache<i64, List>,
    /// Every event up to here has thrown away what it had to; nothing while no feed runs.
    fed: Option<Position>,
    tickets: u64,
}

#[derive(Clone)]
enum List {
    /// Somebody reads it, and nothing has come since.
    Awaited(Ticket),
    Kept(Arc<[TransactionRow]>),
}

/// The right to keep a list that is about to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

impl Latest {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Inner { lists: Cache::new(LATEST_ACCOUNTS_MAX), fed: None, tickets: 0 }))
    }

    /// Up to where lists are right.
    pub(super) fn fed(&self) -> Option<Position> {
        self.0.lock().fed
    }

    /// The list, if it is there and no older than `at`.
    pub(super) fn get(&self, account_id: i64, at: Position) -> Option<Arc<[TransactionRow]>> {
        let inner = self.0.lock();
        inner.fed.filter(|fed| *fed >= at)?;
        match inner.lists.get(&account_id)? {
            List::Kept(rows) => Some(Arc::clone(rows)),
            List::Awaited(_) => None,
        }
    }

    /// To be called before a list is read.
    pub(super) fn awaits(&self, account_id: i64) -> Option<Ticket> {
        let mut inner = self.0.lock();
        inner.fed?;
        inner.tickets = inner.tickets.wrapping_add(1);
        let ticket = Ticket(inner.tickets);
        inner.lists.insert(account_id, List::Awaited(ticket));
        Some(ticket)
    }

    /// Keeps a list, unless something has come since, or may still change it.
    pub(super) fn keep(&self, account_id: i64, ticket: Ticket, rows: &[TransactionRow]) {
        let mut inner = self.0.lock();
        let is_awaited =
            matches!(inner.lists.get(&account_id), Some(List::Awaited(awaited)) if *awaited == ticket);
        if !is_awaited {
            return;
        }
        if rows.iter().all(TransactionRow::is_final) {
            inner.lists.insert(account_id, List::Kept(rows.into()));
        } else {
            inner.lists.remove(&account_id);
        }
    }

    /// A feed begins here.
    pub(super) fn begin(&self, start: Position) {
        let mut inner = self.0.lock();
        inner.lists.clear();
        inner.fed = Some(start);
    }

    /// Everything up to `position` was told, and these accounts have changed.
    pub(super) fn feed(&self, position: Position, accounts: impl Iterator<Item = i64>) {
        let mut inner = self.0.lock();
        for account_id in accounts {
            inner.lists.remove(&account_id);
        }
        inner.fed = Some(position);
    }

    /// The feed has ended.
    pub(super) fn end(&self) {
        let mut inner = self.0.lock();
        inner.lists.clear();
        inner.fed = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_kept_until_its_account_changes() {
        let latest = Latest::new();
        assert!(latest.awaits(1).is_none());
        latest.begin(10);
        let ticket = latest.awaits(1).unwrap();
        latest.keep(1, ticket, &[]);
        assert!(latest.get(1, 10).is_some());
        assert!(latest.get(1, 11).is_none());
        latest.feed(20, [2].into_iter());
        assert!(latest.get(1, 20).is_some());
        latest.feed(30, [1].into_iter());
        assert!(latest.get(1, 0).is_none());
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let latest = Latest::new();
        latest.begin(10);
        let ticket = latest.awaits(1).unwrap();
        latest.feed(20, [1].into_iter());
        latest.keep(1, ticket, &[]);
        assert!(latest.get(1, 0).is_none());
        // Nor over the head of who asked later.
        let (first, second) = (latest.awaits(1).unwrap(), latest.awaits(1).unwrap());
        latest.keep(1, first, &[]);
        assert!(latest.get(1, 0).is_none());
        latest.keep(1, second, &[]);
        assert!(latest.get(1, 0).is_some());
        latest.end();
        assert!(latest.get(1, 0).is_none());
    }
}
