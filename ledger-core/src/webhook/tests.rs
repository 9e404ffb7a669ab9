//! The rule book of webhooks.

use chrono::DateTime;

use super::*;
use crate::testing::given_webhook;
use crate::user::Sealed;
use crate::{Currency, Money, Rejection, WebhookId};

fn settings(types: &[NotificationType], threshold: Option<Money>) -> Settings {
    Settings { url: "https://a.example/hook".into(), types: types.into(), accounts: vec![], threshold }
}

fn register(settings: Settings) -> WebhookCommand {
    let webhook_id = WebhookId::from_i64(7).unwrap();
    WebhookCommand::Register { webhook_id, user_id: None, settings, secret: Sealed("one".into()) }
}

fn registered() -> WebhookEvent {
    WebhookEvent::Registered(WebhookRegistered {
        webhook_id: WebhookId::from_i64(7).unwrap(),
        user_id: None,
        settings: settings(&[], None),
        secret: Sealed("one".into()),
    })
}

fn disabled(reason: &str) -> WebhookEvent {
    WebhookEvent::Disabled(WebhookDisabled { reason: reason.into() })
}

fn deleted() -> WebhookEvent {
    WebhookEvent::Deleted(WebhookDeleted {})
}

#[test]
fn a_webhook_is_registered_once() {
    let command = register(settings(&[], None));
    given_webhook(&[]).when(&command).then([registered()]);
    given_webhook(&[registered()]).when(&command).refused(Rejection::WebhookExists);
    given_webhook(&[registered(), deleted()]).when(&command).refused(Rejection::WebhookExists);
}

#[test]
fn who_asks_for_a_threshold_names_it() {
    let asks = [NotificationType::BalanceBelowThreshold];
    given_webhook(&[]).when(&register(settings(&asks, None))).refused(Rejection::ThresholdMissing);
    let change = WebhookCommand::Change(settings(&asks, None));
    given_webhook(&[registered()]).when(&change).refused(Rejection::ThresholdMissing);
    let named = settings(&asks, Some(Money::new(1, Currency::from_code("EUR").unwrap())));
    let changed = WebhookEvent::Changed(WebhookChanged { settings: named.clone() });
    given_webhook(&[registered()]).when(&WebhookCommand::Change(named.clone())).then([changed.clone()]);
    given_webhook(&[registered(), changed]).when(&WebhookCommand::Change(named)).then([]);
}

#[test]
fn disabling_and_enabling_twice_is_once() {
    let disable = WebhookCommand::Disable("gone".into());
    given_webhook(&[registered()]).when(&disable).then([disabled("gone")]);
    given_webhook(&[registered(), disabled("before")]).when(&disable).then([]);
    given_webhook(&[registered()]).when(&WebhookCommand::Enable).then([]);
    let enabled = WebhookEvent::Enabled(WebhookEnabled {});
    given_webhook(&[registered(), disabled("x")]).when(&WebhookCommand::Enable).then([enabled]);
}

#[test]
fn a_rotated_secret_signs_on_for_a_while() {
    let until = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let rotated = WebhookSecretRotated { secret: Sealed("two".into()), previous_until: until };
    let command = WebhookCommand::RotateSecret { secret: Sealed("two".into()), previous_until: until };
    let state = given_webhook(&[registered()]);
    state.when(&command).then([WebhookEvent::SecretRotated(rotated.clone())]);
    let webhook = given_webhook(&[registered(), WebhookEvent::SecretRotated(rotated)]).webhook.unwrap();
    assert_eq!(webhook.secret, Sealed("two".into()));
    assert_eq!(webhook.previous, Some(Previous { secret: Sealed("one".into()), until }));
}

#[test]
fn nothing_is_asked_of_a_webhook_that_is_not_there() {
    for command in [WebhookCommand::Enable, WebhookCommand::Replay(1), WebhookCommand::Disable("x".into())] {
        given_webhook(&[]).when(&command).refused(Rejection::WebhookNotFound);
        given_webhook(&[registered(), deleted()]).when(&command).refused(Rejection::WebhookNotFound);
    }
    given_webhook(&[]).when(&WebhookCommand::Delete).refused(Rejection::WebhookNotFound);
    given_webhook(&[registered()]).when(&WebhookCommand::Delete).then([deleted()]);
    given_webhook(&[registered(), deleted()]).when(&WebhookCommand::Delete).then([]);
}

#[test]
fn a_replay_is_an_event_like_any_other() {
    let replayed = WebhookEvent::Replayed(WebhookReplayed { from_position: 42 });
    given_webhook(&[registered()]).when(&WebhookCommand::Replay(42)).then([replayed]);
}
