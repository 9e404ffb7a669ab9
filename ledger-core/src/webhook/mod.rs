//! A webhook: an address that is told what happens. Which addresses may be called is in [`address`].

pub mod address;
mod command;
mod decide;
mod event;
mod state;
#[cfg(test)]
mod tests;

pub use command::WebhookCommand;
pub use decide::decide;
pub use event::{
    NotificationType, Settings, WebhookChanged, WebhookDeleted, WebhookDisabled, WebhookEnabled,
    WebhookEvent, WebhookRegistered, WebhookReplayed, WebhookSecretRotated,
};
pub use state::{Previous, Webhook, WebhookState, WebhookStatus};
