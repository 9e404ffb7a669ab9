//! Where everybody is: loaded at the start, saved every second.

use std::collections::{BTreeSet, HashMap};

use futures::stream::{self, FuturesUnordered, StreamExt};
use ledger_core::{Position, WebhookId};
use ledger_streams::{KeyStore, Ledger, StoreError};
use tokio::task::JoinSet;

use super::fence::Fence;
use super::line::Line;
use super::turns::Turns;
use super::{Dispatcher, SUBSCRIBER};
use crate::endpoint::Endpoints;
use crate::facts::Facts;
use crate::health::Retry;
use crate::hook::{Hook, Place, Reading};
use crate::index::Index;
use crate::{LOADS_MAX, NotificationOptions, PLACES_PER_APPEND};

/// Where everybody is, as it was saved.
pub(super) struct Loaded {
    hooks: Vec<Hook>,
    along: Position,
}

impl Loaded {
    /// Reads it, and keeps the lease meanwhile; `None` when another process has it.
    pub(super) async fn read(
        ledger: &Ledger,
        options: &NotificationOptions,
        fence: &mut Fence,
    ) -> Result<Option<Self>, StoreError> {
        // Both before the list: whoever registers from here on is seen by the subscription.
        let head = ledger.store().head().await?;
        let place = ledger.load_place(SUBSCRIBER).await?;
        let listed = ledger.listed_webhooks().await?;
        let along = match place {
            Some(position) => position,
            None if listed.is_empty() => head,
            None => 0,
        };
        let retry = retry(options);
        let is_anybody = !listed.is_empty();
        let reads = listed.into_iter().map(|listed| load(ledger, listed.webhook_id, along, retry));
        let mut reads = std::pin::pin!(stream::iter(reads).buffer_unordered(LOADS_MAX));
        let mut hooks = Vec::new();
        while let Some(hook) = reads.next().await {
            hooks.extend(hook?);
            if is_anybody && fence.is_due() && !fence.attend().await? {
                return Ok(None);
            }
        }
        Ok(Some(Self { hooks, along }))
    }
}

/// One webhook, unless it was deleted.
async fn load(
    ledger: &Ledger,
    id: WebhookId,
    along: Position,
    retry: Retry,
) -> Result<Option<Hook>, StoreError> {
    let history = ledger.webhook_history(id).await?;
    if Hook::new(&history, None, along, retry).is_none() {
        return Ok(None);
    }
    let saved: Option<Option<Place>> = ledger.load_place(&subscriber(id)).await?;
    Ok(Hook::new(&history, saved.flatten(), along, retry))
}

pub(super) const fn retry(options: &NotificationOptions) -> Retry {
    Retry { min: options.retry_min, max: options.retry_max }
}

impl Dispatcher {
    /// Knows all webhooks, and where each of them is.
    pub(super) fn new(
        ledger: Ledger,
        keys: KeyStore,
        options: NotificationOptions,
        fence: Fence,
        loaded: Loaded,
    ) -> Result<Self, StoreError> {
        let endpoints = Endpoints::new(&options)
            .map_err(|error| StoreError::Unavailable(format!("certificates to trust: {error}").into()))?;
        let (mut hooks, mut index, mut to_read) = (HashMap::new(), Index::default(), Turns::default());
        for hook in loaded.hooks {
            index.insert(&hook.webhook);
            to_read.push(hook.id(), hook.read_to);
            hooks.insert(hook.id(), hook);
        }
        tracing::info!(webhooks = hooks.len(), position = loaded.along, "notifications go on");
        Ok(Self {
            facts: Facts::new(ledger.clone()),
            ledger,
            keys,
            options,
            fence,
            endpoints,
            hooks,
            index,
            along: loaded.along,
            posts: JoinSet::new(),
            openings: JoinSet::new(),
            disablings: JoinSet::new(),
            readings: FuturesUnordered::new(),
            to_read,
            to_post: Line::default(),
            to_open: Line::default(),
            timers: BTreeSet::new(),
            outstanding: 0,
            reserved: 0,
            moved: false,
        })
    }

    pub(super) async fn save_if_moved(&mut self) -> Result<(), StoreError> {
        self.measure();
        // Without the lease, another process's places may be newer.
        if !self.moved || !(self.hooks.is_empty() || self.fence.is_held()) {
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
            if !self.fence.save_places(&self.ledger, &places).await? {
                return Ok(());
            }
            for (id, place) in some {
                if let Some(hook) = self.hooks.get_mut(id) {
                    hook.saved = *place;
                }
            }
        }
        // While there is nobody to tell, any process may say how far it came.
        if self.hooks.is_empty() {
            self.ledger.save_checkpoint(SUBSCRIBER, along).await?;
        } else if !self.fence.save_places(&self.ledger, &[(SUBSCRIBER.to_owned(), along)]).await? {
            return Ok(());
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
