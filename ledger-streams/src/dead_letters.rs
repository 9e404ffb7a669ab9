//! Execute for parked transfers: one stream for all, folded once and read on from there.

use std::collections::HashSet;
use std::sync::Arc;

use ledger_core::dead_letter::{self, DeadLetterCommand, DeadLetterEvent, DeadLetters};
use ledger_core::{Event, Rejection, TransferId, stream};

use crate::codec::Context;
use crate::decide_on::own_stream;
use crate::{Executed, Ledger, StoreError};

impl Ledger {
    /// Executes a command on parked transfers. The context's correlation is the transfer's stream; see [`Self::dead_letter_stream`].
    ///
    /// # Errors
    /// The outer error when the store could not do it, the inner one when the domain says no.
    pub async fn dead_letter(
        &self,
        command: &DeadLetterCommand,
        context: &Context,
    ) -> Result<Result<Executed<DeadLetterEvent>, Rejection>, StoreError> {
        let stream: Arc<str> = stream::DEAD_LETTERS.into();
        // Held until the answer: dead letters are few, and one after the other is soon enough.
        let mut state = self.dead_letters().lock().await;
        let decide = |state: &DeadLetters| dead_letter::decide(state, command);
        self.decide_on(&stream, &mut *state, decide, own_stream(&stream, Event::DeadLetter, context)).await
    }

    /// The stream of a transfer that was parked at least once.
    ///
    /// # Errors
    /// From reading the dead letters.
    pub async fn dead_letter_stream(&self, transfer_id: TransferId) -> Result<Option<Arc<str>>, StoreError> {
        let mut state = self.dead_letters().lock().await;
        self.read_on(&stream::DEAD_LETTERS.into(), &mut *state).await?;
        Ok(state.letters.get(&transfer_id).map(|letter| letter.stream.as_str().into()))
    }

    /// How many transfers wait for an operator: they were parked, and have not ended since by another driver.
    ///
    /// # Errors
    /// From reading the dead letters and the streams of those that are parked and not known to have ended.
    pub async fn parked_transfers(&self) -> Result<usize, StoreError> {
        let parked: Vec<Arc<str>> = {
            let mut state = self.dead_letters().lock().await;
            self.read_on(&stream::DEAD_LETTERS.into(), &mut *state).await?;
            state.parked().map(|letter| letter.stream.as_str().into()).collect()
        };
        // What has ended stays so, and is not looked at again.
        let known = self.ended_letters().lock().clone();
        let (mut waiting, mut ended) = (0_usize, HashSet::new());
        for stream in parked {
            // A transfer's own stream begins with its request; whatever follows ends it, readable or not.
            if known.contains(&stream) || self.store().events_in(&stream).await? > 1 {
                ended.insert(stream);
            } else {
                waiting = waiting.saturating_add(1);
            }
        }
        *self.ended_letters().lock() = ended;
        Ok(waiting)
    }
}
