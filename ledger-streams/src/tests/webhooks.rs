//! Webhooks: what several processes and several clients ask at once.

use ledger_core::user::Sealed;
use ledger_core::webhook::{Settings, WebhookCommand, WebhookStatus};
use ledger_core::{Rejection, UserId, WebhookId, stream};

use super::{Bank, Engine, context};
use crate::{Ledger, ListedWebhook, WEBHOOKS_PER_USER_MAX};

on_each_engine! {
    a_webhook_that_is_no_more_is_not_listed,
    of_many_registrations_at_once_no_more_are_made_than_there_is_room_for,
    a_registration_that_was_cut_short_is_finished,
    a_key_is_one_webhooks_whoever_asks_at_once,
    whoever_is_erased_has_no_webhook_whatever_was_under_way,
}

fn register(webhook_id: WebhookId, user_id: Option<UserId>) -> WebhookCommand {
    let settings =
        Settings { url: "https://shop.example/".into(), types: vec![], accounts: vec![], threshold: None };
    WebhookCommand::Register { webhook_id, user_id, settings, secret: Sealed("one".into()) }
}

async fn registered(ledger: &Ledger, user_id: Option<UserId>) -> Result<ListedWebhook, Rejection> {
    let webhook_id = ledger.new_webhook_id().unwrap();
    let context = context(&stream::webhook(webhook_id));
    let done = ledger.webhook(webhook_id, &register(webhook_id, user_id), &context).await.unwrap();
    done.map(|_| ListedWebhook { webhook_id, user_id })
}

async fn delete(ledger: &Ledger, webhook: ListedWebhook) -> Result<usize, Rejection> {
    let context = context(&stream::webhook(webhook.webhook_id));
    let done = ledger.webhook(webhook.webhook_id, &WebhookCommand::Delete, &context).await.unwrap();
    ledger.unlist_webhook(webhook).await.unwrap();
    done.map(|executed| executed.events.len())
}

async fn a_webhook_that_is_no_more_is_not_listed(engine: Engine) {
    let bank = Bank::new(engine).await;
    let one = registered(&bank.ledger, None).await.unwrap();
    let two = registered(&bank.second().await, bank.ledger.new_user_id().ok()).await.unwrap();
    assert_eq!(bank.ledger.listed_webhooks().await.unwrap(), [one, two]);
    // Twice is the same as once.
    assert_eq!(delete(&bank.ledger, one).await, Ok(1));
    assert_eq!(delete(&bank.second().await, one).await, Ok(0));
    assert_eq!(bank.ledger.listed_webhooks().await.unwrap(), [two]);
    let bank = bank.restart().await;
    assert_eq!(bank.ledger.listed_webhooks().await.unwrap(), [two]);
}

async fn of_many_registrations_at_once_no_more_are_made_than_there_is_room_for(engine: Engine) {
    let bank = Bank::new(engine).await;
    let user_id = bank.ledger.new_user_id().ok();
    let mut asking = tokio::task::JoinSet::new();
    for worker in [2, 3] {
        let ledger = bank.another(worker).await;
        for _ in 0..WEBHOOKS_PER_USER_MAX {
            let ledger = ledger.clone();
            asking.spawn(async move { registered(&ledger, user_id).await });
        }
    }
    let answers = asking.join_all().await;
    let refused = answers.iter().filter(|answer| **answer == Err(Rejection::TooManyWebhooks)).count();
    assert_eq!(refused, WEBHOOKS_PER_USER_MAX, "{answers:?}");
    assert_eq!(bank.ledger.listed_webhooks().await.unwrap().len(), WEBHOOKS_PER_USER_MAX);
    let one = *answers.iter().find_map(|answer| answer.as_ref().ok()).unwrap();
    delete(&bank.ledger, one).await.unwrap();
    registered(&bank.ledger, user_id).await.unwrap();
}

/// Between the list and the webhook's own stream is a place to crash, over the network.
async fn a_registration_that_was_cut_short_is_finished(engine: Engine) {
    let bank = Bank::new(engine).await;
    let webhook_id = bank.ledger.new_webhook_id().unwrap();
    let listed = ListedWebhook { webhook_id, user_id: None };
    let entry = crate::webhook_list::Entry::Listed(listed);
    let batch = crate::webhook_list::entries(bank.ledger.store(), 0, &[entry]).unwrap();
    bank.ledger.store().append(batch).await.unwrap();
    let again = register(webhook_id, None);
    let context = context(&stream::webhook(webhook_id));
    let done = bank.ledger.webhook(webhook_id, &again, &context).await.unwrap().unwrap();
    assert_eq!(done.events.len(), 1);
    assert_eq!(bank.ledger.listed_webhooks().await.unwrap(), [listed]);
    let refused = bank.ledger.webhook(webhook_id, &again, &context).await.unwrap();
    assert_eq!(refused.unwrap_err(), Rejection::WebhookExists);
}

async fn a_key_is_one_webhooks_whoever_asks_at_once(engine: Engine) {
    let bank = Bank::new(engine).await;
    assert_eq!(bank.ledger.webhook_of_key("shop", "k").await.unwrap(), None);
    let mut asking = tokio::task::JoinSet::new();
    for worker in [2, 3] {
        let ledger = bank.another(worker).await;
        for _ in 0..8 {
            let ledger = ledger.clone();
            let id = ledger.new_webhook_id().unwrap();
            asking.spawn(async move { ledger.claim_webhook_key("shop", "k", id).await.unwrap() });
        }
    }
    let said = asking.join_all().await;
    assert!(said.iter().all(|id| *id == said[0]), "{said:?}");
    assert_eq!(bank.ledger.webhook_of_key("shop", "k").await.unwrap(), Some(said[0]));
    let other = bank.ledger.new_webhook_id().unwrap();
    assert_eq!(bank.ledger.claim_webhook_key("market", "k", other).await.unwrap(), other);
}

async fn whoever_is_erased_has_no_webhook_whatever_was_under_way(engine: Engine) {
    let bank = Bank::new(engine).await;
    let user_id = bank.ledger.new_user_id().unwrap();
    let mut asking = tokio::task::JoinSet::new();
    for worker in [2, 3] {
        let ledger = bank.another(worker).await;
        for _ in 0..WEBHOOKS_PER_USER_MAX / 2 {
            let ledger = ledger.clone();
            asking.spawn(async move { registered(&ledger, Some(user_id)).await });
        }
    }
    // In the middle of it.
    let mut answers = vec![asking.join_next().await.unwrap().unwrap()];
    for listed in bank.ledger.close_webhooks_of(user_id).await.unwrap() {
        assert!(matches!(delete(&bank.ledger, listed).await, Ok(_) | Err(Rejection::WebhookNotFound)));
    }
    answers.extend(asking.join_all().await);
    for answer in &answers {
        match answer {
            Err(rejection) => assert_eq!(*rejection, Rejection::UserErased),
            Ok(listed) => {
                let webhook = bank.ledger.view_webhook(listed.webhook_id).await.unwrap().webhook;
                assert_eq!(webhook.unwrap().status, WebhookStatus::Deleted);
            }
        }
    }
    assert_eq!(registered(&bank.ledger, Some(user_id)).await, Err(Rejection::UserErased));
    assert!(bank.ledger.listed_webhooks().await.unwrap().is_empty());
    registered(&bank.ledger, None).await.unwrap();
}
