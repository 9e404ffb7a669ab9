//! Webhooks: what several processes and several clients ask at once.

use ledger_core::user::{Sealed, UserCommand};
use ledger_core::webhook::{Settings, WebhookCommand, WebhookStatus};
use ledger_core::{Rejection, UserId, WebhookId, stream};

use super::{Bank, Engine, context};
use crate::webhook_list::{Entry, entries};
use crate::{Ledger, ListedWebhook, WEBHOOKS_PER_USER_MAX};

on_each_engine! {
    a_webhook_that_is_no_more_is_not_listed,
    of_many_registrations_at_once_no_more_are_made_than_there_is_room_for,
    a_registration_that_was_cut_short_is_finished,
    an_id_that_is_registered_for_another_owner_than_it_was_listed_for_is_that_ones,
    what_takes_room_for_nothing_is_found,
    a_key_is_one_webhooks_whoever_asks_at_once,
    whoever_is_erased_has_no_webhook_whatever_was_under_way,
    a_registration_that_is_taken_off_the_list_meanwhile_comes_to_nothing,
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

/// Over the network this is where a registration may be cut short.
async fn only_listed(ledger: &Ledger, listed: ListedWebhook) {
    let events = ledger.store().events_in(&crate::webhook_list::list_stream()).await.unwrap();
    let batch = entries(ledger.store(), events, &[Entry::Listed(listed)]).unwrap();
    ledger.store().append(batch).await.unwrap();
}

async fn a_registration_that_was_cut_short_is_finished(engine: Engine) {
    let bank = Bank::new(engine).await;
    let webhook_id = bank.ledger.new_webhook_id().unwrap();
    let listed = ListedWebhook { webhook_id, user_id: None };
    only_listed(&bank.ledger, listed).await;
    let again = register(webhook_id, None);
    let context = context(&stream::webhook(webhook_id));
    let done = bank.ledger.webhook(webhook_id, &again, &context).await.unwrap().unwrap();
    assert_eq!(done.events.len(), 1);
    assert_eq!(bank.ledger.listed_webhooks().await.unwrap(), [listed]);
    let refused = bank.ledger.webhook(webhook_id, &again, &context).await.unwrap();
    assert_eq!(refused.unwrap_err(), Rejection::WebhookExists);
}

async fn an_id_that_is_registered_for_another_owner_than_it_was_listed_for_is_that_ones(engine: Engine) {
    let bank = Bank::new(engine).await;
    let webhook_id = bank.ledger.new_webhook_id().unwrap();
    let (one, other) = (bank.ledger.new_user_id().ok(), bank.ledger.new_user_id().ok());
    only_listed(&bank.ledger, ListedWebhook { webhook_id, user_id: one }).await;
    let context = context(&stream::webhook(webhook_id));
    bank.ledger.webhook(webhook_id, &register(webhook_id, other), &context).await.unwrap().unwrap();
    assert_eq!(bank.ledger.listed_webhooks_of(one).await.unwrap(), []);
    let listed = [ListedWebhook { webhook_id, user_id: other }];
    assert_eq!(bank.ledger.listed_webhooks_of(other).await.unwrap(), listed);
    assert_eq!(bank.second().await.listed_webhooks().await.unwrap(), listed);
}

async fn what_takes_room_for_nothing_is_found(engine: Engine) {
    let bank = Bank::new(engine).await;
    let user_id = bank.ledger.new_user_id().ok();
    let live = registered(&bank.ledger, user_id).await.unwrap();
    // Deleted by a program that knows no unlisting.
    let deleted = registered(&bank.ledger, user_id).await.unwrap();
    let done = bank.ledger.webhook(deleted.webhook_id, &WebhookCommand::Delete, &context("")).await;
    done.unwrap().unwrap();
    let old = ListedWebhook { webhook_id: WebhookId::from_i64(1 << 22).unwrap(), user_id };
    let new = ListedWebhook { webhook_id: bank.ledger.new_webhook_id().unwrap(), user_id };
    let anothers = ListedWebhook { webhook_id: WebhookId::from_i64(2 << 22).unwrap(), user_id: None };
    for listed in [old, new, anothers] {
        only_listed(&bank.ledger, listed).await;
    }
    let in_vain = bank.ledger.webhooks_in_vain(user_id).await.unwrap();
    assert_eq!(in_vain, [old, deleted], "{live:?} lives, {new:?} may be about to");
    assert_eq!(bank.ledger.webhooks_in_vain(None).await.unwrap(), [anothers]);
    // Until then they count.
    for _ in 5..WEBHOOKS_PER_USER_MAX {
        registered(&bank.ledger, user_id).await.unwrap();
    }
    let one_more = ListedWebhook { webhook_id: bank.ledger.new_webhook_id().unwrap(), user_id };
    assert_eq!(bank.ledger.room_for_webhook(one_more).await.unwrap(), Ok(()));
    registered(&bank.ledger, user_id).await.unwrap();
    assert_eq!(bank.ledger.room_for_webhook(one_more).await.unwrap(), Err(Rejection::TooManyWebhooks));
    assert_eq!(bank.ledger.room_for_webhook(new).await.unwrap(), Ok(()), "it is listed");
    for listed in in_vain {
        bank.ledger.unlist_webhook(listed).await.unwrap();
    }
    assert_eq!(bank.ledger.room_for_webhook(one_more).await.unwrap(), Ok(()));
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

/// Deletes what was seen to begin, as whoever erases a user does.
async fn forget(ledger: &Ledger, user_id: UserId) {
    for listed in ledger.listed_webhooks_of(Some(user_id)).await.unwrap() {
        if ledger.view_webhook(listed.webhook_id).await.unwrap().webhook.is_some() {
            delete(ledger, listed).await.unwrap();
        }
    }
}

async fn whoever_is_erased_has_no_webhook_whatever_was_under_way(engine: Engine) {
    let bank = Bank::new(engine).await;
    let user_id = bank.ledger.new_user_id().unwrap();
    let say = async |command: UserCommand| {
        bank.ledger.user(user_id, &command, &context("")).await.unwrap().unwrap();
    };
    say(UserCommand::Register(user_id, Sealed("Alice".into()))).await;
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
    say(UserCommand::Erase).await;
    forget(&bank.ledger, user_id).await;
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
    for listed in bank.ledger.listed_webhooks().await.unwrap() {
        let webhook = bank.ledger.view_webhook(listed.webhook_id).await.unwrap().webhook;
        assert_eq!(webhook.unwrap().status, WebhookStatus::Deleted, "it begins again to tell");
    }
    // Erasing again finds what was withdrawn and not unlisted.
    forget(&bank.ledger, user_id).await;
    assert!(bank.ledger.listed_webhooks().await.unwrap().is_empty());
    registered(&bank.ledger, None).await.unwrap();
}

/// Somebody takes it for one that never began, and it begins.
async fn a_registration_that_is_taken_off_the_list_meanwhile_comes_to_nothing(engine: Engine) {
    let bank = Bank::new(engine).await;
    let other = bank.second().await;
    let mut withdrawn = 0;
    for _ in 0..20 {
        let webhook_id = bank.ledger.new_webhook_id().unwrap();
        let listed = ListedWebhook { webhook_id, user_id: None };
        let (context, command) = (context(""), register(webhook_id, None));
        let unlist = async {
            while bank.ledger.listed_webhook(webhook_id).await.unwrap().is_none() {
                tokio::task::yield_now().await;
            }
            bank.ledger.unlist_webhook(listed).await.unwrap();
            // The second look, as in the route that deletes.
            let _ = bank.ledger.webhook(webhook_id, &WebhookCommand::Delete, &context).await.unwrap();
        };
        let (done, ()) = tokio::join!(other.webhook(webhook_id, &command, &context), unlist);
        withdrawn += usize::from(done.is_err());
        let webhook = bank.ledger.view_webhook(webhook_id).await.unwrap().webhook.unwrap();
        assert_eq!(webhook.status, WebhookStatus::Deleted, "it tells, and nobody knows of it");
    }
    assert!(bank.ledger.listed_webhooks().await.unwrap().is_empty(), "{withdrawn} withdrawn");
}

#[tokio::test]
async fn the_list_is_not_waited_for_without_end() {
    let bank = Bank::new(Engine::Embedded).await;
    let _held = bank.ledger.lock_list().await.unwrap();
    assert!(bank.ledger.listed_webhooks().await.unwrap_err().is_outage());
}

/// What an entry says is read by programs that know nothing but these two fields.
#[tokio::test]
async fn every_entry_is_a_webhook_and_its_owner() {
    let bank = Bank::new(Engine::Embedded).await;
    let webhook = registered(&bank.ledger, bank.ledger.new_user_id().ok()).await.unwrap();
    delete(&bank.ledger, webhook).await.unwrap();
    let entries = bank.ledger.store().read_stream(&crate::webhook_list::list_stream(), 0).await.unwrap();
    let read: Vec<ListedWebhook> =
        entries.iter().map(|entry| serde_json::from_slice(&entry.data).unwrap()).collect();
    assert_eq!(read, [webhook, webhook]);
}
