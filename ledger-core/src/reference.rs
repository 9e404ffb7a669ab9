//! External references of accounts: each is claimed in a stream of its own, named by the reference, so that two accounts cannot carry
//! the same one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::AccountId;

/// An account carries this reference from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountReferenceClaimed {
    /// The reference.
    pub reference: String,
    /// The account it belongs to.
    pub account_id: AccountId,
}

/// Everything that can happen to a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferenceEvent {
    /// See [`AccountReferenceClaimed`].
    Claimed(AccountReferenceClaimed),
}
