//! Statements in the log: one stream for each account, an event for each issue.

use std::sync::Arc;

use ledger_core::statement::{StatementEvent, StatementIssued};
use ledger_core::{Event, Position, stream};

use crate::codec::Context;
use crate::decide_on::own_stream;
use crate::store::AppendFailure;
use crate::{EventStore, StoreError};

impl EventStore {
    /// Says that a statement was issued, if the account had exactly `after` of them before: statement n stands at revision n of its stream,
    /// beginning with 0. `None` when it had not: somebody else issues statements.
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
