//! Statements in the log: one stream for each account, an event for each issue.

use std::sync::Arc;

use ledger_core::statement::{StatementEvent, StatementIssued};
use ledger_core::{AccountId, Event, Position, stream};

use crate::codec::{Context, decode};
use crate::decide_on::own_stream;
use crate::store::AppendFailure;
use crate::{EventStore, StoreError};

impl EventStore {
    /// What was issued for an account, in order: statement n stands at revision n of its stream, beginning with 0.
    ///
    /// # Errors
    /// [`StoreError::Undecodable`], [`StoreError::Unavailable`] and [`StoreError::Broken`].
    pub async fn statements_issued(&self, account_id: AccountId) -> Result<Vec<StatementIssued>, StoreError> {
        let stream: Arc<str> = stream::statement(account_id).into();
        let mut issued = Vec::new();
        for recorded in self.read_stream(&stream, 0).await? {
            if let Some(Event::Statement(StatementEvent::Issued(event))) =
                decode(recorded)?.map(|recorded| recorded.event)
            {
                issued.push(event);
            }
        }
        Ok(issued)
    }

    /// Says that a statement was issued, if the account had exactly `after` of them before. `None` when it had not: somebody else issues
    /// statements.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] and [`StoreError::Broken`].
    pub async fn issue_statement(
        &self,
        issued: StatementIssued,
        after: u64,
        context: &Context,
    ) -> Result<Option<Position>, StoreError> {
        let stream: Arc<str> = stream::statement(issued.account_id).into();
        let batch = own_stream(&stream, Event::Statement, context)(after, &[StatementEvent::Issued(issued)])?;
        match self.append(batch).await {
            Ok(placed) => Ok(placed.last().map(|last| last.position)),
            Err(AppendFailure::Conflict(_)) => Ok(None),
            Err(AppendFailure::Store(error)) => Err(error),
        }
    }
}
