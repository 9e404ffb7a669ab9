//! What commands go through.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use ledger_core::dead_letter::DeadLetters;
use ledger_core::{AccountId, Snowflakes, TransferId, UserId, WebhookId};
use parking_lot::Mutex;
use uuid::Uuid;

use crate::accounts::Accounts;
use crate::codec::decode;
use crate::ids::Ids;
use crate::transfers::Claims;
use crate::webhook_list::WebhookList;
use crate::{
    CALM_LEASE, EventStore, LEASE_FREE_AFTER, LEASE_HELD_FOR, LEASE_RENEW_BEFORE, Lease, LeaseTimes,
    Recorded, SNAPSHOT_EVERY_EVENTS, StoreError,
};

/// How a ledger is opened.
#[derive(Clone, Debug)]
pub struct LedgerOptions {
    /// Number of this process among all that make ids, 0 to 1023; two processes must not share one. `None` takes a free one.
    pub worker: Option<u16>,
    /// Events of an account after which a snapshot of it is written; 0 for never.
    pub snapshot_every_events: u64,
}

impl Default for LedgerOptions {
    fn default() -> Self {
        Self { worker: None, snapshot_every_events: SNAPSHOT_EVERY_EVENTS }
    }
}

/// The ledger on an event store. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

struct Inner {
    store: EventStore,
    ids: Arc<Ids>,
    accounts: Accounts,
    claims: Mutex<Claims>,
    dead_letters: tokio::sync::Mutex<DeadLetters>,
    /// The streams of those that are parked and are known to have ended.
    ended_letters: Mutex<HashSet<Arc<str>>>,
    webhook_list: tokio::sync::Mutex<WebhookList>,
    /// This process's name where leases are held.
    me: Uuid,
}

impl Ledger {
    /// Opens the ledger.
    ///
    /// # Errors
    /// [`StoreError::Broken`] for a worker number above 1023; anything from taking a free one.
    pub async fn open(store: EventStore, options: &LedgerOptions) -> Result<Self, StoreError> {
        let ids = Ids::open(&store, options.worker).await?;
        let inner = Inner {
            me: store.new_uuid(),
            store,
            ids,
            accounts: Accounts::new(options.snapshot_every_events),
            claims: Mutex::default(),
            dead_letters: tokio::sync::Mutex::default(),
            ended_letters: Mutex::default(),
            webhook_list: tokio::sync::Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The event store underneath.
    #[must_use]
    pub fn store(&self) -> &EventStore {
        &self.inner.store
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.inner.accounts
    }

    pub(crate) fn claims(&self) -> &Mutex<Claims> {
        &self.inner.claims
    }

    pub(crate) fn dead_letters(&self) -> &tokio::sync::Mutex<DeadLetters> {
        &self.inner.dead_letters
    }

    pub(crate) fn ended_letters(&self) -> &Mutex<HashSet<Arc<str>>> {
        &self.inner.ended_letters
    }

    pub(crate) fn webhook_list(&self) -> &tokio::sync::Mutex<WebhookList> {
        &self.inner.webhook_list
    }

    /// This process's view of a lease. Two of one name in one process are one holder.
    #[must_use]
    pub fn lease(&self, name: &str) -> Lease {
        let times = LeaseTimes {
            held_for: LEASE_HELD_FOR,
            renew_before: LEASE_RENEW_BEFORE,
            free_after: LEASE_FREE_AFTER,
        };
        Lease::new(self.store().clone(), name, times, self.inner.me)
    }

    /// As [`Self::lease`], for work that goes on for as long as the process runs: renewed, and taken over, with more time.
    #[must_use]
    pub fn calm_lease(&self, name: &str) -> Lease {
        Lease::new(self.store().clone(), name, CALM_LEASE, self.inner.me)
    }

    /// The time now by this process's clock, for business times that the client leaves open.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.store().now()
    }

    fn new_id<T>(&self, generate: fn(&Snowflakes, u64) -> T) -> Result<T, StoreError> {
        let now = self.now();
        let now_ms = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        self.inner.ids.make(now, |snowflakes| generate(snowflakes, now_ms))
    }

    /// A new account id.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store was away for so long that another process may make the same ids by now.
    pub fn new_account_id(&self) -> Result<AccountId, StoreError> {
        self.new_id(AccountId::generate)
    }

    /// A new transfer id.
    ///
    /// # Errors
    /// As [`Self::new_account_id`].
    pub fn new_transfer_id(&self) -> Result<TransferId, StoreError> {
        self.new_id(TransferId::generate)
    }

    /// A new user id.
    ///
    /// # Errors
    /// As [`Self::new_account_id`].
    pub fn new_user_id(&self) -> Result<UserId, StoreError> {
        self.new_id(UserId::generate)
    }

    /// A new webhook id.
    ///
    /// # Errors
    /// As [`Self::new_account_id`].
    pub fn new_webhook_id(&self) -> Result<WebhookId, StoreError> {
        self.new_id(WebhookId::generate)
    }

    /// The first event of one of the ledger's streams: what an account was opened with, what a transfer was asked for.
    ///
    /// # Errors
    /// From the store.
    pub async fn first_event(&self, stream: &Arc<str>) -> Result<Option<Recorded>, StoreError> {
        let first = self.store().read_event(stream, 0).await?;
        first.map_or(Ok(None), decode)
    }
}
