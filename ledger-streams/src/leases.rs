//! Leases: a piece of work that one process at a time does, and another takes over when that one is gone.
//!
//! A lease is a stream, `$lease-{name}`. Who appends to it at the revision it has seen holds the lease for [`LeaseTimes::held_for`] from the moment it
//! began to append. Others see that event come up, and take the lease when it has stood unchanged for longer than that by their own clock.
//! So no two clocks are compared, and none may go back: both count from things that they saw themselves. It is renewed only while there is work,
//! so that an idle bank writes nothing; who held it last takes it up again at once.
//!
//! A lease saves work and guards nothing by itself: a process that was stopped in the middle of a step goes on with it when it wakes, whoever holds
//! the lease by then. What it does then is decided at exact revisions, like everything else.

use std::sync::Arc;
use std::time::Duration;

use eventstore_node::{ExpectedRevision, RecordedEvent, StreamAppend};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use crate::codec::system_append;
use crate::store::AppendFailure;
use crate::{EventStore, StoreError};

/// What stands in a lease's stream.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    /// Who holds it; nobody, when it was given back.
    holder: Option<Uuid>,
}

/// How long a lease lasts.
#[derive(Clone, Copy, Debug)]
pub struct LeaseTimes {
    /// From the moment it was asked for.
    pub held_for: Duration,
    /// How long before its end it is renewed.
    pub renew_before: Duration,
    /// How long another process's must have stood unchanged before it is taken. More than it is held for, so that clocks of different speed
    /// do no harm.
    pub free_after: Duration,
}

/// This process's view of one lease, and its part in it.
pub struct Lease {
    store: EventStore,
    stream: Arc<str>,
    times: LeaseTimes,
    me: Uuid,
    /// The revision of its last event, by whom it is, and since when it has been known here.
    seen: Option<Seen>,
    /// Until when it is surely this process's.
    until: Option<Instant>,
    /// See [`Lease::passes`].
    passes: u64,
}

#[derive(Clone, Copy)]
struct Seen {
    revision: u64,
    holder: Option<Uuid>,
    since: Instant,
}

impl Lease {
    pub(crate) fn new(store: EventStore, name: &str, times: LeaseTimes, me: Uuid) -> Self {
        Self { store, stream: format!("$lease-{name}").into(), times, me, seen: None, until: None, passes: 0 }
    }

    /// True while it is surely this process's.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    /// Until when it is surely this process's, whatever becomes of renewing it.
    #[must_use]
    pub const fn held_until(&self) -> Option<Instant> {
        self.until
    }

    /// Counts how often it was seen that another process may have held it since this one last did: what was known under the lease
    /// before may be out of date, also when the lease is free again.
    #[must_use]
    pub const fn passes(&self) -> u64 {
        self.passes
    }

    /// True when it is to be taken, or renewed, before more work is begun.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() + self.times.renew_before >= until)
    }

    /// Takes the lease, renews it, or sees that another process has it. True when it is held now.
    ///
    /// # Errors
    /// From the store. A lease that was held is held for as long as it was.
    pub async fn attend(&mut self) -> Result<bool, StoreError> {
        if !self.is_held() {
            self.until = None;
            self.look().await?;
        }
        let expected = match self.seen {
            None => ExpectedRevision::NoStream,
            Some(seen) if self.may_take(&seen) => ExpectedRevision::Exact(seen.revision),
            Some(_) => return Ok(false),
        };
        self.write(expected, Some(self.me), vec![]).await?;
        Ok(self.is_held())
    }

    /// A number that grows whenever the lease is taken or renewed, while it is held: what is written under it can be told from what an
    /// earlier holder writes late.
    pub(crate) fn token(&self) -> Option<u64> {
        self.seen.filter(|_| self.is_held()).map(|seen| seen.revision)
    }

    /// Appends what only the holder may append, behind a renewal and in one batch with it. `false` when another process has taken the lease:
    /// then nothing is written.
    pub(crate) async fn append(&mut self, batch: Vec<StreamAppend>) -> Result<bool, StoreError> {
        let Some(seen) = self.seen.filter(|_| self.is_held()) else { return Ok(false) };
        self.write(ExpectedRevision::Exact(seen.revision), Some(self.me), batch).await?;
        Ok(self.is_held())
    }

    /// Gives it back, so that another need not wait.
    ///
    /// # Errors
    /// From the store. It is free all the same, after a while.
    pub async fn release(&mut self) -> Result<(), StoreError> {
        let held = self.is_held();
        self.until = None;
        match self.seen {
            Some(seen) if held => self.write(ExpectedRevision::Exact(seen.revision), None, vec![]).await,
            _ => Ok(()),
        }
    }

    fn may_take(&self, seen: &Seen) -> bool {
        match seen.holder {
            None => true,
            // Ours, or it was: nobody else has taken it since.
            Some(holder) if holder == self.me => true,
            Some(_) => seen.since.elapsed() >= self.times.free_after,
        }
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        let last = self.store.read_last(&self.stream).await?;
        self.seen = match (last, self.seen) {
            (None, _) => None,
            (Some(event), Some(seen)) if seen.revision == event.revision => Some(seen),
            (Some(event), before) => {
                let holder = holder(&event);
                // Directly behind what was seen, an append of ours that came late, and nobody was between.
                let is_late = before.is_some_and(|seen| seen.revision + 1 == event.revision);
                if !(is_late && holder == Some(self.me)) {
                    self.passes += 1;
                }
                Some(Seen { revision: event.revision, holder, since: Instant::now() })
            }
        };
        Ok(())
    }

    async fn write(
        &mut self,
        expected: ExpectedRevision,
        holder: Option<Uuid>,
        behind: Vec<StreamAppend>,
    ) -> Result<(), StoreError> {
        let since = Instant::now();
        let data = serde_json::to_vec(&Held { holder })
            .map_err(|error| StoreError::Broken(error.to_string().into()))?;
        let mut append = system_append(self.store.new_uuid(), &self.stream, "$lease", data);
        append.expected = expected;
        let batch = std::iter::once(append).chain(behind).collect();
        match self.store.append(batch).await {
            Ok(placed) => {
                self.seen = placed.first().map(|last| Seen { revision: last.revision, holder, since });
                self.until = holder.map(|_| since + self.times.held_for);
                Ok(())
            }
            // Another process was faster, or an append of ours came late: the next look tells.
            Err(AppendFailure::Conflict(_)) => {
                self.until = None;
                self.look().await
            }
            Err(AppendFailure::Store(error)) => Err(error),
        }
    }
}

/// Who wrote it; an event that nobody here can read is held by somebody else.
fn holder(event: &RecordedEvent) -> Option<Uuid> {
    match serde_json::from_slice::<Held>(&event.data) {
        Ok(held) => held.holder,
        Err(_) => Some(Uuid::nil()),
    }
}
