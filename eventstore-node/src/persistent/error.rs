//! What can go wrong with a group, and why a consumer is disconnected.

use std::sync::Arc;

/// Why something asked of a group was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// There is a group of this name already.
    #[error("the group exists")]
    Exists,
    /// There is no such group.
    #[error("the group does not exist")]
    DoesNotExist,
    /// As many consumers are connected as may be.
    #[error("the group has as many consumers as it may have")]
    MaximumSubscribers,
    /// It cannot be done.
    #[error("{reason}")]
    Failed {
        /// Why.
        reason: String,
    },
    /// The node takes no more requests, or takes none now.
    #[error("persistent subscriptions are not available: {reason}")]
    Unavailable {
        /// Why.
        reason: String,
    },
}

impl GroupError {
    pub(crate) fn failed(reason: impl Into<String>) -> Self {
        Self::Failed { reason: reason.into() }
    }

    #[allow(clippy::needless_pass_by_value, reason = "for map_err")]
    pub(crate) fn unavailable(reason: impl ToString) -> Self {
        Self::Unavailable { reason: reason.to_string() }
    }

    pub(crate) fn stopped() -> Self {
        Self::unavailable("the node is shutting down")
    }
}

/// Why a consumer gets no more events.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Dropped {
    /// The group was changed, deleted or restarted.
    #[error("the group was changed or deleted")]
    GroupEnded,
    /// The consumer does not take what is sent to it.
    #[error("the consumer is too slow")]
    TooSlow,
    /// The group's events cannot be read.
    #[error("the group's events cannot be read: {0}")]
    Failed(Arc<str>),
    /// The node is shutting down.
    #[error("the node is shutting down")]
    ShuttingDown,
}
