//! The secrets that webhooks sign with, encrypted before they reach the log, each webhook's with a [key](crate::KeyStore) of its own.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::OsRng;
use chacha20poly1305::aead::rand_core::RngCore;
use ledger_core::WebhookId;
use ledger_core::user::Sealed;

use crate::keys::KeyOwner;
use crate::{KeyError, KeyStore};

/// Random bytes of a secret. Standard Webhooks asks for 24 to 64.
const SECRET_BYTES: usize = 32;
/// What its text begins with.
const PREFIX: &str = "whsec_";

/// What a webhook's notifications are signed with. Shown where it is made, and again to who repeats that request
/// before anything else has happened to the webhook; never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(Vec<u8>);

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

impl WebhookSecret {
    fn random() -> Self {
        let mut bytes = vec![0; SECRET_BYTES];
        OsRng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// As the receiver is told it: `whsec_` and base64.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// The HMAC key.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl KeyStore {
    /// Makes a key and a secret for a new webhook, the key durably. Blocking.
    ///
    /// # Errors
    /// [`KeyError::File`], also when the webhook has a key already.
    pub fn create_secret(&self, webhook_id: WebhookId) -> Result<(WebhookSecret, Sealed), KeyError> {
        let secret = WebhookSecret::random();
        let sealed = self.seal_with_new(KeyOwner::Webhook(webhook_id), secret.bytes())?;
        Ok((secret, sealed))
    }

    /// Makes another secret for a webhook; `None` when its key was destroyed. Blocking.
    ///
    /// # Errors
    /// [`KeyError::File`].
    pub fn rotate_secret(&self, webhook_id: WebhookId) -> Result<Option<(WebhookSecret, Sealed)>, KeyError> {
        let secret = WebhookSecret::random();
        let sealed = self.seal_bytes(KeyOwner::Webhook(webhook_id), secret.bytes())?;
        Ok(sealed.map(|sealed| (secret, sealed)))
    }

    /// Opens a secret; `None` when the webhook's key was destroyed. Blocking.
    ///
    /// # Errors
    /// [`KeyError::File`], [`KeyError::Damaged`].
    pub fn open_secret(
        &self,
        webhook_id: WebhookId,
        sealed: &Sealed,
    ) -> Result<Option<WebhookSecret>, KeyError> {
        Ok(self.open_bytes(KeyOwner::Webhook(webhook_id), sealed)?.map(WebhookSecret))
    }

    /// Destroys a webhook's key, for good. Doing it twice is fine. Blocking.
    ///
    /// # Errors
    /// [`KeyError::File`].
    pub fn destroy_secrets(&self, webhook_id: WebhookId) -> Result<(), KeyError> {
        self.destroy_key(KeyOwner::Webhook(webhook_id))
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use ledger_core::WebhookId;

    use crate::KeyStore;

    #[test]
    fn a_secret_is_opened_with_its_webhooks_key_alone() {
        let dir = tempfile::tempdir().unwrap();
        let keys = KeyStore::open(dir.path()).unwrap();
        let (one, other) = (WebhookId::from_i64(101).unwrap(), WebhookId::from_i64(201).unwrap());
        let (secret, sealed) = keys.create_secret(one).unwrap();
        let text = secret.text();
        assert_eq!(STANDARD.decode(text.strip_prefix("whsec_").unwrap()).unwrap(), secret.bytes());
        assert!(!sealed.0.contains(text.strip_prefix("whsec_").unwrap()));
        assert!(!format!("{secret:?}").contains(&text), "it is not printed by chance");
        assert_eq!(keys.open_secret(one, &sealed).unwrap(), Some(secret.clone()));
        keys.create_secret(other).unwrap();
        assert!(keys.open_secret(other, &sealed).is_err(), "another's key does not open it");
        assert!(keys.create_secret(one).is_err(), "a key is made once");

        let (rotated, sealed_too) = keys.rotate_secret(one).unwrap().unwrap();
        assert_ne!(rotated, secret);
        assert_eq!(keys.open_secret(one, &sealed).unwrap(), Some(secret), "the old one signs on");
        keys.destroy_secrets(one).unwrap();
        keys.destroy_secrets(one).unwrap();
        assert_eq!(keys.open_secret(one, &sealed_too).unwrap(), None);
        assert!(keys.rotate_secret(one).unwrap().is_none());
    }
}
