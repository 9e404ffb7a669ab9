//! The group's side of its connections.

use std::collections::HashMap;
use std::pin::Pin;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};

use super::Request;
use crate::persistent::consumer::{Answers, Consumer, ConsumerAbout, Delivered};
use crate::persistent::error::Dropped;
use crate::persistent::machine::{ConsumerId, Delivery};

/// Deliveries that wait to be taken, as a multiple of what is in flight: some may have been taken back in the meantime.
const WAITING: usize = 2;

struct Outlet {
    about: ConsumerAbout,
    deliveries: mpsc::Sender<Delivered>,
    ended: oneshot::Sender<Dropped>,
}

/// The group's side of its connections.
#[derive(Default)]
pub(super) struct Outlets {
    open: HashMap<ConsumerId, Outlet>,
    opened: ConsumerId,
    /// One future per consumer, which ends when the consumer is dropped.
    going: FuturesUnordered<Pin<Box<dyn Future<Output = ConsumerId> + Send>>>,
}

impl Outlets {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn about(&self, consumer: ConsumerId) -> ConsumerAbout {
        self.open.get(&consumer).map(|outlet| outlet.about.clone()).unwrap_or_default()
    }

    pub(super) fn open(
        &mut self,
        capacity: usize,
        about: ConsumerAbout,
        group: mpsc::Sender<Request>,
    ) -> Consumer {
        self.opened += 1;
        let id = self.opened;
        let (sender, deliveries) = mpsc::channel(capacity * WAITING);
        let (end, ended) = oneshot::channel();
        let (alive, gone) = oneshot::channel();
        self.going.push(Box::pin(async move {
            // Nothing is ever sent: this ends when the other end is dropped.
            let _ = gone.await;
            id
        }));
        self.open.insert(id, Outlet { about, deliveries: sender, ended: end });
        Consumer { deliveries, ended, dropped: None, answers: Answers { consumer: id, group }, _alive: alive }
    }

    /// Err: the consumer is gone, or takes nothing.
    pub(super) fn send(&self, delivery: Delivery) -> Result<(), ConsumerId> {
        let Some(outlet) = self.open.get(&delivery.consumer) else { return Ok(()) };
        let delivered = Delivered { event: delivery.event, retry_count: delivery.retry_count };
        outlet.deliveries.try_send(delivered).map_err(|_| delivery.consumer)
    }

    pub(super) fn close(&mut self, consumer: ConsumerId, why: Dropped) {
        if let Some(outlet) = self.open.remove(&consumer) {
            // The consumer may be gone.
            let _ = outlet.ended.send(why);
        }
    }

    /// Returns whom it has closed.
    pub(super) fn close_all(&mut self, why: &Dropped) -> Vec<ConsumerId> {
        let consumers: Vec<_> = self.open.keys().copied().collect();
        for consumer in &consumers {
            self.close(*consumer, why.clone());
        }
        consumers
    }

    /// The next consumer that was dropped.
    pub(super) async fn gone(&mut self) -> ConsumerId {
        match self.going.next().await {
            Some(consumer) => consumer,
            None => std::future::pending().await,
        }
    }
}
