//! Where everybody is: loaded at the start, saved every second.

use std::collections::{BTreeSet, HashMap, VecDeque};

use futures::stream::FuturesUnordered;
use ledger_core::WebhookId;
use ledger_streams::{KeyStore, Lease, Ledger, StoreError};
use tokio::task::JoinSet;

use super::{Dispatcher, SUBSCRIBER};
use crate::endpoint::Endpoints;
use crate::facts::Facts;
use crate::hook::{Hook, Place, Reading};
use crate::index::Index;
use crate::queue::Retry;
use crate::{NotificationOptions, PLACES_PER_APPEND};

impl Dispatcher {
    /// Knows all webhooks, and where each of them is.
    pub(super) async fn load(
        ledger: Ledger,
        keys: KeyStore,
        options: NotificationOptions,
        lease: Lease,
    ) -> Result<Self, StoreError> {
        let endpoints = Endpoints::new(&options)
            .map_err(|error| StoreError::Unavailable(format!("certificates to trust: {error}").into()))?;
        // Before the list: whoever registers from here on is seen by the subscription.
        let head = ledger.store().head().await?;
        let listed = ledger.listed_webhooks().await?;
        let along = match ledger.load_place(SUBSCRIBER).await? {
            Some(position) => position,
            None if listed.is_empty() => head,
            None => 0,
        };
        let retry = Retry { min: options.retry_min, max: options.retry_max };
        let (mut hooks, mut index, mut to_read) = (HashMap::new(), Index::default(), VecDeque::new());
        for listed in listed {
            let history = ledger.webhook_history(listed.webhook_id).await?;
            let saved: Option<Option<Place>> = ledger.load_place(&subscriber(listed.webhook_id)).await?;
            let Some(hook) = Hook::new(&history, saved.flatten(), along, retry) else { continue };
            index.insert(&hook.webhook);
            to_read.push_back(hook.id());
            hooks.insert(hook.id(), hook);
        }
        tracing::info!(webhooks = hooks.len(), position = along, "notifications go on");
        Ok(Self {
            facts: Facts::new(ledger.clone()),
            ledger,
            keys,
            options,
            lease,
            endpoints,
            hooks,
            index,
            along,
            posts: JoinSet::new(),
            readings: FuturesUnordered::new(),
            to_read,
            to_post: VecDeque::new(),
            timers: BTreeSet::new(),
            outstanding: 0,
            moved: false,
        })
    }

    pub(super) async fn save_if_moved(&mut self) -> Result<(), StoreError> {
        self.measure();
        // Without the lease, another process's places may be newer.
        if !self.moved || !(self.hooks.is_empty() || self.lease.is_held()) {
            return Ok(());
        }
        match self.save().await {
            // A place not saved costs some telling twice after a crash, no more.
            Err(error) if error.is_transient() => Ok(()),
            result => result,
        }
    }

    /// Saves the places of those who were not told everything, then where everybody else is: nothing of it, when another process has the
    /// lease by now.
    pub(super) async fn save(&mut self) -> Result<(), StoreError> {
        let along = self.along;
        let changed = self.hooks.values().filter_map(|hook| {
            let place = hook.place(along);
            (place != hook.saved).then_some((hook.id(), place))
        });
        let changed: Vec<_> = changed.collect();
        for some in changed.chunks(PLACES_PER_APPEND) {
            let places: Vec<_> = some.iter().map(|(id, place)| (subscriber(*id), *place)).collect();
            if !self.ledger.save_places(&mut self.lease, &places).await? {
                return Ok(());
            }
        }
        // While there is nobody to tell, any process may say how far it came.
        if self.hooks.is_empty() {
            self.ledger.save_checkpoint(SUBSCRIBER, along).await?;
        } else if !self.ledger.save_places(&mut self.lease, &[(SUBSCRIBER.to_owned(), along)]).await? {
            return Ok(());
        }
        for (id, place) in changed {
            if let Some(hook) = self.hooks.get_mut(&id) {
                hook.saved = place;
            }
        }
        self.moved = false;
        Ok(())
    }

    pub(super) fn measure(&self) {
        let behind =
            self.hooks.values().filter(|hook| hook.is_enabled() && hook.reading != Reading::Along).count();
        let disabled = self.hooks.values().filter(|hook| !hook.is_enabled()).count();
        let told =
            self.hooks.values().filter(|hook| hook.is_enabled()).map(|hook| hook.told_to(self.along)).min();
        metrics::gauge!("daybook_webhooks", "state" => "enabled").set((self.hooks.len() - disabled) as f64);
        metrics::gauge!("daybook_webhooks", "state" => "behind").set(behind as f64);
        metrics::gauge!("daybook_webhooks", "state" => "disabled").set(disabled as f64);
        metrics::gauge!("daybook_webhook_queue").set(self.outstanding as f64);
        metrics::gauge!("daybook_webhook_lag_positions")
            .set(self.along.saturating_sub(told.unwrap_or(self.along)) as f64);
    }
}

fn subscriber(id: WebhookId) -> String {
    format!("webhook-{id}")
}
