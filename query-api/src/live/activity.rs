//! New entries of an account, as GraphQL subscriptions and the REST route tell them.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::stream::{self, Stream};
use ledger_core::{AccountId, Position};

use super::{Listening, Live};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::read_models::account;
use crate::read_models::transaction::TransactionRow;

/// An account's entries from some place on, each once, in the order of booking.
///
/// The subscriber listens before it reads what it has missed, so nothing falls between the two; what both bring is known by its revision.
pub(crate) struct AccountActivity {
    listening: Listening<Arc<TransactionRow>>,
    missed: VecDeque<Arc<TransactionRow>>,
    /// Only entries after both of these are new.
    revision: i64,
    position: Position,
    ended: bool,
}

impl AccountActivity {
    /// New entries from now on, or all after a position.
    pub(crate) async fn start(
        live: &Live,
        caller: &Caller,
        account_id: AccountId,
        after: Option<Position>,
    ) -> Result<Self, Problem> {
        let listening = live.account(account_id.as_i64()).await?;
        let account = account::by_id(&live.0.rows.databases, account_id.as_i64()).await?;
        let account = account.filter(|row| caller.may_read(row.user_id)).ok_or(Problem::AccountNotFound)?;
        let (missed, revision) = match after {
            None => (VecDeque::new(), account.revision),
            Some(position) => (live.entries_after(account_id, position).await?.into(), -1),
        };
        Ok(Self { listening, missed, revision, position: after.unwrap_or(0), ended: false })
    }

    /// The entries, then at most one problem.
    pub(crate) fn stream(self) -> impl Stream<Item = Result<TransactionRow, Problem>> + Send + use<> {
        stream::unfold(self, async |mut activity| {
            if activity.ended {
                return None;
            }
            let next = activity.next().await;
            activity.ended = next.is_err();
            Some((next.map(|row| TransactionRow::clone(&row)), activity))
        })
    }

    async fn next(&mut self) -> Result<Arc<TransactionRow>, Problem> {
        loop {
            let row = match self.missed.pop_front() {
                Some(row) => row,
                None => self.listening.inbox.next().await?,
            };
            let is_new =
                row.revision > self.revision && row.position.is_none_or(|position| position > self.position);
            if is_new {
                self.revision = row.revision;
                return Ok(row);
            }
        }
    }
}
