//! Execute: load, decide, append, retry on conflict. The one loop through which accounts change.

use std::sync::Arc;

use ledger_core::account::{self, Account, AccountCommand, AccountEvent, AccountState, Question};
use ledger_core::{AccountId, Event, Position, Rejection};
use uuid::Uuid;

use crate::codec::{Context, Draft, encode};
use crate::store::{AppendFailure, Placed, Reservation};
use crate::{CONFLICT_RETRIES_MAX, Ledger, StoreError};

/// What a command came to.
#[derive(Clone, Debug)]
pub struct Executed<E> {
    /// The events appended; empty when the command had had its effect before.
    pub events: Vec<E>,
    /// A position at which the effect is in the log.
    pub position: Position,
}

/// What was decided on an account's state, with what goes into other streams along with it, in this order.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) before: Vec<Draft>,
    pub(crate) events: Vec<AccountEvent>,
    pub(crate) after: Vec<Draft>,
}

/// A plan that is on disk.
pub(crate) struct Done {
    /// Position of the plan's last event; `None` when there was nothing to append.
    pub(crate) position: Option<Position>,
    /// Position of the first part's last event.
    pub(crate) first: Option<Position>,
    /// Id of the plan's last event.
    pub(crate) last_event: Option<Uuid>,
}

/// Why a plan is not on disk.
pub(crate) enum PlanFailure {
    /// A stream other than the account's was not as expected.
    OtherStream,
    /// What comes before the account's part is on disk, the account's part is not: another writer was faster. Only where a batch is not
    /// appended whole.
    HalfWritten,
    Store(StoreError),
}

impl From<StoreError> for PlanFailure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Ledger {
    /// Executes a command on an account.
    ///
    /// # Errors
    /// The outer error when the store could not do it, the inner one when the domain says no.
    pub async fn account(
        &self,
        id: AccountId,
        command: &AccountCommand,
        context: &Context,
    ) -> Result<Result<Executed<AccountEvent>, Rejection>, StoreError> {
        let mut decided = Ok(vec![]);
        let done = self.plan(id, command.question(), context, |state| {
            decided = account::decide(state, command);
            Plan { events: decided.clone().unwrap_or_default(), ..Plan::default() }
        });
        let done = done.await.map_err(|failure| match failure {
            PlanFailure::Store(error) => error,
            PlanFailure::OtherStream | PlanFailure::HalfWritten => {
                StoreError::Contended(context.correlation_id.clone())
            }
        })?;
        let position = match done.position {
            Some(position) => position,
            None => self.store().head().await?,
        };
        Ok(decided.map(|events| Executed { events, position }))
    }

    /// An account as this process knows it, appends under way included, without its memory of legs; `None` when it was never opened.
    /// What never changes is right, such as its holder; its balance may be older than another process's last event.
    ///
    /// # Errors
    /// From loading it.
    pub async fn view(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        self.find_in_account(id, |state| state.account.as_ref().map(Account::summary)).await
    }

    /// Looks at an account's state for something that never changes once it is there. Not seeing it is checked against the log:
    /// another process may have written since.
    pub(crate) async fn find_in_account<T>(
        &self,
        id: AccountId,
        look: impl Fn(&AccountState) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let entry = self.accounts().entry(id);
        loop {
            let held = entry.hold(self.store(), None).await?;
            let found = look(held.state());
            // An account that is only being opened may never have been: another process would not know it.
            if found.is_some() && held.durable() > 0 {
                return Ok(found);
            }
            let (generation, seen) = (held.generation(), held.state().events);
            drop(held);
            if entry.confirm(self.store(), generation, seen).await? && found.is_none() {
                return Ok(None);
            }
        }
    }

    /// Decides on an account's state and appends what was decided; decides again when another writer was faster.
    pub(crate) async fn plan(
        &self,
        id: AccountId,
        question: Option<Question>,
        context: &Context,
        mut decide: impl FnMut(&AccountState) -> Plan,
    ) -> Result<Done, PlanFailure> {
        let entry = self.accounts().entry(id);
        for _ in 0..CONFLICT_RETRIES_MAX {
            // The place in the queue first: between decision and submission there must be no wait.
            let reservation = self.store().reserve().await?;
            let held = entry.hold(self.store(), question).await?;
            let Plan { before, events, after } = decide(held.state());
            if events.is_empty() {
                // A refusal, or an effect the account had before. Nothing in the append guards what was seen, so it must be true first.
                let (generation, seen) = (held.generation(), held.state().events);
                drop(held);
                if !entry.confirm(self.store(), generation, seen).await? {
                    continue;
                }
                let drafts: Vec<_> = before.into_iter().chain(after).collect();
                return self.append_drafts(reservation, &drafts, context).await;
            }
            let account_part = before.len();
            let own = Draft {
                stream: Arc::clone(&entry.stream),
                after: held.state().events,
                follows: held.last_event(),
                events: events.iter().cloned().map(Event::Account).collect(),
            };
            let drafts: Vec<_> = before.into_iter().chain([own]).chain(after).collect();
            let (batch, last_event) = encode(&drafts, context)?;
            let last_own = batch.get(account_part).and_then(|part| part.events.last()).map(|event| event.id);
            let submitted = reservation.submit(batch);
            let under_way = held.submit(&entry, &events, last_own);
            match under_way.finish(submitted, account_part, self.store().clone()).await {
                Ok(placed) => return Ok(Done::of(&placed, last_event)),
                Err(AppendFailure::Conflict(part)) if part == account_part => {
                    if part > 0 && !self.store().is_atomic() {
                        return Err(PlanFailure::HalfWritten);
                    }
                }
                Err(AppendFailure::Conflict(_)) => return Err(PlanFailure::OtherStream),
                Err(AppendFailure::Store(error)) => return Err(error.into()),
            }
        }
        Err(StoreError::Contended(Arc::clone(&entry.stream)).into())
    }

    /// Appends what was decided for other streams than the account's.
    async fn append_drafts(
        &self,
        reservation: Reservation,
        drafts: &[Draft],
        context: &Context,
    ) -> Result<Done, PlanFailure> {
        if drafts.is_empty() {
            return Ok(Done::of(&[], None));
        }
        let (batch, last_event) = encode(drafts, context)?;
        match reservation.submit(batch).placed().await {
            Ok(placed) => Ok(Done::of(&placed, last_event)),
            Err(AppendFailure::Conflict(_)) => Err(PlanFailure::OtherStream),
            Err(AppendFailure::Store(error)) => Err(error.into()),
        }
    }
}

impl Done {
    fn of(placed: &[Placed], last_event: Option<Uuid>) -> Self {
        Self {
            position: placed.last().map(|last| last.position),
            first: placed.first().map(|first| first.position),
            last_event,
        }
    }
}
