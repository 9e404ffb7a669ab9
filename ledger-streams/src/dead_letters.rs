//! Execute for dead letters: one stream for all of them, short and cold, so there is no cache.

use std::sync::Arc;

use ledger_core::dead_letter::{self, DeadLetterCommand, DeadLetterEvent, DeadLetters};
use ledger_core::{Event, Rejection, stream};

use crate::codec::{Context, Draft, decode_all, encode};
use crate::store::AppendFailure;
use crate::{CONFLICT_RETRIES_MAX, Executed, Ledger, StoreError};

impl Ledger {
    /// Executes a command on a parked transfer.
    ///
    /// # Errors
    /// The outer error when the store could not do it, the inner one when the domain says no.
    pub async fn dead_letter(
        &self,
        command: &DeadLetterCommand,
        context: &Context,
    ) -> Result<Result<Executed<DeadLetterEvent>, Rejection>, StoreError> {
        let stream: Arc<str> = stream::DEAD_LETTERS.into();
        for _ in 0..CONFLICT_RETRIES_MAX {
            let mut state = DeadLetters::default();
            for recorded in decode_all(self.store().read_stream(&stream, 0).await?)? {
                if let Event::DeadLetter(event) = &recorded.event {
                    state.evolve(event);
                }
            }
            let events = match dead_letter::decide(&state, command) {
                Ok(events) => events,
                Err(rejection) => return Ok(Err(rejection)),
            };
            if events.is_empty() {
                return Ok(Ok(Executed { events, position: self.store().head().await? }));
            }
            let own = events.iter().cloned().map(Event::DeadLetter).collect();
            let (batch, _) = encode(&[Draft::new(Arc::clone(&stream), state.events, own)], context)?;
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
}
