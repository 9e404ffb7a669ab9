//! Execute for webhooks, and the idempotency keys that they are registered with.

use std::sync::Arc;

use eventstore_node::{ExpectedRevision, StreamAppend};
use ledger_core::user::UserStatus;
use ledger_core::webhook::{self, WebhookCommand, WebhookEvent, WebhookState};
use ledger_core::{Event, Rejection, WebhookId, stream};

use crate::codec::{Context, decode_all, system_append};
use crate::decide_on::own_stream;
use crate::store::AppendFailure;
use crate::webhook_list::{ListedWebhook, WebhookList, entries, list_stream};
use crate::{Executed, Ledger, Recorded, StoreError};

impl Ledger {
    /// Executes a command on a webhook. One that is registered is listed; one whose user is erased meanwhile is deleted again, and listed until
    /// the caller has destroyed its secret.
    ///
    /// # Errors
    /// The outer error when the store could not do it, the inner one when the domain says no.
    pub async fn webhook(
        &self,
        id: WebhookId,
        command: &WebhookCommand,
        context: &Context,
    ) -> Result<Result<Executed<WebhookEvent>, Rejection>, StoreError> {
        if let WebhookCommand::Register { user_id, .. } = command {
            return self
                .register(ListedWebhook { user_id: *user_id, webhook_id: id }, command, context)
                .await;
        }
        self.command(id, command, context).await
    }

    async fn command(
        &self,
        id: WebhookId,
        command: &WebhookCommand,
        context: &Context,
    ) -> Result<Result<Executed<WebhookEvent>, Rejection>, StoreError> {
        let stream: Arc<str> = stream::webhook(id).into();
        let mut state = WebhookState::default();
        let decide = |state: &WebhookState| webhook::decide(state, command);
        self.decide_on(&stream, &mut state, decide, own_stream(&stream, Event::Webhook, context)).await
    }

    async fn register(
        &self,
        listed: ListedWebhook,
        command: &WebhookCommand,
        context: &Context,
    ) -> Result<Result<Executed<WebhookEvent>, Rejection>, StoreError> {
        let id = listed.webhook_id;
        let events = match webhook::decide(&self.view_webhook(id).await?, command) {
            Ok(events) => events,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let stream: Arc<str> = stream::webhook(id).into();
        let begin = own_stream(&stream, Event::Webhook, context);
        let decide = |list: &WebhookList| list.list(listed);
        let batch = |after, new: &[_]| {
            let mut batch = entries(self.store(), after, new)?;
            batch.extend(begin(0, &events)?);
            Ok(batch)
        };
        let done = {
            let mut list = self.lock_list().await?;
            self.decide_on(&list_stream(), &mut *list, decide, batch).await?
        };
        let registered = match done {
            Err(rejection) => Err(rejection),
            // A try that was cut short between the two has listed it.
            Ok(done) if done.events.is_empty() => self.command(id, command, context).await?,
            Ok(done) => Ok(Executed { events, position: done.position }),
        };
        let Ok(done) = registered else { return Ok(registered) };
        // Over the network there is a moment between the two. Whoever erases the user then, or takes the webhook off the list as one that never
        // began, does not see it; but it has been done by the time we look.
        let is_listed = self.listed_webhook(id).await? == Some(listed);
        // After the list: who was erased is recorded before anything leaves it for that.
        let is_erased = match listed.user_id {
            Some(user_id) => self.view_user(user_id).await?.status == UserStatus::Erased,
            None => false,
        };
        if is_listed && !is_erased {
            return Ok(Ok(done));
        }
        // It stays on the list, for whoever destroys its secret.
        let _ = self.command(id, &WebhookCommand::Delete, context).await?;
        if is_erased { Ok(Err(Rejection::UserErased)) } else { Err(StoreError::Contended(list_stream())) }
    }

    /// A webhook's state.
    ///
    /// # Errors
    /// From loading it.
    pub async fn view_webhook(&self, id: WebhookId) -> Result<WebhookState, StoreError> {
        self.fold(&stream::webhook(id).into()).await
    }

    /// Everything that happened to a webhook.
    ///
    /// # Errors
    /// From reading its stream.
    pub async fn webhook_history(&self, id: WebhookId) -> Result<Vec<Recorded>, StoreError> {
        decode_all(self.store().read_stream(&stream::webhook(id).into(), 0).await?)
    }

    /// The webhook that a client registers, or was to register, with this idempotency key.
    ///
    /// # Errors
    /// From reading the key's stream.
    pub async fn webhook_of_key(&self, client: &str, key: &str) -> Result<Option<WebhookId>, StoreError> {
        let stream = stream::webhook_key(client, key).into();
        let Some(claimed) = self.store().read_event(&stream, 0).await? else { return Ok(None) };
        serde_json::from_slice(&claimed.data)
            .map(Some)
            .map_err(|error| StoreError::Broken(format!("{stream}: {error}").into()))
    }

    /// Says, once and for all, which webhook a client registers with this idempotency key: this one, or the one that was said before.
    ///
    /// # Errors
    /// From the store.
    pub async fn claim_webhook_key(
        &self,
        client: &str,
        key: &str,
        id: WebhookId,
    ) -> Result<WebhookId, StoreError> {
        let stream = stream::webhook_key(client, key);
        let data = serde_json::to_vec(&id).map_err(|error| StoreError::Broken(error.to_string().into()))?;
        let claim = system_append(self.store().new_uuid(), &stream, "$webhook-key", data);
        match self.store().append(vec![StreamAppend { expected: ExpectedRevision::NoStream, ..claim }]).await
        {
            Ok(_) => Ok(id),
            Err(AppendFailure::Store(error)) => Err(error),
            Err(AppendFailure::Conflict(_)) => {
                let claimed = self.webhook_of_key(client, key).await?;
                claimed.ok_or_else(|| StoreError::Contended(stream.into()))
            }
        }
    }
}
