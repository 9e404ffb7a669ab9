//! Live updates.

use async_graphql::{Context, ID, Subscription as GraphQlSubscription};
use futures::stream::{self, Stream};
use ledger_core::TransferId;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::account::account_id;
use super::failure::Failure;
use super::scope::Scope;
use super::transaction::Transaction;
use super::transfer::{Transfer, transfer_id};
use crate::caller::Caller;
use crate::limits::UNKNOWN_TRANSFER_WAIT;
use crate::live::Changes;
use crate::problem::Problem;
use crate::read_models::transaction::{self, TransactionRow};
use crate::read_models::transfer::{self, TransferRow};
use crate::read_models::{ReadModels, account};

/// What can be listened to.
pub(crate) struct Subscription;

#[GraphQlSubscription]
impl Subscription {
    /// A transfer: as it is now, then at every change, until it has ended.
    async fn transfer_updated(
        &self,
        context: &Context<'_>,
        id: ID,
    ) -> Result<impl Stream<Item = Result<Transfer, Failure>> + use<>, Failure> {
        let scope = Scope::of(context)?;
        let updates = TransferUpdates {
            transfer_id: transfer_id(&id)?,
            caller: scope.caller.clone(),
            models: scope.models.clone(),
            changes: scope.live.subscribe().await?,
            last: None,
            phase: Phase::First,
            _permit: scope.subscription()?,
        };
        Ok(stream::unfold(updates, async |mut updates| {
            let update = updates.next().await?;
            Some((update, updates))
        }))
    }

    /// Every new entry of an account.
    async fn account_activity(
        &self,
        context: &Context<'_>,
        account_id: ID,
    ) -> Result<impl Stream<Item = Result<Transaction, Failure>> + use<>, Failure> {
        let scope = Scope::of(context)?;
        let account_id = self::account_id(&account_id)?;
        let permit = scope.subscription()?;
        let changes = scope.live.subscribe().await?;
        let account = changes
            .read_first(|| async { Ok::<_, Failure>(account::by_id(&scope.models.pool, account_id).await?) })
            .await?;
        let account =
            account.filter(|row| scope.caller.may_read(row.user_id)).ok_or(Problem::AccountNotFound)?;
        let activity = AccountActivity {
            account_id,
            models: scope.models.clone(),
            changes,
            last_revision: account.revision,
            ended: false,
            _permit: permit,
        };
        Ok(stream::unfold(activity, async |mut activity| {
            let entry = activity.next().await?;
            Some((entry, activity))
        }))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing was sent yet.
    First,
    /// Something was; changes follow.
    Following,
    /// The transfer ended, or the subscription failed.
    Over,
}

struct TransferUpdates {
    transfer_id: TransferId,
    caller: Caller,
    models: ReadModels,
    changes: Changes,
    last: Option<TransferRow>,
    phase: Phase,
    _permit: OwnedSemaphorePermit,
}

impl TransferUpdates {
    async fn next(&mut self) -> Option<Result<Transfer, Failure>> {
        let next = match self.phase {
            Phase::Over => return None,
            Phase::First => {
                self.phase = Phase::Following;
                self.first().await
            }
            Phase::Following => self.changed().await,
        };
        match next {
            Ok(row) => {
                if row.has_ended() {
                    self.phase = Phase::Over;
                }
                self.last = Some(row.clone());
                Some(Ok(Transfer(row)))
            }
            Err(failure) => {
                self.phase = Phase::Over;
                Some(Err(failure))
            }
        }
    }

    /// A transfer that was asked for just now may not have reached the read models: it gets a moment to appear.
    async fn first(&mut self) -> Result<TransferRow, Failure> {
        if let Some(row) = self.changes.read_first(|| self.read()).await? {
            return Ok(row);
        }
        let appeared = timeout(UNKNOWN_TRANSFER_WAIT, self.changed()).await;
        appeared.unwrap_or_else(|_| Err(Problem::TransferNotFound.into()))
    }

    /// Waits until the transfer is another than it was when last sent. Several changes of one batch are one update.
    async fn changed(&mut self) -> Result<TransferRow, Failure> {
        loop {
            let wanted = self.transfer_id;
            let change = self.changes.next(|change| change.transfer_id == wanted).await?;
            if let Some(row) = self.changes.read_at(change.position, || self.read()).await?
                && self.last.as_ref() != Some(&row)
            {
                return Ok(row);
            }
        }
    }

    async fn read(&self) -> Result<Option<TransferRow>, Failure> {
        let row = transfer::by_id(&self.models.pool, self.transfer_id.as_i64()).await?;
        Ok(row.filter(|row| self.caller.may_read_transfer(row)))
    }
}

struct AccountActivity {
    account_id: i64,
    models: ReadModels,
    changes: Changes,
    /// Of the newest entry that was sent or was there before.
    last_revision: i64,
    ended: bool,
    _permit: OwnedSemaphorePermit,
}

impl AccountActivity {
    async fn next(&mut self) -> Option<Result<Transaction, Failure>> {
        if self.ended {
            return None;
        }
        let entry = self.new_entry().await;
        self.ended = entry.is_err();
        Some(entry.map(Transaction))
    }

    async fn new_entry(&mut self) -> Result<TransactionRow, Failure> {
        loop {
            let wanted = self.account_id;
            let change = self
                .changes
                .next(|change| change.entry.is_some_and(|entry| entry.account_id.as_i64() == wanted))
                .await?;
            let Some(entry) = change.entry else { continue };
            let revision = i64::try_from(entry.revision).unwrap_or(i64::MAX);
            if revision <= self.last_revision {
                continue;
            }
            let read = || async {
                Ok::<_, Failure>(
                    transaction::by_event(&self.models, wanted, revision, entry.booked_at).await?,
                )
            };
            if let Some(row) = self.changes.read_at(change.position, read).await? {
                self.last_revision = revision;
                return Ok(row);
            }
        }
    }
}
