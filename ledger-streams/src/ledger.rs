//! What commands go through.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use eventstore_node::StreamAppend;
use ledger_core::dead_letter::DeadLetters;
use ledger_core::{AccountId, Position, Snowflakes, TransferId, UserId, WebhookId};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::accounts::Accounts;
use crate::codec::{decode, system_append};
use crate::ids::Ids;
use crate::store::AppendFailure;
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

    /// A subscriber's place as it last saved it, 0 when it never did.
    ///
    /// # Errors
    /// From the store; [`StoreError::Broken`] when what was saved is not a number.
    pub async fn load_checkpoint(&self, subscriber: &str) -> Result<Position, StoreError> {
        Ok(self.load_place(subscriber).await?.unwrap_or(0))
    }

    /// What a subscriber saved of its place: a position, or more than that.
    ///
    /// # Errors
    /// From the store; [`StoreError::Broken`] when what was saved is something else.
    pub async fn load_place<T: DeserializeOwned>(&self, subscriber: &str) -> Result<Option<T>, StoreError> {
        let stream = checkpoint_stream(subscriber).into();
        let Some(event) = self.store().read_last(&stream).await? else {
            return Ok(None);
        };
        serde_json::from_slice(&event.data)
            .map(Some)
            .map_err(|error| StoreError::Broken(format!("checkpoint of {subscriber}: {error}").into()))
    }

    /// Saves a subscriber's place in the log itself.
    ///
    /// # Errors
    /// From the store.
    pub async fn save_checkpoint(&self, subscriber: &str, position: Position) -> Result<(), StoreError> {
        match self.store().append(vec![self.place(subscriber, &position)?]).await {
            Ok(_) => Ok(()),
            Err(AppendFailure::Store(error)) => Err(error),
            Err(AppendFailure::Conflict(_)) => Err(StoreError::Contended(subscriber.into())),
        }
    }

    /// Saves places of subscribers in the log itself, in this order: when one is there, those before it are. Only who holds the lease may:
    /// `false` when another process has taken it, whose places are newer; then nothing is saved.
    ///
    /// # Errors
    /// From the store.
    pub async fn save_places<T: Serialize + Sync>(
        &self,
        lease: &mut Lease,
        places: &[(String, T)],
    ) -> Result<bool, StoreError> {
        let batch = places.iter().map(|(subscriber, place)| self.place(subscriber, place));
        lease.append(batch.collect::<Result<_, _>>()?).await
    }

    fn place<T: Serialize>(&self, subscriber: &str, place: &T) -> Result<StreamAppend, StoreError> {
        let data = serde_json::to_vec(place).map_err(|error| StoreError::Broken(error.to_string().into()))?;
        Ok(system_append(self.store().new_uuid(), &checkpoint_stream(subscriber), "$checkpoint", data))
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

fn checkpoint_stream(subscriber: &str) -> String {
    format!("$checkpoint-{subscriber}")
}
