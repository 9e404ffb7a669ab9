//! The list of webhooks: who is told anything, and how many there are.
//!
//! It is a stream of the store's own bookkeeping, folded once and read on from there, so that nobody reads the whole log, or each webhook's
//! stream, to know them. A webhook is listed before its stream begins and leaves the list last, when its secret is destroyed: one that is
//! listed may not exist, none that exists is missing. Every entry is a [`ListedWebhook`]: programs that know only the first kind read them all.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use eventstore_node::{RecordedEvent, StreamAppend};
use ledger_core::webhook::WebhookStatus;
use ledger_core::{Rejection, UserId, WebhookId};
use serde::{Deserialize, Serialize};
use tokio::sync::MutexGuard;

use crate::codec::system_append;
use crate::decide_on::Folded;
use crate::store::after;
use crate::{
    EventStore, Ledger, StoreError, WEBHOOK_BEGINS_WITHIN, WEBHOOK_LIST_PATIENCE, WEBHOOKS_MAX,
    WEBHOOKS_PER_USER_MAX, WEBHOOKS_SWEPT_MAX,
};

/// The stream.
const STREAM: &str = "$webhooks";

/// A webhook that is, or is to be, registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedWebhook {
    /// Its id.
    pub webhook_id: WebhookId,
    /// Whose it is; none for the bank's.
    pub user_id: Option<UserId>,
}

/// What happens to the list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entry {
    /// A webhook is listed, as this owner's whosever it was.
    Listed(ListedWebhook),
    /// A webhook is no more.
    Removed(ListedWebhook),
}

/// The list.
#[derive(Debug, Default)]
pub(crate) struct WebhookList {
    owners: BTreeMap<WebhookId, Option<UserId>>,
    /// The same from the other end.
    owned: HashMap<Option<UserId>, BTreeSet<WebhookId>>,
    events: u64,
}

impl WebhookList {
    /// Lists a webhook, if there is room; nothing when it is listed already.
    pub(crate) fn list(&self, webhook: ListedWebhook) -> Result<Vec<Entry>, Rejection> {
        self.room(webhook)?;
        if self.get(webhook.webhook_id) == Some(webhook) {
            return Ok(vec![]);
        }
        Ok(vec![Entry::Listed(webhook)])
    }

    /// Whether there is room for a webhook; for one that is listed there is.
    fn room(&self, webhook: ListedWebhook) -> Result<(), Rejection> {
        let listed = self.get(webhook.webhook_id);
        let bank_is_full = listed.is_none() && self.owners.len() >= WEBHOOKS_MAX;
        let user_is_full = webhook.user_id.is_some()
            && listed != Some(webhook)
            && self.owned.get(&webhook.user_id).map_or(0, BTreeSet::len) >= WEBHOOKS_PER_USER_MAX;
        if bank_is_full || user_is_full { Err(Rejection::TooManyWebhooks) } else { Ok(()) }
    }

    fn remove(&self, webhook_id: WebhookId) -> Vec<Entry> {
        self.get(webhook_id).map(Entry::Removed).into_iter().collect()
    }

    fn get(&self, webhook_id: WebhookId) -> Option<ListedWebhook> {
        self.owners.get(&webhook_id).map(|user_id| ListedWebhook { webhook_id, user_id: *user_id })
    }

    fn of(&self, user_id: Option<UserId>) -> impl Iterator<Item = ListedWebhook> {
        let owned = self.owned.get(&user_id).into_iter().flatten();
        owned.map(move |webhook_id| ListedWebhook { webhook_id: *webhook_id, user_id })
    }

    fn forget(&mut self, webhook_id: WebhookId) {
        let Some(user_id) = self.owners.remove(&webhook_id) else { return };
        if let Some(owned) = self.owned.get_mut(&user_id) {
            owned.remove(&webhook_id);
            if owned.is_empty() {
                self.owned.remove(&user_id);
            }
        }
    }
}

impl Folded for WebhookList {
    type Event = Entry;

    fn events(&self) -> u64 {
        self.events
    }

    fn evolve(&mut self, entry: &Entry) {
        self.events = self.events.saturating_add(1);
        match entry {
            Entry::Listed(ListedWebhook { webhook_id, user_id }) => {
                self.forget(*webhook_id);
                self.owners.insert(*webhook_id, *user_id);
                self.owned.entry(*user_id).or_default().insert(*webhook_id);
            }
            Entry::Removed(webhook) => self.forget(webhook.webhook_id),
        }
    }

    fn decode(recorded: RecordedEvent) -> Result<Option<Entry>, StoreError> {
        let webhook = serde_json::from_slice(&recorded.data).map_err(|error| broken(&error.to_string()))?;
        match &*recorded.event_type {
            LISTED => Ok(Some(Entry::Listed(webhook))),
            REMOVED => Ok(Some(Entry::Removed(webhook))),
            other => Err(broken(&format!("'{other}' is nothing that happens to it"))),
        }
    }
}

const LISTED: &str = "$webhook";
const REMOVED: &str = "$webhook-removed";

fn broken(why: &str) -> StoreError {
    StoreError::Broken(format!("the list of webhooks: {why}").into())
}

/// Entries as a batch, decided on a list of so many events.
pub(crate) fn entries(
    store: &EventStore,
    events: u64,
    entries: &[Entry],
) -> Result<Vec<StreamAppend>, StoreError> {
    let append = |(revision, entry): (u64, &Entry)| {
        let (kind, webhook) = match entry {
            Entry::Listed(webhook) => (LISTED, webhook),
            Entry::Removed(webhook) => (REMOVED, webhook),
        };
        let data = serde_json::to_vec(webhook).map_err(|error| broken(&error.to_string()))?;
        Ok(StreamAppend { expected: after(revision), ..system_append(store.new_uuid(), STREAM, kind, data) })
    };
    (events..).zip(entries).map(append).collect()
}

impl Ledger {
    /// Every webhook there is, oldest first, and perhaps some that are being registered or deleted.
    ///
    /// # Errors
    /// From reading the list.
    pub async fn listed_webhooks(&self) -> Result<Vec<ListedWebhook>, StoreError> {
        let list = self.current_list().await?;
        Ok(list.owners.iter().map(|(id, owner)| ListedWebhook { webhook_id: *id, user_id: *owner }).collect())
    }

    /// As [`Self::listed_webhooks`], those of one owner.
    ///
    /// # Errors
    /// From reading the list.
    pub async fn listed_webhooks_of(
        &self,
        user_id: Option<UserId>,
    ) -> Result<Vec<ListedWebhook>, StoreError> {
        Ok(self.current_list().await?.of(user_id).collect())
    }

    /// One of them.
    ///
    /// # Errors
    /// From reading the list.
    pub async fn listed_webhook(&self, id: WebhookId) -> Result<Option<ListedWebhook>, StoreError> {
        Ok(self.current_list().await?.get(id))
    }

    /// Whether there is room for a webhook now. Nothing is written.
    ///
    /// # Errors
    /// The outer error from reading the list, the inner one when there is none.
    pub async fn room_for_webhook(
        &self,
        webhook: ListedWebhook,
    ) -> Result<Result<(), Rejection>, StoreError> {
        Ok(self.current_list().await?.room(webhook))
    }

    /// Those of an owner that take room on the list for nothing, as far as its oldest go: they were deleted, by a program that knew no unlisting
    /// or by one that was cut short, or never began and are not about to.
    ///
    /// # Errors
    /// From reading the list and their streams.
    pub async fn webhooks_in_vain(&self, user_id: Option<UserId>) -> Result<Vec<ListedWebhook>, StoreError> {
        let listed = self.listed_webhooks_of(user_id).await?;
        let begun_before = (self.now() - WEBHOOK_BEGINS_WITHIN).timestamp_millis();
        let mut in_vain = Vec::new();
        for listed in listed.into_iter().take(WEBHOOKS_SWEPT_MAX) {
            let is_in_vain = match self.view_webhook(listed.webhook_id).await?.webhook {
                Some(webhook) => webhook.status == WebhookStatus::Deleted,
                None => listed.webhook_id.made_at_ms().cast_signed() < begun_before,
            };
            if is_in_vain {
                in_vain.push(listed);
            }
        }
        Ok(in_vain)
    }

    /// Takes a webhook off the list: the last that is done when it is deleted. Doing it twice is fine.
    ///
    /// # Errors
    /// From the store.
    pub async fn unlist_webhook(&self, webhook: ListedWebhook) -> Result<(), StoreError> {
        let mut list = self.lock_list().await?;
        let remove = |list: &WebhookList| Ok(list.remove(webhook.webhook_id));
        let batch = |events, new: &[Entry]| entries(self.store(), events, new);
        match self.decide_on(&list_stream(), &mut *list, remove, batch).await? {
            Ok(_) => Ok(()),
            Err(rejection) => Err(broken(rejection.code())),
        }
    }

    async fn current_list(&self) -> Result<MutexGuard<'_, WebhookList>, StoreError> {
        let mut list = self.lock_list().await?;
        self.read_on(&list_stream(), &mut *list).await?;
        Ok(list)
    }

    /// The list as far as it was read. Whoever writes holds it until the store has answered, which may take its time.
    pub(crate) async fn lock_list(&self) -> Result<MutexGuard<'_, WebhookList>, StoreError> {
        let lock = tokio::time::timeout(WEBHOOK_LIST_PATIENCE, self.webhook_list().lock());
        lock.await.map_err(|_| StoreError::Unavailable("others wait to write the list of webhooks".into()))
    }
}

pub(crate) fn list_stream() -> Arc<str> {
    STREAM.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(user: Option<i64>, id: usize) -> ListedWebhook {
        let webhook_id = i64::try_from(id).ok().and_then(WebhookId::from_i64).unwrap();
        ListedWebhook { webhook_id, user_id: user.and_then(UserId::from_i64) }
    }

    fn list(list: &mut WebhookList, webhook: ListedWebhook) -> Result<usize, Rejection> {
        let entries = list.list(webhook)?;
        entries.iter().for_each(|entry| list.evolve(entry));
        Ok(entries.len())
    }

    fn remove(list: &mut WebhookList, webhook: ListedWebhook) {
        list.remove(webhook.webhook_id).iter().for_each(|entry| list.evolve(entry));
    }

    #[test]
    fn those_that_are_no_more_take_no_room() {
        let mut all = WebhookList::default();
        for id in 1..=WEBHOOKS_MAX {
            list(&mut all, webhook(None, id)).unwrap();
            remove(&mut all, webhook(None, id));
        }
        let lives = WEBHOOKS_MAX + 1..=2 * WEBHOOKS_MAX;
        for id in lives.clone() {
            list(&mut all, webhook(None, id)).unwrap();
        }
        let one_more = webhook(None, 2 * WEBHOOKS_MAX + 1);
        assert_eq!(list(&mut all, one_more), Err(Rejection::TooManyWebhooks));
        remove(&mut all, webhook(None, *lives.start()));
        assert_eq!(list(&mut all, one_more), Ok(1));
    }

    #[test]
    fn a_user_has_so_many_and_others_have_theirs() {
        let mut all = WebhookList::default();
        for user in [7, 8, 9] {
            for id in 1..=WEBHOOKS_PER_USER_MAX {
                list(&mut all, webhook(Some(user), user as usize * 100 + id)).unwrap();
            }
        }
        assert_eq!(list(&mut all, webhook(Some(8), 1)), Err(Rejection::TooManyWebhooks));
        assert_eq!(list(&mut all, webhook(Some(8), 801)), Ok(0), "it is listed");
        remove(&mut all, webhook(Some(8), 801));
        assert_eq!(list(&mut all, webhook(Some(8), 1)), Ok(1));
        assert_eq!(list(&mut all, webhook(None, 2)), Ok(1), "the bank has more");
    }

    #[test]
    fn an_id_is_listed_once_whosever_it_is() {
        let mut all = WebhookList::default();
        list(&mut all, webhook(Some(7), 1)).unwrap();
        assert_eq!(list(&mut all, webhook(Some(8), 1)), Ok(1));
        assert_eq!((all.of(UserId::from_i64(7)).count(), all.of(UserId::from_i64(8)).count()), (0, 1));
        remove(&mut all, webhook(Some(7), 1));
        assert!(all.owners.is_empty() && all.owned.is_empty(), "{all:?}");
    }
}
