//! Who asks.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::UserId;

/// What a caller may do. Customers act on their own accounts only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The bank: everything.
    Operator,
    /// Reads everything, writes nothing.
    Auditor,
    /// Reads and moves money on the accounts of one user.
    Customer,
}

impl Role {
    /// The role's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Customer => "customer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Operator, Self::Auditor, Self::Customer]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("'{text}' is not a role: operator, auditor or customer"))
    }
}

/// An authenticated caller, as its token names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The token's subject. Together with the idempotency key it names a transfer, so two clients may use the same key.
    pub subject: String,
    /// What the caller may do.
    pub role: Role,
    /// The user a customer is; `None` for operators and auditors.
    pub user_id: Option<UserId>,
}

impl Actor {
    /// True when the caller may see what belongs to `owner`.
    #[must_use]
    pub fn may_read(&self, owner: Option<UserId>) -> bool {
        match self.role {
            Role::Operator | Role::Auditor => true,
            Role::Customer => self.user_id.is_some() && self.user_id == owner,
        }
    }

    /// True when the caller may move money of an account that belongs to `owner`.
    #[must_use]
    pub fn may_spend(&self, owner: Option<UserId>) -> bool {
        match self.role {
            Role::Operator => true,
            Role::Auditor => false,
            Role::Customer => self.user_id.is_some() && self.user_id == owner,
        }
    }
}

impl fmt::Display for Actor {
    /// As event metadata names the actor: `customer:123`, `operator:back-office`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.role, self.subject)
    }
}
