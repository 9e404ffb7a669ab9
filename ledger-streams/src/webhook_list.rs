//! The list of webhooks: who is told anything, how many there are, and who may have none any more.
//!
//! It is a stream of the store's own bookkeeping, folded once and read on from there, so that nobody reads the whole log, or each webhook's
//! stream, to know them. A webhook is listed before its stream begins and leaves the list last, when its secret is destroyed: one that is
//! listed may not exist, none that exists is missing.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use eventstore_node::{RecordedEvent, StreamAppend};
use ledger_core::{Rejection, UserId, WebhookId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::codec::system_append;
use crate::decide_on::Folded;
use crate::store::after;
use crate::{EventStore, Ledger, StoreError, WEBHOOKS_MAX, WEBHOOKS_PER_USER_MAX};

/// The stream.
const STREAM: &str = "$webhooks";

/// A webhook that is, or is to be, registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListedWebhook {
    /// Its id.
    pub webhook_id: WebhookId,
    /// Whose it is; none for the bank's.
    pub user_id: Option<UserId>,
}

/// What happens to the list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entry {
    /// A webhook is listed.
    Listed(ListedWebhook),
    /// A webhook is no more.
    Removed(ListedWebhook),
    /// A user has none from here on but those that are listed, and these are to go.
    Closed(UserId),
}

/// The list.
#[derive(Debug, Default)]
pub(crate) struct WebhookList {
    listed: BTreeSet<ListedWebhook>,
    closed: HashSet<UserId>,
    events: u64,
}

impl WebhookList {
    /// Lists a webhook, if there is room and its user may have it; nothing when it is listed already.
    pub(crate) fn list(&self, webhook: ListedWebhook) -> Result<Vec<Entry>, Rejection> {
        if webhook.user_id.is_some_and(|user_id| self.closed.contains(&user_id)) {
            return Err(Rejection::UserErased);
        }
        if self.listed.contains(&webhook) {
            return Ok(vec![]);
        }
        let is_full = self.listed.len() >= WEBHOOKS_MAX;
        if is_full || webhook.user_id.is_some_and(|user_id| self.of(user_id).count() >= WEBHOOKS_PER_USER_MAX)
        {
            return Err(Rejection::TooManyWebhooks);
        }
        Ok(vec![Entry::Listed(webhook)])
    }

    fn remove(&self, webhook: ListedWebhook) -> Vec<Entry> {
        if self.listed.contains(&webhook) { vec![Entry::Removed(webhook)] } else { vec![] }
    }

    fn close(&self, user_id: UserId) -> Vec<Entry> {
        if self.closed.contains(&user_id) { vec![] } else { vec![Entry::Closed(user_id)] }
    }

    fn of(&self, user_id: UserId) -> impl Iterator<Item = ListedWebhook> {
        self.listed.iter().filter(move |listed| listed.user_id == Some(user_id)).copied()
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
            Entry::Listed(webhook) => {
                self.listed.insert(*webhook);
            }
            Entry::Removed(webhook) => {
                self.listed.remove(webhook);
            }
            Entry::Closed(user_id) => {
                self.closed.insert(*user_id);
            }
        }
    }

    fn decode(recorded: RecordedEvent) -> Result<Option<Entry>, StoreError> {
        let entry = match &*recorded.event_type {
            LISTED => Entry::Listed(read(&recorded.data)?),
            REMOVED => Entry::Removed(read(&recorded.data)?),
            CLOSED => Entry::Closed(read(&recorded.data)?),
            other => return Err(broken(&format!("'{other}' is nothing that happens to it"))),
        };
        Ok(Some(entry))
    }
}

const LISTED: &str = "$webhook";
const REMOVED: &str = "$webhook-removed";
const CLOSED: &str = "$webhook-user-closed";

fn read<T: DeserializeOwned>(data: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(data).map_err(|error| broken(&error.to_string()))
}

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
        let (kind, data) = match entry {
            Entry::Listed(webhook) => (LISTED, serde_json::to_vec(webhook)),
            Entry::Removed(webhook) => (REMOVED, serde_json::to_vec(webhook)),
            Entry::Closed(user_id) => (CLOSED, serde_json::to_vec(user_id)),
        };
        let data = data.map_err(|error| broken(&error.to_string()))?;
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
        let mut list = self.webhook_list().lock().await;
        self.read_on(&list_stream(), &mut *list).await?;
        Ok(list.listed.iter().copied().collect())
    }

    /// Takes a webhook off the list: the last that is done when it is deleted. Doing it twice is fine.
    ///
    /// # Errors
    /// From the store.
    pub async fn unlist_webhook(&self, webhook: ListedWebhook) -> Result<(), StoreError> {
        self.write_list(|list| list.remove(webhook)).await.map(|_| ())
    }

    /// Lets nobody register a webhook of this user from here on, whoever has begun to; those that there are, or may come to be, are to be
    /// deleted by the caller. Doing it twice is fine.
    ///
    /// # Errors
    /// From the store.
    pub async fn close_webhooks_of(&self, user_id: UserId) -> Result<Vec<ListedWebhook>, StoreError> {
        self.write_list(|list| list.close(user_id)).await?;
        Ok(self.webhook_list().lock().await.of(user_id).collect())
    }

    /// True when this user is to have no webhooks any more.
    pub(crate) async fn is_closed(&self, user_id: UserId) -> Result<bool, StoreError> {
        let mut list = self.webhook_list().lock().await;
        self.read_on(&list_stream(), &mut *list).await?;
        Ok(list.closed.contains(&user_id))
    }

    async fn write_list(&self, write: impl Fn(&WebhookList) -> Vec<Entry>) -> Result<(), StoreError> {
        let mut list = self.webhook_list().lock().await;
        let batch = |events, new: &[Entry]| entries(self.store(), events, new);
        match self.decide_on(&list_stream(), &mut *list, |list| Ok(write(list)), batch).await? {
            Ok(_) => Ok(()),
            Err(rejection) => Err(broken(rejection.code())),
        }
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
        list.remove(webhook).iter().for_each(|entry| list.evolve(entry));
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
}
