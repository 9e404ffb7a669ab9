//! An account's state written down, so that a long stream need not be read from its beginning.
//!
//! A snapshot holds what decisions need to know, but no legs: memory of them is a window, which may begin at the snapshot's place as it
//! may anywhere, and is widened back when an older transfer asks. A snapshot is no truth of its own. It names the event it was taken at, and
//! one that names another event than the stream has, or that this program cannot read, is as good as none.

use serde::{Deserialize, Serialize};

use super::{Account, AccountKind, AccountState, AccountStatus, Legs};
use crate::mutation::{Rule, is_broken};
use crate::{AccountId, Money, Position, UserId};

/// Version of what [`AccountSnapshot::encode`] writes. Raised whenever the fold of the same events leads to another state.
pub const SNAPSHOT_VERSION: u16 = 1;

/// The state of an account up to one of its events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSnapshot {
    version: u16,
    revision: u64,
    event_id: String,
    account: Content,
}

/// What is known of the account there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    id: AccountId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    kind: AccountKind,
    status: AccountStatus,
    balance: Money,
    overdraft_limit: Money,
}

/// Why what was read is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Written by another Daybook, whose states are not this one's.
    #[error("version {0} is not the one this program writes ({SNAPSHOT_VERSION})")]
    UnknownVersion(u16),
    /// It does not fit.
    #[error("it does not fit: {0}")]
    Malformed(#[from] serde_json::Error),
}

impl AccountSnapshot {
    /// What is to be written of a state whose last event has this id; `None` before the account was opened.
    #[must_use]
    pub fn of(state: &AccountState, event_id: String) -> Option<Self> {
        let revision = state.events.checked_sub(1)?;
        let Account { id, user_id, kind, status, balance, overdraft_limit, legs: _ } =
            *state.account.as_ref()?;
        let account = Content { id, user_id, kind, status, balance, overdraft_limit };
        Some(Self { version: SNAPSHOT_VERSION, revision, event_id, account })
    }

    /// As JSON.
    ///
    /// # Errors
    /// None in practice: every snapshot has a JSON form.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// See [`SnapshotError`].
    pub fn decode(data: &[u8]) -> Result<Self, SnapshotError> {
        #[derive(Deserialize)]
        struct Head {
            version: u16,
        }
        let Head { version } = serde_json::from_slice(data)?;
        if version != SNAPSHOT_VERSION {
            return Err(SnapshotError::UnknownVersion(version));
        }
        Ok(serde_json::from_slice(data)?)
    }

    /// Revision of the last event folded in.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// Id (UUID) of the last event folded in. Ids say what an event is and where it stands, so one that is not in the stream at this
    /// revision tells that the snapshot is of another history.
    #[must_use]
    pub fn event_id(&self) -> &str {
        &self.event_id
    }

    /// The state, to be evolved by what follows, when the last event folded in stands at `position` in the log: no leg up to there is
    /// remembered.
    #[must_use]
    pub fn restore(self, position: Position) -> AccountState {
        let Content { id, user_id, kind, status, balance, overdraft_limit } = self.account;
        let legs = Legs::complete_after(if is_broken(Rule::SnapshotKnowsNoLegs) { 0 } else { position });
        let account = Account { id, user_id, kind, status, balance, overdraft_limit, legs };
        AccountState { account: Some(account), events: self.revision.saturating_add(1) }
    }
}
