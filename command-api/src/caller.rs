//! Who calls, and what the caller may do.

use axum::Extension;
use axum::extract::FromRequestParts;
use http::StatusCode;
use http::request::Parts;
use ledger_core::{AccountId, Actor, Rejection, Role};
use ledger_streams::Context;
use std::sync::Arc;

use crate::CommandApi;
use crate::problem::Problem;

/// The authenticated caller, put into the request by whoever hosts the router.
pub(crate) struct Caller(pub(crate) Actor);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Extension::<Actor>::from_request_parts(parts, state).await {
            Ok(Extension(actor)) => Ok(Self(actor)),
            Err(_) => Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "unauthenticated",
                "Send a bearer token: Authorization: Bearer …",
            )),
        }
    }
}

impl Caller {
    /// The caller's name as far as idempotency keys go, with its role, so that no subject can be taken for another party.
    pub(crate) fn client(&self) -> String {
        self.0.to_string()
    }

    /// Operators only.
    pub(crate) fn operator(&self) -> Result<(), Problem> {
        match self.0.role {
            Role::Operator => Ok(()),
            Role::Auditor | Role::Customer => Err(Problem::forbidden("Only operators may do this.")),
        }
    }

    /// Operators, and the customer whose account it is.
    pub(crate) async fn spender(&self, api: &CommandApi, account: AccountId) -> Result<(), Problem> {
        if self.0.role == Role::Operator {
            return Ok(());
        }
        let owner = api.ledger.view(account).await?.map(|account| account.user_id);
        match owner {
            None if self.0.role == Role::Customer => Err(Rejection::AccountNotFound.into()),
            Some(owner) if self.0.may_spend(owner) => Ok(()),
            _ => Err(Problem::forbidden("This account is not yours to move money from.")),
        }
    }

    /// The metadata of events caused by this caller, now.
    pub(crate) fn context(&self, api: &CommandApi, correlation_id: impl Into<Arc<str>>) -> Context {
        Context {
            correlation_id: correlation_id.into(),
            causation_id: None,
            actor: self.0.to_string().into(),
            booked_at: api.ledger.now(),
        }
    }
}
