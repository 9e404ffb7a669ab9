//! What happened to a user.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::UserId;

/// Encrypted with a key of the user's, or the webhook's, own: XChaCha20-Poly1305, nonce first, in base64. Destroying the key erases the
/// data and leaves the log as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Sealed(pub String);

/// The user exists from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserRegistered {
    /// Its id.
    pub user_id: UserId,
    /// Name, e-mail and the like, encrypted.
    pub details: Sealed,
}

/// The user's details are these from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserDetailsChanged {
    /// Name, e-mail and the like, encrypted.
    pub details: Sealed,
}

/// The user's key is destroyed; nobody can read the details any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserErased {}

/// Everything that can happen to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserEvent {
    /// See [`UserRegistered`].
    Registered(UserRegistered),
    /// See [`UserDetailsChanged`].
    DetailsChanged(UserDetailsChanged),
    /// See [`UserErased`].
    Erased(UserErased),
}
