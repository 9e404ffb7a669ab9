//! The rules of a webhook.

use super::{
    NotificationType, Settings, WebhookChanged, WebhookCommand, WebhookDeleted, WebhookDisabled,
    WebhookEnabled, WebhookEvent, WebhookRegistered, WebhookReplayed, WebhookSecretRotated, WebhookState,
    WebhookStatus,
};
use crate::Rejection;

/// Decides a command: the events to append, none when the command has had its effect before, or the reason for saying no.
///
/// # Errors
/// The [`Rejection`] that applies.
pub fn decide(state: &WebhookState, command: &WebhookCommand) -> Result<Vec<WebhookEvent>, Rejection> {
    if let WebhookCommand::Register { webhook_id, user_id, settings, secret } = command {
        if state.webhook.is_some() {
            return Err(Rejection::WebhookExists);
        }
        check(settings)?;
        return Ok(vec![WebhookEvent::Registered(WebhookRegistered {
            webhook_id: *webhook_id,
            user_id: *user_id,
            settings: settings.clone(),
            secret: secret.clone(),
        })]);
    }
    let Some(webhook) = &state.webhook else { return Err(Rejection::WebhookNotFound) };
    if webhook.status == WebhookStatus::Deleted {
        return match command {
            WebhookCommand::Delete => Ok(vec![]),
            _ => Err(Rejection::WebhookNotFound),
        };
    }
    if let WebhookCommand::Change(settings) = command {
        check(settings)?;
    }

    // From here on it succeeds.
    let event = match command {
        WebhookCommand::Register { .. } => return Ok(vec![]),
        WebhookCommand::Change(settings) if *settings == webhook.settings => return Ok(vec![]),
        WebhookCommand::Disable(_) if webhook.status.is_disabled() => return Ok(vec![]),
        WebhookCommand::Enable if !webhook.status.is_disabled() => return Ok(vec![]),
        WebhookCommand::Change(settings) => {
            WebhookEvent::Changed(WebhookChanged { settings: settings.clone() })
        }
        WebhookCommand::RotateSecret { secret, previous_until } => {
            WebhookEvent::SecretRotated(WebhookSecretRotated {
                secret: secret.clone(),
                previous_until: *previous_until,
            })
        }
        WebhookCommand::Disable(reason) => WebhookEvent::Disabled(WebhookDisabled { reason: reason.clone() }),
        WebhookCommand::Enable => WebhookEvent::Enabled(WebhookEnabled {}),
        WebhookCommand::Replay(from_position) => {
            WebhookEvent::Replayed(WebhookReplayed { from_position: *from_position })
        }
        WebhookCommand::Delete => WebhookEvent::Deleted(WebhookDeleted {}),
    };
    Ok(vec![event])
}

/// Who asks for a threshold must name it.
fn check(settings: &Settings) -> Result<(), Rejection> {
    let asks = settings.types.contains(&NotificationType::BalanceBelowThreshold);
    if asks && settings.threshold.is_none() { Err(Rejection::ThresholdMissing) } else { Ok(()) }
}
