//! Keys to secrets: read from files, beside the dispatcher, which waits for no file.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use ledger_core::WebhookId;
use ledger_streams::StoreError;
use tokio::task::JoinError;

use super::Dispatcher;
use crate::KEY_RETRY_EVERY;
use crate::endpoint::Target;
use crate::hook::Hook;

/// What a webhook's secret was opened to.
pub(super) struct Opened {
    webhook_id: WebhookId,
    /// Of how many events of the webhook.
    events: u64,
    target: Result<Option<Target>, Box<dyn Error + Send + Sync>>,
}

impl Dispatcher {
    /// Has a webhook's secret opened; it is posted to when that is done.
    pub(super) fn want_target(&mut self, id: WebhookId) {
        let rests = |hook: &Hook| hook.key_retry_at.is_some_and(|due| Instant::now() < due);
        if self.hooks.get(&id).is_some_and(|hook| !hook.is_opening && !rests(hook)) {
            self.to_open.push(id);
        }
    }

    /// Opens a webhook's secret.
    pub(super) fn open_target(&mut self, id: WebhookId) {
        let wants = |hook: &&mut Hook| hook.target.is_none() && !hook.is_opening;
        let Some(hook) = self.hooks.get_mut(&id).filter(wants) else { return };
        hook.is_opening = true;
        let (webhook, events, keys) = (hook.webhook.clone(), hook.events(), self.keys.clone());
        self.openings.spawn(async move {
            let opened = tokio::task::spawn_blocking(move || Hook::open_target(&webhook, &keys)).await;
            let target = opened.map_err(Into::into).and_then(|opened| opened.map_err(Into::into));
            Opened { webhook_id: id, events, target }
        });
    }

    /// A secret was opened, or could not be.
    pub(super) fn opened(&mut self, opened: Result<Opened, JoinError>) -> Result<(), StoreError> {
        let Opened { webhook_id: id, events, target } =
            opened.map_err(|error| StoreError::Unavailable(format!("a key was not read: {error}").into()))?;
        let Some(hook) = self.hooks.get_mut(&id) else { return Ok(()) };
        hook.is_opening = false;
        let now = Instant::now();
        let retry_at = now + self.options.retry_max.min(KEY_RETRY_EVERY);
        match target {
            // It was changed meanwhile.
            _ if hook.events() != events => self.to_post.push(id),
            Ok(Some(target)) => {
                hook.target = Some(Arc::new(target));
                (hook.keyless_since, hook.key_retry_at) = (None, None);
                self.to_post.push(id);
            }
            Ok(None) => {
                let since = *hook.keyless_since.get_or_insert(now);
                hook.key_retry_at = Some(retry_at);
                self.look_again(id, retry_at);
                // It may be that the directory of keys is not there yet.
                if now - since >= self.options.disable_keyless_after {
                    self.disable(id, "its signing key is gone".to_owned());
                }
            }
            Err(error) => {
                tracing::error!(%error, webhook.id = %id, "a webhook's secret cannot be opened");
                hook.key_retry_at = Some(retry_at);
                self.look_again(id, retry_at);
            }
        }
        Ok(())
    }
}
