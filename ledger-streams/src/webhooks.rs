//! Execute for webhooks, whose streams are short and cold, and the list of them all.
//!
//! The list is a stream of the store's own bookkeeping, so that whoever posts for webhooks need not read the whole log to know them.
//! A webhook is listed before its stream begins: one that is listed may not exist, none that exists is missing.

use std::sync::Arc;

use ledger_core::webhook::{self, WebhookCommand, WebhookEvent, WebhookState};
use ledger_core::{Event, Rejection, UserId, WebhookId, stream};
use serde::{Deserialize, Serialize};

use crate::codec::{Context, Draft, decode_all, encode, system_append};
use crate::store::AppendFailure;
use crate::{CONFLICT_RETRIES_MAX, Executed, Ledger, Recorded, StoreError};

/// The stream that lists all webhooks.
const LIST: &str = "$webhooks";

/// A webhook that was, or was to be, registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedWebhook {
    /// Its id.
    pub webhook_id: WebhookId,
    /// Whose it is; none for the bank's.
    pub user_id: Option<UserId>,
}

impl Ledger {
    /// Executes a command on a webhook.
    ///
    /// # Errors
    /// The outer error when the store could not do it, the inner one when the domain says no.
    pub async fn webhook(
        &self,
        id: WebhookId,
        command: &WebhookCommand,
        context: &Context,
    ) -> Result<Result<Executed<WebhookEvent>, Rejection>, StoreError> {
        let stream: Arc<str> = stream::webhook(id).into();
        for _ in 0..CONFLICT_RETRIES_MAX {
            let state = self.load_webhook(&stream).await?;
            let events = match webhook::decide(&state, command) {
                Ok(events) => events,
                Err(rejection) => return Ok(Err(rejection)),
            };
            if events.is_empty() {
                return Ok(Ok(Executed { events, position: self.store().head().await? }));
            }
            let own = events.iter().cloned().map(Event::Webhook).collect();
            let (own, _) = encode(&[Draft::new(Arc::clone(&stream), state.events, own)], context)?;
            let mut batch = Vec::new();
            if let WebhookCommand::Register { user_id, .. } = command {
                let listed = ListedWebhook { webhook_id: id, user_id: *user_id };
                let data = serde_json::to_vec(&listed)
                    .map_err(|error| StoreError::Broken(error.to_string().into()))?;
                batch.push(system_append(self.store().new_uuid(), LIST, "$webhook", data));
            }
            batch.extend(own);
            match self.store().append(batch).await {
                Ok(placed) => {
                    let position = placed.last().map_or(0, |last| last.position);
                    return Ok(Ok(Executed { events, position }));
                }
                Err(AppendFailure::Conflict(_)) => {}
                Err(AppendFailure::Store(error)) => return Err(error),
            }
        }
        Err(StoreError::Contended(stream))
    }

    /// A webhook's state.
    ///
    /// # Errors
    /// From loading it.
    pub async fn view_webhook(&self, id: WebhookId) -> Result<WebhookState, StoreError> {
        self.load_webhook(&stream::webhook(id).into()).await
    }

    /// Every webhook that was ever listed, oldest first.
    ///
    /// # Errors
    /// From reading the list.
    pub async fn listed_webhooks(&self) -> Result<Vec<ListedWebhook>, StoreError> {
        let listed = self.store().read_stream(&LIST.into(), 0).await?;
        let read = |data: &[u8]| {
            serde_json::from_slice(data)
                .map_err(|error| StoreError::Broken(format!("the list of webhooks: {error}").into()))
        };
        listed.iter().map(|event| read(&event.data)).collect()
    }

    /// Everything that happened to a webhook.
    ///
    /// # Errors
    /// From reading its stream.
    pub async fn webhook_history(&self, id: WebhookId) -> Result<Vec<Recorded>, StoreError> {
        decode_all(self.store().read_stream(&stream::webhook(id).into(), 0).await?)
    }

    async fn load_webhook(&self, stream: &Arc<str>) -> Result<WebhookState, StoreError> {
        let mut state = WebhookState::default();
        for recorded in decode_all(self.store().read_stream(stream, 0).await?)? {
            if let Event::Webhook(event) = &recorded.event {
                state.evolve(event);
            }
        }
        Ok(state)
    }
}
