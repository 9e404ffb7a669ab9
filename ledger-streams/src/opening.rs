//! Opening accounts: customers' by reference, the bank's own on first use.

use std::sync::Arc;

use ledger_core::account::{AccountCommand, AccountEvent, AccountKind, OpenAccount};
use ledger_core::reference::{AccountReferenceClaimed, ReferenceEvent};
use ledger_core::settlement::Settlement;
use ledger_core::{AccountId, Currency, Event, Money, Position, Rejection, UserId, account, stream};

use crate::codec::{Context, Draft, decode_all};
use crate::execute::{Plan, PlanFailure};
use crate::{Ledger, StoreError};

/// A customer's account to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// Its holder.
    pub user_id: Option<UserId>,
    /// Checking or savings.
    pub kind: AccountKind,
    /// Its currency.
    pub currency: Currency,
    /// Its number elsewhere, unique.
    pub reference: Option<String>,
    /// How far below zero it may go.
    pub overdraft_limit: Money,
}

/// An account that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its id.
    pub account_id: AccountId,
    /// A position at which it is in the log.
    pub position: Position,
}

impl Ledger {
    /// Opens a customer's account. Its reference is claimed in a stream of its own, named by the reference: that makes it unique.
    ///
    /// # Errors
    /// The outer error when the store could not do it, the inner one when the domain says no, such as
    /// [`Rejection::ReferenceTaken`].
    pub async fn open_account(
        &self,
        new: &NewAccount,
        context: &Context,
    ) -> Result<Result<Opened, Rejection>, StoreError> {
        let claimed = match &new.reference {
            Some(reference) => self.account_of_reference(reference).await?,
            None => None,
        };
        // A claim without an account is what a crash between the two leaves behind: the claim is used, not refused.
        let account_id = match claimed {
            Some(account_id) if self.view(account_id).await?.is_some() => {
                return Ok(Err(Rejection::ReferenceTaken));
            }
            Some(account_id) => account_id,
            None => self.new_account_id()?,
        };
        let command = AccountCommand::Open(OpenAccount {
            account_id,
            user_id: new.user_id,
            kind: new.kind,
            currency: new.currency,
            reference: new.reference.clone(),
            overdraft_limit: new.overdraft_limit,
        });
        let context = &Context { correlation_id: stream::account(account_id).into(), ..context.clone() };
        let claim = match &new.reference {
            Some(reference) if claimed.is_none() => Some(reference),
            _ => None,
        };
        let mut decided: Result<Vec<AccountEvent>, Rejection> = Ok(vec![]);
        let done = self
            .plan(account_id, None, context, |state| {
                decided = account::decide(state, &command);
                let events = decided.clone().unwrap_or_default();
                let before = match claim {
                    Some(reference) if !events.is_empty() => vec![claim_draft(reference, account_id)],
                    _ => vec![],
                };
                Plan { before, events, after: vec![] }
            })
            .await;
        match done {
            Ok(done) => Ok(match decided {
                Ok(_) => Ok(Opened { account_id, position: done.position.unwrap_or_default() }),
                // Somebody else with the same reference was faster: the id is the claim's.
                Err(Rejection::AccountExists) if claimed.is_some() => Err(Rejection::ReferenceTaken),
                Err(rejection) => Err(rejection),
            }),
            Err(PlanFailure::OtherStream) => Ok(Err(Rejection::ReferenceTaken)),
            // Somebody else came between the claim and the account; whoever asks again finds the claim.
            Err(PlanFailure::HalfWritten) => Err(StoreError::Contended(Arc::clone(&context.correlation_id))),
            Err(PlanFailure::Store(error)) => Err(error),
        }
    }

    /// The account that carries a reference.
    ///
    /// # Errors
    /// From reading the reference's stream.
    pub async fn account_of_reference(&self, reference: &str) -> Result<Option<AccountId>, StoreError> {
        let stream = stream::account_reference(reference).into();
        let recorded = decode_all(self.store().read_stream(&stream, 0).await?)?;
        Ok(recorded.into_iter().find_map(|recorded| match recorded.event {
            Event::Reference(ReferenceEvent::Claimed(claimed)) => Some(claimed.account_id),
            Event::Account(_)
            | Event::Transfer(_)
            | Event::User(_)
            | Event::Statement(_)
            | Event::DeadLetter(_)
            | Event::Webhook(_) => None,
        }))
    }

    /// A settlement account, opened on first use.
    ///
    /// # Errors
    /// The outer error when the store could not do it.
    pub async fn settlement_account(
        &self,
        settlement: Settlement,
        currency: Currency,
        context: &Context,
    ) -> Result<AccountId, StoreError> {
        let account_id = settlement.account_id(currency);
        if self.find_in_account(account_id, |state| state.account.as_ref().map(|_| ())).await?.is_some() {
            return Ok(account_id);
        }
        let command = AccountCommand::Open(OpenAccount {
            account_id,
            user_id: None,
            kind: AccountKind::Settlement,
            currency,
            reference: Some(settlement.reference(currency)),
            overdraft_limit: Money::zero(currency),
        });
        let context = Context { correlation_id: stream::account(account_id).into(), ..context.clone() };
        match self.account(account_id, &command, &context).await? {
            Ok(_) => Ok(account_id),
            Err(rejection) => Err(StoreError::Broken(Arc::from(format!(
                "settlement account {account_id} cannot be opened: {rejection}"
            )))),
        }
    }
}

fn claim_draft(reference: &str, account_id: AccountId) -> Draft {
    let claimed = AccountReferenceClaimed { reference: reference.to_owned(), account_id };
    let events = vec![Event::Reference(ReferenceEvent::Claimed(claimed))];
    Draft::new(stream::account_reference(reference).into(), 0, events)
}
