//! Execute for users, whose streams are short and cold: no cache.

use std::sync::Arc;

use ledger_core::user::{self, UserCommand, UserEvent, UserState};
use ledger_core::{Event, Rejection, UserId, stream};

use crate::codec::{Context, Draft, decode_all, encode};
use crate::store::AppendFailure;
use crate::{CONFLICT_RETRIES_MAX, Executed, Ledger, StoreError};

impl Ledger {
    /// Executes a command on a user.
    ///
    /// # Errors
    /// The outer error when the store could not do it, the inner one when the domain says no.
    pub async fn user(
        &self,
        id: UserId,
        command: &UserCommand,
        context: &Context,
    ) -> Result<Result<Executed<UserEvent>, Rejection>, StoreError> {
        let stream: Arc<str> = stream::user(id).into();
        for _ in 0..CONFLICT_RETRIES_MAX {
            let state = self.load_user(&stream).await?;
            let events = match user::decide(&state, command) {
                Ok(events) => events,
                Err(rejection) => return Ok(Err(rejection)),
            };
            if events.is_empty() {
                return Ok(Ok(Executed { events, position: self.store().head().await? }));
            }
            let own = events.iter().cloned().map(Event::User).collect();
            let draft = Draft::new(Arc::clone(&stream), state.events, own);
            let (batch, _) = encode(&[draft], context)?;
            match self.store().append(batch).await {
                Ok(placed) => {
                    let position = placed.last().map_or(0, |last| last.position);
                    return Ok(Ok(Executed { events, position }));
                }
                Err(AppendFailure::Conflict(_)) => {}
                Err(AppendFailure::Store(error)) => return Err(error),
            }
        }
        Err(StoreError::Contended(stream))
    }

    /// A user's state.
    ///
    /// # Errors
    /// From loading it.
    pub async fn view_user(&self, id: UserId) -> Result<UserState, StoreError> {
        self.load_user(&stream::user(id).into()).await
    }

    async fn load_user(&self, stream: &Arc<str>) -> Result<UserState, StoreError> {
        let mut state = UserState::default();
        for recorded in decode_all(self.store().read_stream(stream, 0).await?)? {
            if let Event::User(event) = &recorded.event {
                state.evolve(event);
            }
        }
        Ok(state)
    }
}
