//! Who asks, and what of the books they may see.

use axum::extract::FromRequestParts;
use http::request::Parts;
use ledger_core::{Actor, Role, UserId};

use crate::problem::Problem;
use crate::read_models::transfer::TransferRow;

/// The authenticated caller, put into the request by the middleware of the process that hosts this router.
#[derive(Clone, Debug)]
pub(crate) struct Caller(pub(crate) Actor);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Actor>().cloned().map(Self).ok_or(Problem::Unauthenticated)
    }
}

impl Caller {
    /// Operators and auditors see every account, transfer and figure.
    pub(crate) const fn reads_everything(&self) -> bool {
        match self.0.role {
            Role::Operator | Role::Auditor => true,
            Role::Customer => false,
        }
    }

    /// Refuses what shows the whole bank.
    pub(crate) const fn require_everything(&self) -> Result<(), Problem> {
        if self.reads_everything() {
            return Ok(());
        }
        Err(Problem::Forbidden("Only operators and auditors may read this."))
    }

    /// True when the caller may see what belongs to this user.
    pub(crate) fn may_read(&self, owner: Option<i64>) -> bool {
        self.0.may_read(owner.and_then(UserId::from_i64))
    }

    /// True when the caller may see this transfer: either side is enough.
    pub(crate) fn may_read_transfer(&self, transfer: &TransferRow) -> bool {
        transfer.owners().into_iter().any(|owner| self.may_read(owner))
    }

    /// Personal data is for the person and for the bank; an audit does without.
    pub(crate) fn may_read_details(&self, user_id: i64) -> Result<(), Problem> {
        match self.0.role {
            Role::Operator => Ok(()),
            Role::Auditor => Err(Problem::Forbidden("Personal data is not part of an audit.")),
            Role::Customer if self.may_read(Some(user_id)) => Ok(()),
            Role::Customer => Err(Problem::UserNotFound),
        }
    }
}
