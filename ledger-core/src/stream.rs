//! The names of streams: `category-id`.

use sha2::{Digest, Sha256};

use crate::{AccountId, UserId, WebhookId};

/// Category of account streams.
pub const ACCOUNT: &str = "account-";
/// Category of transfer streams.
pub const TRANSFER: &str = "transfer-";
/// Category of the streams that make account references unique.
pub const ACCOUNT_REFERENCE: &str = "accountreference-";
/// The stream of transfers that were parked, and of what became of them.
pub const DEAD_LETTERS: &str = "deadletter-transfer";
/// Category of user streams.
pub const USER: &str = "user-";
/// Category of the streams of accounts' statements.
pub const STATEMENT: &str = "statement-";
/// Category of webhook streams.
pub const WEBHOOK: &str = "webhook-";

/// `account-{id}`.
#[must_use]
pub fn account(id: AccountId) -> String {
    format!("{ACCOUNT}{id}")
}

/// `user-{id}`.
#[must_use]
pub fn user(id: UserId) -> String {
    format!("{USER}{id}")
}

/// `statement-{id}`.
#[must_use]
pub fn statement(id: AccountId) -> String {
    format!("{STATEMENT}{id}")
}

/// `webhook-{id}`.
#[must_use]
pub fn webhook(id: WebhookId) -> String {
    format!("{WEBHOOK}{id}")
}

/// `$snapshot-{stream}`: where snapshots of a stream are. Not of a category: it holds no event of the ledger.
#[must_use]
pub fn snapshots(stream: &str) -> String {
    format!("$snapshot-{stream}")
}

/// `transfer-{digest}`: the first 128 bits of SHA-256 over the client and its idempotency key, in hex.
///
/// The name is the guard: a transfer's stream is created with "no stream" expected, so one (client, key) pair can never make two
/// transfers, without anybody remembering keys. The client's length goes in first, so that no two pairs run together.
#[must_use]
pub fn transfer(client: &str, idempotency_key: &str) -> String {
    keyed_name(TRANSFER, client, idempotency_key)
}

/// `$webhookkey-{digest}`, as in [`transfer`]: where it stands which webhook is registered with the key. Not of a category: it holds no event
/// of the ledger.
#[must_use]
pub fn webhook_key(client: &str, idempotency_key: &str) -> String {
    keyed_name("$webhookkey-", client, idempotency_key)
}

fn keyed_name(category: &str, client: &str, idempotency_key: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(u64::try_from(client.len()).unwrap_or(u64::MAX).to_be_bytes());
    hasher.update(client.as_bytes());
    hasher.update(idempotency_key.as_bytes());
    digest_name(category, hasher)
}

/// `accountreference-{digest}`: the first 128 bits of SHA-256 over the reference, in hex.
#[must_use]
pub fn account_reference(reference: &str) -> String {
    digest_name(ACCOUNT_REFERENCE, Sha256::new_with_prefix(reference))
}

fn digest_name(category: &str, hasher: Sha256) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut name = String::with_capacity(category.len().saturating_add(32));
    name.push_str(category);
    for byte in hasher.finalize().iter().take(16) {
        for nibble in [byte >> 4, byte & 15] {
            name.push(HEX.get(usize::from(nibble)).copied().map_or('?', char::from));
        }
    }
    name
}

/// The account of an account stream's name.
#[must_use]
pub fn account_id(stream: &str) -> Option<AccountId> {
    stream.strip_prefix(ACCOUNT)?.parse().ok()
}

/// The webhook of a webhook stream's name.
#[must_use]
pub fn webhook_id(stream: &str) -> Option<WebhookId> {
    stream.strip_prefix(WEBHOOK)?.parse().ok()
}
