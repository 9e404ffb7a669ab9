//! Places of subscribers, kept in the log itself: `$checkpoint-{subscriber}`, whose last event counts.
//!
//! A place that was saved under a lease carries the lease's revision, as a fencing token. EventStoreDB writes a batch part by part: a process that is
//! stopped in the middle and goes on after another took the lease still writes the rest, over newer places. Who reads them sees by
//! the token that these came late.

use std::sync::Arc;

use eventstore_node::{RecordedEvent, StreamAppend};
use ledger_core::Position;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::codec::system_append;
use crate::store::AppendFailure;
use crate::{Lease, Ledger, PLACES_READ_BACK, StoreError};

/// A place as it is written.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Saved<T> {
    Fenced(Fenced<T>),
    /// By whoever it is, without a lease.
    Plain(T),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fenced<T> {
    /// Revision of the lease that it was saved under.
    lease: u64,
    place: T,
}

impl Ledger {
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
        let stream: Arc<str> = checkpoint_stream(subscriber).into();
        let newest_first = self.store().read_stream_end(&stream, PLACES_READ_BACK).await?;
        let mut newest: Option<Fenced<T>> = None;
        for event in newest_first {
            match (parse(&event, subscriber)?, &newest) {
                (Saved::Plain(place), None) => return Ok(Some(place)),
                // What came before there were leases.
                (Saved::Plain(_), Some(_)) => break,
                (Saved::Fenced(saved), Some(found)) if saved.lease <= found.lease => {}
                (Saved::Fenced(saved), _) => newest = Some(saved),
            }
        }
        Ok(newest.map(|saved| saved.place))
    }

    /// Saves a subscriber's place.
    ///
    /// # Errors
    /// From the store.
    pub async fn save_checkpoint(&self, subscriber: &str, position: Position) -> Result<(), StoreError> {
        match self.store().append(vec![self.place(subscriber, &Saved::Plain(position))?]).await {
            Ok(_) => Ok(()),
            Err(AppendFailure::Store(error)) => Err(error),
            Err(AppendFailure::Conflict(_)) => Err(StoreError::Contended(subscriber.into())),
        }
    }

    /// Saves places of subscribers, in this order: when one is there, those before it are. Only who holds the lease may: `false` when
    /// another process has taken it, whose places are newer; then nothing is saved.
    ///
    /// # Errors
    /// From the store.
    pub async fn save_places<T: Serialize + Sync>(
        &self,
        lease: &mut Lease,
        places: &[(String, T)],
    ) -> Result<bool, StoreError> {
        let Some(token) = lease.token() else { return Ok(false) };
        let batch = places.iter().map(|(subscriber, place)| {
            self.place(subscriber, &Saved::Fenced(Fenced { lease: token, place }))
        });
        lease.append(batch.collect::<Result<_, _>>()?).await
    }

    fn place<T: Serialize>(&self, subscriber: &str, place: &Saved<T>) -> Result<StreamAppend, StoreError> {
        let data = serde_json::to_vec(place).map_err(|error| StoreError::Broken(error.to_string().into()))?;
        Ok(system_append(self.store().new_uuid(), &checkpoint_stream(subscriber), "$checkpoint", data))
    }
}

fn parse<T: DeserializeOwned>(event: &RecordedEvent, subscriber: &str) -> Result<Saved<T>, StoreError> {
    serde_json::from_slice(&event.data)
        .map_err(|error| StoreError::Broken(format!("checkpoint of {subscriber}: {error}").into()))
}

fn checkpoint_stream(subscriber: &str) -> String {
    format!("$checkpoint-{subscriber}")
}
