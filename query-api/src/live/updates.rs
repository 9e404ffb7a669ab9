//! What becomes of a transfer.

use std::sync::Arc;

use futures::stream::{self, Stream};
use ledger_core::{Position, TransferId};
use tokio::time::timeout;

use super::{Listening, Live};
use crate::caller::Caller;
use crate::limits::UNKNOWN_TRANSFER_WAIT;
use crate::problem::Problem;
use crate::read_models::transfer::{self, TransferRow};

/// A transfer as it is, then at every change, until it has ended. Each update is its whole state, so those that come at once may be told as
/// one.
pub(crate) struct TransferUpdates {
    transfer_id: TransferId,
    caller: Caller,
    live: Live,
    listening: Listening<Arc<TransferRow>>,
    /// What the subscriber knows already is everything up to here.
    after: Option<Position>,
    last: Option<TransferRow>,
    phase: Phase,
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

impl TransferUpdates {
    pub(crate) async fn start(
        live: &Live,
        caller: &Caller,
        transfer_id: TransferId,
        after: Option<Position>,
    ) -> Result<Self, Problem> {
        Ok(Self {
            transfer_id,
            caller: caller.clone(),
            listening: live.transfer(transfer_id).await?,
            live: live.clone(),
            after,
            last: None,
            phase: Phase::First,
        })
    }

    /// The updates, then at most one problem.
    pub(crate) fn stream(self) -> impl Stream<Item = Result<TransferRow, Problem>> + Send + use<> {
        stream::unfold(self, async |mut updates| {
            let update = updates.next().await?;
            Some((update, updates))
        })
    }

    async fn next(&mut self) -> Option<Result<TransferRow, Problem>> {
        let next = match self.phase {
            Phase::Over => return None,
            Phase::First => {
                self.phase = Phase::Following;
                self.first().await
            }
            Phase::Following => self.changed().await.map(Some),
        };
        match next {
            Ok(Some(row)) => {
                if row.has_ended() {
                    self.phase = Phase::Over;
                }
                self.last = Some(row.clone());
                Some(Ok(row))
            }
            // Ended, and the subscriber knows.
            Ok(None) => None,
            Err(problem) => {
                self.phase = Phase::Over;
                Some(Err(problem))
            }
        }
    }

    /// A transfer that was asked for just now may not have reached the read models: it gets a moment to appear.
    async fn first(&mut self) -> Result<Option<TransferRow>, Problem> {
        let databases = &self.live.0.rows.databases;
        let found = transfer::by_ids_placed(databases, &[self.transfer_id.as_i64()]).await?.pop();
        let Some(row) = found.filter(|row| self.caller.may_read_transfer(row)) else {
            let appeared = timeout(UNKNOWN_TRANSFER_WAIT, self.changed()).await;
            return appeared.unwrap_or(Err(Problem::TransferNotFound)).map(Some);
        };
        let Some(after) = self.after else { return Ok(Some(row)) };
        if self.live.changed_after(&row, after).await? {
            return Ok(Some(row));
        }
        if row.has_ended() {
            return Ok(None);
        }
        self.last = Some(row);
        self.changed().await.map(Some)
    }

    /// Waits until the transfer is another than it was when last sent.
    async fn changed(&mut self) -> Result<TransferRow, Problem> {
        loop {
            let row = self.listening.inbox.next().await?;
            let is_news = self.last.as_ref().is_none_or(|last| row.is_newer_than(last));
            if is_news && self.caller.may_read_transfer(&row) {
                return Ok(TransferRow::clone(&row));
            }
        }
    }
}
