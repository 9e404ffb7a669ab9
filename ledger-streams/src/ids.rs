//! New ids, and the worker number that keeps them apart from those of other processes.
//!
//! Each number from 0 to 1023 has a stream, `$worker-{number}`. A process that appends to it at the revision it has seen holds the number
//! for a while and renews it before that is over. A number is free again when its last event is older than that by minutes, so that clocks of
//! different machines may differ by as much ([`crate::WORKER_FREE_AFTER`] less [`crate::WORKER_HELD_FOR`]). There are many numbers, so there is no
//! hurry. A number that the operator gives is said in the log, too, and is the operator's to keep apart.

use std::sync::{Arc, Weak};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use eventstore_node::{ExpectedRevision, RecordedEvent};
use ledger_core::Snowflakes;
use ledger_core::id::WORKER_MAX;
use ledger_core::mutation::{Rule, is_broken};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use crate::codec::{system_append, time_of};
use crate::store::AppendFailure;
use crate::{
    CONFLICT_RETRIES_MAX, EventStore, IDS_AHEAD_MS, StoreError, WORKER_FREE_AFTER, WORKER_HELD_FOR,
    WORKER_RENEW_EVERY, WORKER_RETRY_EVERY,
};

/// Makes ids.
pub(crate) struct Ids {
    /// Written on the number's stream, for people who read it.
    holder: Uuid,
    /// The operator's number.
    given: Option<u16>,
    /// None while the store is full since the start: there is no room to take a number.
    current: RwLock<Option<Current>>,
}

struct Current {
    worker: u16,
    snowflakes: Snowflakes,
    lease: Lease,
    /// True for the operator's number: it is never lost to another process.
    given: bool,
}

/// The right to make ids with a number.
#[derive(Clone, Copy)]
struct Lease {
    /// Of the number's last event, which is ours.
    revision: u64,
    /// By the clock that never goes back, and by the one that goes on while the machine sleeps.
    valid_until: (Instant, DateTime<Utc>),
}

/// What stands in a number's stream.
#[derive(Serialize, Deserialize)]
struct Taken {
    holder: Uuid,
    /// No id is made with a later time than this (milliseconds since the UNIX epoch) before the number is renewed. Who has the number next
    /// begins there: the clock that the ids came from may have been ahead of the log's.
    #[serde(default)]
    ids_until: u64,
}

impl Lease {
    fn is_over(&self, now: DateTime<Utc>) -> bool {
        self.valid_until.0 <= Instant::now() || self.valid_until.1 <= now
    }
}

impl Ids {
    /// Ids of a given worker number, which nobody else must use, or of a free one.
    pub(crate) async fn open(store: &EventStore, worker: Option<u16>) -> Result<Arc<Self>, StoreError> {
        let holder = store.new_uuid();
        let current = match begin(store, worker, holder).await {
            Ok(current) => Some(current),
            // Reads go on, and commands are told to come again.
            Err(StoreError::Full(reason)) => {
                tracing::warn!(%reason, "no id can be made until there is room in the event store");
                None
            }
            Err(error) => return Err(error),
        };
        let pause = if current.is_some() { WORKER_RENEW_EVERY } else { WORKER_RETRY_EVERY };
        let ids = Arc::new(Self { holder, given: worker, current: RwLock::new(current) });
        tokio::spawn(keep(Arc::downgrade(&ids), store.clone(), pause));
        Ok(ids)
    }

    /// Makes an id with `make`, unless the worker number may be another's by now.
    pub(crate) fn make<T>(
        &self,
        now: DateTime<Utc>,
        make: impl FnOnce(&Snowflakes) -> T,
    ) -> Result<T, StoreError> {
        match &*self.current.read() {
            Some(current) if !current.lease.is_over(now) => Ok(make(&current.snowflakes)),
            Some(_) => {
                Err(StoreError::Unavailable("the number in this process's ids could not be renewed".into()))
            }
            None => Err(StoreError::Full("there is no room to take a number for this process's ids".into())),
        }
    }

    /// Holds the number for longer, or takes another one if it was lost.
    async fn renew(&self, store: &EventStore) -> Result<(), StoreError> {
        let held = self
            .current
            .read()
            .as_ref()
            .map(|current| (current.worker, current.lease, current.given, current.snowflakes.last_ms()));
        let Some((worker, lease, given, last_ms)) = held else {
            let begun = begin(store, self.given, self.holder).await?;
            *self.current.write() = Some(begun);
            return Ok(());
        };
        let expected = ExpectedRevision::Exact(lease.revision);
        let mut renewed = take(store, worker, expected, self.holder, last_ms).await?;
        if renewed.is_none() && given {
            renewed = Some(take_given(store, worker, self.holder, last_ms).await?);
        }
        if let Some(renewed) = renewed {
            self.set_lease(renewed);
            return Ok(());
        }
        // Until there is another one, no id is made.
        let over = (Instant::now(), store.now());
        self.set_lease(Lease { valid_until: over, ..lease });
        let claimed = claim(store, self.holder).await?;
        tracing::warn!(
            lost = worker,
            taken = claimed.worker,
            "another process has this one's worker number; took another"
        );
        *self.current.write() = Some(claimed);
        Ok(())
    }

    fn set_lease(&self, lease: Lease) {
        if let Some(current) = &mut *self.current.write() {
            current.lease = lease;
        }
    }
}

/// Takes the operator's number, or a free one.
async fn begin(store: &EventStore, given: Option<u16>, holder: Uuid) -> Result<Current, StoreError> {
    let Some(worker) = given else { return claim(store, holder).await };
    let last = store.read_last(&stream(worker)).await?;
    let snowflakes = snowflakes(store, worker, last.as_ref()).await?;
    let lease = take_given(store, worker, holder, snowflakes.last_ms()).await?;
    Ok(Current { worker, snowflakes, lease, given: true })
}

/// Renews for as long as there is something to renew.
async fn keep(ids: Weak<Ids>, store: EventStore, mut pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        let Some(ids) = ids.upgrade() else { return };
        pause = match ids.renew(&store).await {
            Ok(()) => WORKER_RENEW_EVERY,
            Err(error) => {
                tracing::warn!(%error, "the worker number could not be renewed");
                WORKER_RETRY_EVERY
            }
        };
    }
}

/// Takes a free number.
async fn claim(store: &EventStore, holder: Uuid) -> Result<Current, StoreError> {
    // Anywhere: processes that start at the same time should not queue for the same numbers.
    let [high, low, ..] = store.new_uuid().into_bytes();
    let first = u16::from_be_bytes([high, low]);
    for offset in 0..=WORKER_MAX {
        let worker = first.wrapping_add(offset) & WORKER_MAX;
        let last = store.read_last(&stream(worker)).await?;
        if last.as_ref().is_some_and(|last| store.now() - time_of(last) <= free_after()) {
            continue;
        }
        let snowflakes = snowflakes(store, worker, last.as_ref()).await?;
        let taken = take(store, worker, follow(last.as_ref()), holder, snowflakes.last_ms()).await?;
        if let Some(lease) = taken {
            return Ok(Current { worker, snowflakes, lease, given: false });
        }
    }
    Err(StoreError::Unavailable("every worker number is held by a process, or was a short time ago".into()))
}

/// Takes the operator's number, whoever has it: it is the operator's to keep apart. Said in the log, so that nobody takes it for free.
async fn take_given(
    store: &EventStore,
    worker: u16,
    holder: Uuid,
    last_ms: u64,
) -> Result<Lease, StoreError> {
    for _ in 0..CONFLICT_RETRIES_MAX {
        let last = store.read_last(&stream(worker)).await?;
        // Exactly after the last, so that no append of an earlier moment comes in later.
        if let Some(lease) = take(store, worker, follow(last.as_ref()), holder, last_ms).await? {
            return Ok(lease);
        }
    }
    Err(StoreError::Contended(stream(worker)))
}

async fn take(
    store: &EventStore,
    worker: u16,
    expected: ExpectedRevision,
    holder: Uuid,
    last_ms: u64,
) -> Result<Option<Lease>, StoreError> {
    let valid_until = (Instant::now() + WORKER_HELD_FOR, store.now() + WORKER_HELD_FOR);
    let by_the_clock = u64::try_from(valid_until.1.timestamp_millis()).unwrap_or(0);
    let taken = Taken { holder, ids_until: by_the_clock.max(last_ms.saturating_add(IDS_AHEAD_MS)) };
    let data = serde_json::to_vec(&taken).map_err(|error| StoreError::Broken(error.to_string().into()))?;
    let mut append = system_append(store.new_uuid(), &stream(worker), "$worker", data);
    append.expected = expected;
    match store.append(vec![append]).await {
        Ok(placed) => Ok(placed.last().map(|last| Lease { revision: last.revision, valid_until })),
        Err(AppendFailure::Conflict(_)) => Ok(None),
        Err(AppendFailure::Store(error)) => Err(error),
    }
}

/// Ids never go back behind what the log has seen, nor behind what the number was used for before, whatever the clock does.
async fn snowflakes(
    store: &EventStore,
    worker: u16,
    last: Option<&RecordedEvent>,
) -> Result<Snowflakes, StoreError> {
    let newest = store.read_newest().await?.map_or(0, |event| time_of(&event).timestamp_millis());
    let taken = last.and_then(|last| serde_json::from_slice::<Taken>(&last.data).ok());
    let floor = u64::try_from(newest).unwrap_or(0).max(taken.map_or(0, |taken| taken.ids_until));
    let floor = if is_broken(Rule::IdsGoOnAfterTheLog) { 0 } else { floor };
    Snowflakes::try_new(worker, floor)
        .ok_or_else(|| StoreError::Broken(format!("worker numbers go from 0 to {WORKER_MAX}").into()))
}

fn follow(last: Option<&RecordedEvent>) -> ExpectedRevision {
    last.map_or(ExpectedRevision::NoStream, |last| ExpectedRevision::Exact(last.revision))
}

fn free_after() -> TimeDelta {
    TimeDelta::from_std(WORKER_FREE_AFTER).unwrap_or(TimeDelta::MAX)
}

fn stream(worker: u16) -> Arc<str> {
    format!("$worker-{worker}").into()
}
