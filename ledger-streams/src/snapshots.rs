//! Snapshots of accounts in the log, so that an account of a million events is loaded as quickly as a young one.
//!
//! The process that appends the event which makes a number of them full writes the state at that event to `$snapshot-account-{id}`, when
//! the event is on disk, in the background. Nobody waits for it, and if it fails a later load reads a little more. The log is the truth: a
//! snapshot is used only if the event it names stands in the stream at its revision.

use std::sync::Arc;

use ledger_core::account::{AccountSnapshot, AccountState};
use ledger_core::stream;
use uuid::Uuid;

use crate::codec::system_append;
use crate::store::AppendFailure;
use crate::{EventStore, StoreError};

/// Type of the events that hold snapshots.
const SNAPSHOT_TYPE: &str = "$snapshot";

/// Where an account's state can be read on from.
pub(crate) struct Start {
    pub(crate) state: AccountState,
    /// The last event folded into it.
    pub(crate) last_event: Uuid,
}

/// True when an append takes a stream over a multiple of `every` events: of all processes, the one that appends is the one that sees it.
pub(crate) const fn is_due(events_before: u64, events_after: u64, every: u64) -> bool {
    match (events_before.checked_div(every), events_after.checked_div(every)) {
        (Some(before), Some(after)) => before < after,
        _ => false,
    }
}

/// The state at an account's newest snapshot; `None` without one that can be trusted.
pub(crate) async fn newest(store: &EventStore, account: &Arc<str>) -> Result<Option<Start>, StoreError> {
    match checked(store, account).await {
        Ok(start) => Ok(start),
        // Then the account's own stream cannot be read either.
        Err(NotUsed::Store(error)) if error.is_transient() => Err(error),
        Err(reason) => {
            tracing::warn!(stream = %account, %reason, "a snapshot is passed over; the stream is read from its beginning");
            Ok(None)
        }
    }
}

/// Why a snapshot is of no use.
#[derive(Debug, thiserror::Error)]
enum NotUsed {
    #[error("{0}")]
    Undecodable(#[from] ledger_core::account::SnapshotError),
    #[error("event {revision} is not {expected}, which it names")]
    OtherEvent { revision: u64, expected: String },
    #[error("{0}")]
    Store(#[from] StoreError),
}

async fn checked(store: &EventStore, account: &Arc<str>) -> Result<Option<Start>, NotUsed> {
    let Some(written) = store.read_last(&stream::snapshots(account).into()).await? else {
        return Ok(None);
    };
    let snapshot = AccountSnapshot::decode(&written.data)?;
    let revision = snapshot.revision();
    match store.read_event(account, revision).await? {
        Some(event) if event.id.to_string() == snapshot.event_id() => {
            Ok(Some(Start { state: snapshot.restore(event.position), last_event: event.id }))
        }
        _ => Err(NotUsed::OtherEvent { revision, expected: snapshot.event_id().to_owned() }),
    }
}

/// Writes a snapshot of what is on disk, sooner or later or not at all.
pub(crate) fn write_in_background(store: &EventStore, account: &Arc<str>, snapshot: AccountSnapshot) {
    let (store, account) = (store.clone(), Arc::clone(account));
    tokio::spawn(async move {
        match write(&store, &account, &snapshot).await {
            Ok(()) => {
                tracing::debug!(stream = %account, revision = snapshot.revision(), "a snapshot is written");
            }
            Err(error) if error.is_transient() => {
                tracing::debug!(stream = %account, %error, "a snapshot was not written");
            }
            Err(error) => tracing::warn!(stream = %account, %error, "a snapshot cannot be written"),
        }
    });
}

async fn write(store: &EventStore, account: &str, snapshot: &AccountSnapshot) -> Result<(), StoreError> {
    let data = snapshot.encode().map_err(|error| StoreError::Broken(error.to_string().into()))?;
    match store.append(vec![system_append(&stream::snapshots(account), SNAPSHOT_TYPE, data)]).await {
        Ok(_) => Ok(()),
        Err(AppendFailure::Store(error)) => Err(error),
        Err(AppendFailure::Conflict(_)) => Err(StoreError::Contended(account.into())),
    }
}
