//! New ids, and the worker number that keeps them apart from those of other processes.
//!
//! Each number from 0 to 1023 has a stream, `$worker-{number}`. A process that appends to it at the revision it has seen holds the number
//! for a while and renews it before that is over. A number is free again when its last event is older than that by minutes, so that clocks of
//! different machines may differ by as much ([`crate::WORKER_FREE_AFTER`] less [`crate::WORKER_HELD_FOR`]). There are many numbers, so there is no
//! hurry. A number that the operator gives is said in the log, too, and is the operator's to keep apart.

use std::sync::{Arc, Weak};

use chrono::{DateTime, TimeDelta, Utc};
use eventstore_node::ExpectedRevision;
use ledger_core::Snowflakes;
use ledger_core::id::WORKER_MAX;
use parking_lot::RwLock;
use tokio::time::Instant;

use crate::codec::{system_append, time_of};
use crate::store::AppendFailure;
use crate::{
    EventStore, StoreError, WORKER_FREE_AFTER, WORKER_HELD_FOR, WORKER_RENEW_EVERY, WORKER_RETRY_EVERY,
};

/// Makes ids.
pub(crate) struct Ids {
    /// Written on the number's stream, for people who read it.
    holder: String,
    current: RwLock<Current>,
}

struct Current {
    worker: u16,
    snowflakes: Snowflakes,
    lease: Option<Lease>,
}

/// A number that was taken from the log.
#[derive(Clone, Copy)]
struct Lease {
    /// Of the stream's last event, which is ours.
    revision: u64,
    /// By the clock that never goes back, and by the one that goes on while the machine sleeps.
    valid_until: (Instant, DateTime<Utc>),
}

impl Lease {
    fn is_over(&self, now: DateTime<Utc>) -> bool {
        self.valid_until.0 <= Instant::now() || self.valid_until.1 <= now
    }
}

impl Ids {
    /// Ids of a given worker number, which nobody else must use, or of a free one.
    pub(crate) async fn open(store: &EventStore, worker: Option<u16>) -> Result<Arc<Self>, StoreError> {
        let holder = format!("{{\"holder\":\"{}\"}}", store.new_uuid());
        let current = match worker {
            Some(worker) => {
                let snowflakes = snowflakes(store, worker).await?;
                // Said in the log, too: nobody takes it for free.
                take(store, worker, ExpectedRevision::Any, &holder).await?;
                Current { worker, snowflakes, lease: None }
            }
            None => claim(store, &holder).await?,
        };
        let ids = Arc::new(Self { holder, current: RwLock::new(current) });
        tokio::spawn(keep(Arc::downgrade(&ids), store.clone()));
        Ok(ids)
    }

    /// Makes an id with `make`, unless the worker number may be another's by now.
    pub(crate) fn make<T>(
        &self,
        now: DateTime<Utc>,
        make: impl FnOnce(&Snowflakes) -> T,
    ) -> Result<T, StoreError> {
        let current = self.current.read();
        if current.lease.as_ref().is_some_and(|lease| lease.is_over(now)) {
            return Err(StoreError::Unavailable(
                "the number in this process's ids could not be renewed".into(),
            ));
        }
        Ok(make(&current.snowflakes))
    }

    /// The number in this process's ids.
    pub(crate) fn worker(&self) -> u16 {
        self.current.read().worker
    }

    /// Holds the number for longer, or takes another one if it was lost.
    async fn renew(&self, store: &EventStore) -> Result<(), StoreError> {
        let (worker, lease) = {
            let current = self.current.read();
            (current.worker, current.lease)
        };
        let Some(lease) = lease else {
            return take(store, worker, ExpectedRevision::Any, &self.holder).await.map(drop);
        };
        let renewed = take(store, worker, ExpectedRevision::Exact(lease.revision), &self.holder).await?;
        if let Some(renewed) = renewed {
            self.current.write().lease = Some(renewed);
            return Ok(());
        }
        // Until there is another one, no id is made.
        let over = (Instant::now(), store.now());
        self.current.write().lease = Some(Lease { valid_until: over, ..lease });
        let claimed = claim(store, &self.holder).await?;
        tracing::warn!(
            lost = worker,
            taken = claimed.worker,
            "another process has this one's worker number; took another"
        );
        *self.current.write() = claimed;
        Ok(())
    }
}

/// Renews for as long as there is something to renew.
async fn keep(ids: Weak<Ids>, store: EventStore) {
    let mut pause = WORKER_RENEW_EVERY;
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
async fn claim(store: &EventStore, holder: &str) -> Result<Current, StoreError> {
    // Anywhere: processes that start at the same time should not queue for the same numbers.
    let [high, low, ..] = store.new_uuid().into_bytes();
    let first = u16::from_be_bytes([high, low]);
    for offset in 0..=WORKER_MAX {
        let worker = first.wrapping_add(offset) & WORKER_MAX;
        let expected = match store.read_last(&stream(worker).into()).await? {
            None => ExpectedRevision::NoStream,
            Some(last) if store.now() - time_of(&last) > free_after() => {
                ExpectedRevision::Exact(last.revision)
            }
            Some(_) => continue,
        };
        if let Some(lease) = take(store, worker, expected, holder).await? {
            return Ok(Current { worker, snowflakes: snowflakes(store, worker).await?, lease: Some(lease) });
        }
    }
    Err(StoreError::Unavailable("every worker number is held by a process, or was a short time ago".into()))
}

async fn take(
    store: &EventStore,
    worker: u16,
    expected: ExpectedRevision,
    holder: &str,
) -> Result<Option<Lease>, StoreError> {
    let valid_until = (Instant::now() + WORKER_HELD_FOR, store.now() + WORKER_HELD_FOR);
    let mut append = system_append(store.new_uuid(), &stream(worker), "$worker", holder.as_bytes().to_vec());
    append.expected = expected;
    match store.append(vec![append]).await {
        Ok(placed) => Ok(placed.last().map(|last| Lease { revision: last.revision, valid_until })),
        Err(AppendFailure::Conflict(_)) => Ok(None),
        Err(AppendFailure::Store(error)) => Err(error),
    }
}

/// Ids never go back behind what the log has seen, whatever the clock does and whoever had the number before.
async fn snowflakes(store: &EventStore, worker: u16) -> Result<Snowflakes, StoreError> {
    let floor = store.read_newest().await?.map_or(0, |event| time_of(&event).timestamp_millis());
    Snowflakes::try_new(worker, u64::try_from(floor).unwrap_or(0))
        .ok_or_else(|| StoreError::Broken(format!("worker numbers go from 0 to {WORKER_MAX}").into()))
}

fn free_after() -> TimeDelta {
    TimeDelta::from_std(WORKER_FREE_AFTER).unwrap_or(TimeDelta::MAX)
}

fn stream(worker: u16) -> String {
    format!("$worker-{worker}")
}
