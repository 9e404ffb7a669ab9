//! Live updates.

use async_graphql::{Context, ID, Subscription as GraphQlSubscription};
use futures::stream::{Stream, StreamExt};

use super::account::account_key;
use super::big_int::BigInt;
use super::failure::Failure;
use super::scope::Scope;
use super::transaction::Transaction;
use super::transfer::{Transfer, transfer_id};
use crate::live::{AccountActivity, TransferUpdates};

/// What can be listened to.
pub(crate) struct Subscription;

#[GraphQlSubscription]
impl Subscription {
    /// A transfer: as it is now, then at every change, until it has ended.
    async fn transfer_updated(
        &self,
        context: &Context<'_>,
        id: ID,
        #[graphql(desc = "Go on after this position, of an earlier update: what it told is not told again")]
        after: Option<BigInt>,
    ) -> Result<impl Stream<Item = Result<Transfer, Failure>> + use<>, Failure> {
        let scope = Scope::of(context)?;
        let permit = scope.subscription()?;
        let after = after.map(|BigInt(position)| position);
        let updates = TransferUpdates::start(&scope.live, &scope.caller, transfer_id(&id)?, after).await?;
        Ok(updates.stream().map(move |update| {
            let _held = &permit;
            Ok(Transfer(update?))
        }))
    }

    /// Every new entry of an account; with a position, every one after it, those of the past included. Each comes once, in the order of
    /// booking.
    async fn account_activity(
        &self,
        context: &Context<'_>,
        account_id: ID,
        #[graphql(desc = "Go on after this position, of an earlier entry or of a command's answer")]
        after: Option<BigInt>,
    ) -> Result<impl Stream<Item = Result<Transaction, Failure>> + use<>, Failure> {
        let scope = Scope::of(context)?;
        let permit = scope.subscription()?;
        let after = after.map(|BigInt(position)| position);
        let activity =
            AccountActivity::start(&scope.live, &scope.caller, account_key(&account_id)?, after).await?;
        Ok(activity.stream().map(move |entry| {
            let _held = &permit;
            Ok(Transaction(entry?))
        }))
    }
}
