//! Execute for users.

use std::sync::Arc;

use ledger_core::user::{self, UserCommand, UserEvent, UserState};
use ledger_core::{Event, Rejection, UserId, stream};

use crate::codec::Context;
use crate::decide_on::own_stream;
use crate::{Executed, Ledger, StoreError};

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
        let mut state = UserState::default();
        let decide = |state: &UserState| user::decide(state, command);
        self.decide_on(&stream, &mut state, decide, own_stream(&stream, Event::User, context)).await
    }

    /// A user's state.
    ///
    /// # Errors
    /// From loading it.
    pub async fn view_user(&self, id: UserId) -> Result<UserState, StoreError> {
        self.fold(&stream::user(id).into()).await
    }
}
