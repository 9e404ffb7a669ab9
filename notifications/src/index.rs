//! Which webhooks may want to hear of an account.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use ledger_core::webhook::Webhook;
use ledger_core::{AccountId, UserId, WebhookId};

/// Webhooks by what they hear of: named accounts, a user's accounts, or all.
#[derive(Debug, Default)]
pub(crate) struct Index {
    by_account: HashMap<AccountId, BTreeSet<WebhookId>>,
    by_user: HashMap<UserId, BTreeSet<WebhookId>>,
    of_bank: BTreeSet<WebhookId>,
}

impl Index {
    pub(crate) fn insert(&mut self, webhook: &Webhook) {
        let id = webhook.webhook_id;
        for account in &webhook.settings.accounts {
            self.by_account.entry(*account).or_default().insert(id);
        }
        if webhook.settings.accounts.is_empty() {
            match webhook.user_id {
                Some(user) => self.by_user.entry(user).or_default().insert(id),
                None => self.of_bank.insert(id),
            };
        }
    }

    pub(crate) fn remove(&mut self, webhook: &Webhook) {
        let id = webhook.webhook_id;
        for account in &webhook.settings.accounts {
            remove(&mut self.by_account, account, id);
        }
        if let Some(user) = webhook.user_id {
            remove(&mut self.by_user, &user, id);
        }
        self.of_bank.remove(&id);
    }

    /// True when nobody wants to hear anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_account.is_empty() && self.by_user.is_empty() && self.of_bank.is_empty()
    }

    /// True when it matters who holds an account.
    pub(crate) fn knows_users(&self) -> bool {
        !self.by_user.is_empty()
    }

    /// Whom an account concerns.
    pub(crate) fn concerned(
        &self,
        account: AccountId,
        holder: Option<UserId>,
    ) -> impl Iterator<Item = WebhookId> {
        let named = self.by_account.get(&account).into_iter().flatten();
        let held = holder.and_then(|holder| self.by_user.get(&holder)).into_iter().flatten();
        named.chain(held).chain(&self.of_bank).copied()
    }
}

fn remove<K: Hash + Eq>(index: &mut HashMap<K, BTreeSet<WebhookId>>, key: &K, id: WebhookId) {
    if let Some(ids) = index.get_mut(key) {
        ids.remove(&id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}
