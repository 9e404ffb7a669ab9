//! Execute for parked transfers: one stream for all, folded once and read on from there.

use std::sync::Arc;

use ledger_core::dead_letter::{self, DeadLetterCommand, DeadLetterEvent, DeadLetters};
use ledger_core::{Event, Rejection, TransferId, stream};

use crate::codec::{Context, Draft, decode_all, encode};
use crate::store::AppendFailure;
use crate::{CONFLICT_RETRIES_MAX, Executed, Ledger, StoreError};

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
        for _ in 0..CONFLICT_RETRIES_MAX {
            // Held until the answer: dead letters are few, and one after the other is soon enough.
            let mut state = self.dead_letters().lock().await;
            self.read_on(&mut state, &stream).await?;
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
                    events.iter().for_each(|event| state.evolve(event));
                    let position = placed.last().map_or(0, |last| last.position);
                    return Ok(Ok(Executed { events, position }));
                }
                Err(AppendFailure::Conflict(_)) => {}
                Err(AppendFailure::Store(error)) => return Err(error),
            }
        }
        Err(StoreError::Contended(stream))
    }

    /// The stream of a transfer that was parked at least once.
    ///
    /// # Errors
    /// From reading the dead letters.
    pub async fn dead_letter_stream(&self, transfer_id: TransferId) -> Result<Option<Arc<str>>, StoreError> {
        let mut state = self.dead_letters().lock().await;
        self.read_on(&mut state, &stream::DEAD_LETTERS.into()).await?;
        Ok(state.letters.get(&transfer_id).map(|letter| letter.stream.as_str().into()))
    }

    /// How many transfers wait for an operator: they were parked, and have not ended since by another driver.
    ///
    /// # Errors
    /// From reading the dead letters and the streams of those that are parked.
    pub async fn parked_transfers(&self) -> Result<usize, StoreError> {
        let parked: Vec<Arc<str>> = {
            let mut state = self.dead_letters().lock().await;
            self.read_on(&mut state, &stream::DEAD_LETTERS.into()).await?;
            state.parked().map(|letter| letter.stream.as_str().into()).collect()
        };
        let mut waiting: usize = 0;
        for stream in &parked {
            // A transfer's own stream begins with its request; whatever follows ends it, readable or not.
            let has_ended = self.store().read_last(stream).await?.is_some_and(|last| last.revision > 0);
            waiting = waiting.saturating_add(usize::from(!has_ended));
        }
        Ok(waiting)
    }

    async fn read_on(&self, state: &mut DeadLetters, stream: &Arc<str>) -> Result<(), StoreError> {
        loop {
            let (page, end) = self.store().read_stream_page(stream, state.events).await?;
            for recorded in decode_all(page)? {
                if let Event::DeadLetter(event) = &recorded.event {
                    state.evolve(event);
                }
            }
            if end {
                return Ok(());
            }
        }
    }
}
