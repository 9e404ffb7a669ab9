//! Personal data, encrypted before it reaches the log, each user's with a [key](crate::KeyStore) of its own.

use chrono::NaiveDate;
use ledger_core::UserId;
use ledger_core::user::Sealed;
use serde::{Deserialize, Serialize};

use crate::keys::KeyOwner;
use crate::{KeyError, KeyStore};

/// What identifies a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDetails {
    /// Full name.
    pub name: String,
    /// E-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Social security number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssn: Option<String>,
    /// Date of birth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_of_birth: Option<NaiveDate>,
}

impl KeyStore {
    /// Makes a key for a new user, durably, and seals the details with it. Blocking.
    ///
    /// # Errors
    /// [`KeyError::File`], also when the user has a key already.
    pub fn create(&self, user_id: UserId, details: &UserDetails) -> Result<Sealed, KeyError> {
        self.seal_with_new(KeyOwner::User(user_id), &plain(user_id, details)?)
    }

    /// Seals changed details with the user's key; `None` when the key was destroyed. Blocking.
    ///
    /// # Errors
    /// [`KeyError::File`].
    pub fn seal(&self, user_id: UserId, details: &UserDetails) -> Result<Option<Sealed>, KeyError> {
        self.seal_bytes(KeyOwner::User(user_id), &plain(user_id, details)?)
    }

    /// Opens sealed details; `None` when the key was destroyed. Blocking.
    ///
    /// # Errors
    /// [`KeyError::File`], [`KeyError::Damaged`].
    pub fn open_details(&self, user_id: UserId, sealed: &Sealed) -> Result<Option<UserDetails>, KeyError> {
        let owner = KeyOwner::User(user_id);
        let Some(plain) = self.open_bytes(owner, sealed)? else { return Ok(None) };
        serde_json::from_slice(&plain).map(Some).map_err(|_| KeyError::Damaged(owner))
    }

    /// Destroys a user's key, for good. Doing it twice is fine. Blocking.
    ///
    /// # Errors
    /// [`KeyError::File`].
    pub fn destroy(&self, user_id: UserId) -> Result<(), KeyError> {
        self.destroy_key(KeyOwner::User(user_id))
    }
}

fn plain(user_id: UserId, details: &UserDetails) -> Result<Vec<u8>, KeyError> {
    serde_json::to_vec(details).map_err(|_| KeyError::Damaged(KeyOwner::User(user_id)))
}
