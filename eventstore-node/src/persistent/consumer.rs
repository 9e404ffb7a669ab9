//! A connection of a consumer to a group.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::error::Dropped;
use super::group::Request;
use super::limits::MAX_REASON_BYTES;
use super::machine::{ConsumerId, NackAction};
use super::resolved::ResolvedEvent;

/// Who a consumer is, for the figures of the group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerAbout {
    /// Its address.
    pub from: String,
    /// Its user's name.
    pub username: String,
    /// What it calls itself.
    pub connection_name: String,
}

/// An event that was delivered.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The event.
    pub event: Arc<ResolvedEvent>,
    /// How often it was delivered before.
    pub retry_count: u32,
}

/// A connection of a consumer to a group. Dropping it disconnects: what was not answered is delivered to others.
#[derive(Debug)]
pub struct Consumer {
    pub(super) deliveries: mpsc::Receiver<Delivered>,
    pub(super) ended: oneshot::Receiver<Dropped>,
    pub(super) dropped: Option<Dropped>,
    pub(super) answers: Answers,
    /// Its end is the consumer's.
    pub(super) _alive: oneshot::Sender<()>,
}

impl Consumer {
    /// The next event. Cancel-safe.
    ///
    /// # Errors
    /// There will be no more, and why.
    pub async fn next(&mut self) -> Result<Delivered, Dropped> {
        if let Some(delivered) = self.deliveries.recv().await {
            return Ok(delivered);
        }
        if let Some(dropped) = &self.dropped {
            return Err(dropped.clone());
        }
        let dropped = (&mut self.ended).await.unwrap_or(Dropped::ShuttingDown);
        Err(self.dropped.insert(dropped).clone())
    }

    /// Where to answer.
    #[must_use]
    pub fn answers(&self) -> Answers {
        self.answers.clone()
    }
}

/// Takes a consumer's answers. Events are named by their ids; where an event was delivered with a link, by the link's.
#[derive(Clone, Debug)]
pub struct Answers {
    pub(super) consumer: ConsumerId,
    pub(super) group: mpsc::Sender<Request>,
}

impl Answers {
    /// Done with these events.
    ///
    /// # Errors
    /// The group takes no more answers; the consumer's end says why.
    pub async fn ack(&self, ids: Vec<Uuid>) -> Result<(), Dropped> {
        self.send(Request::Ack { consumer: self.consumer, ids }).await
    }

    /// Not done with these events. Of a long reason, only the beginning counts.
    ///
    /// # Errors
    /// As for [`Self::ack`].
    pub async fn nack(&self, ids: Vec<Uuid>, action: NackAction, reason: String) -> Result<(), Dropped> {
        // Cut and shared here: it is kept with every one of the events.
        let reason = &reason[..reason.floor_char_boundary(MAX_REASON_BYTES)];
        let reason = format!("Client explicitly NAK'ed message.\n{reason}").into();
        self.send(Request::Nack { consumer: self.consumer, ids, action, reason }).await
    }

    async fn send(&self, request: Request) -> Result<(), Dropped> {
        self.group.send(request).await.map_err(|_| Dropped::GroupEnded)
    }
}
