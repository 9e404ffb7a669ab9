//! What the log said earlier, remembered within bounds and looked up again where it was forgotten.

use std::sync::Arc;

use ledger_core::account::AccountEvent;
use ledger_core::transfer::{TransferEvent, TransferRequested};
use ledger_core::{AccountId, Event, UserId, stream};
use ledger_streams::{Ledger, Recorded, StoreError};
use quick_cache::unsync::Cache;

use crate::{HOLDERS_REMEMBERED, TRANSFERS_REMEMBERED};

/// What the log said earlier.
pub(crate) struct Facts {
    ledger: Ledger,
    requests: Cache<Arc<str>, Arc<TransferRequested>>,
    holders: Cache<AccountId, Option<UserId>>,
}

impl Facts {
    pub(crate) fn new(ledger: Ledger) -> Self {
        let (requests, holders) = (Cache::new(TRANSFERS_REMEMBERED), Cache::new(HOLDERS_REMEMBERED));
        Self { ledger, requests, holders }
    }

    /// Remembers what later events need.
    pub(crate) fn learn(&mut self, recorded: &Recorded) {
        match &recorded.event {
            Event::Transfer(TransferEvent::Requested(requested)) => {
                self.requests.insert(Arc::clone(&recorded.stream), Arc::new(requested.clone()));
            }
            Event::Account(AccountEvent::Opened(opened)) => {
                self.holders.insert(opened.account_id, opened.user_id);
            }
            Event::Account(_)
            | Event::Transfer(_)
            | Event::User(_)
            | Event::Reference(_)
            | Event::DeadLetter(_)
            | Event::Statement(_)
            | Event::Webhook(_) => {}
        }
    }

    /// What a transfer was asked for, by its stream.
    pub(crate) async fn request(
        &mut self,
        transfer: &Arc<str>,
    ) -> Result<Option<Arc<TransferRequested>>, StoreError> {
        if let Some(requested) = self.requests.get(transfer) {
            return Ok(Some(Arc::clone(requested)));
        }
        let first = self.ledger.first_event(transfer).await?;
        let Some(Event::Transfer(TransferEvent::Requested(requested))) = first.map(|first| first.event)
        else {
            return Ok(None);
        };
        let requested = Arc::new(requested);
        self.requests.insert(Arc::clone(transfer), Arc::clone(&requested));
        Ok(Some(requested))
    }

    /// An account's holder, if it has one.
    pub(crate) async fn holder(&mut self, account: AccountId) -> Result<Option<UserId>, StoreError> {
        if let Some(holder) = self.holders.get(&account) {
            return Ok(*holder);
        }
        let first = self.ledger.first_event(&stream::account(account).into()).await?;
        let Some(Event::Account(AccountEvent::Opened(opened))) = first.map(|first| first.event) else {
            return Ok(None);
        };
        self.holders.insert(account, opened.user_id);
        Ok(opened.user_id)
    }
}
