//! Execute for streams that are short and cold: load, decide, append, retry, with the state in the hands of whoever asks.
//!
//! Accounts are neither, and have lanes of their own ([`crate::execute`]).

use std::sync::Arc;

use eventstore_node::{RecordedEvent, StreamAppend};
use ledger_core::dead_letter::{DeadLetterEvent, DeadLetters};
use ledger_core::user::{UserEvent, UserState};
use ledger_core::webhook::{WebhookEvent, WebhookState};
use ledger_core::{Event, Rejection};

use crate::codec::{Context, Draft, decode, encode};
use crate::store::AppendFailure;
use crate::{CONFLICT_RETRIES_MAX, Executed, Ledger, StoreError};

/// What a stream's events come to, as far as it was read.
pub(crate) trait Folded: Default {
    /// What happens in the stream.
    type Event: Clone;

    /// How many events were folded in: the revision to read on from.
    fn events(&self) -> u64;

    /// Folds one event in.
    fn evolve(&mut self, event: &Self::Event);

    /// An event as it stands in the stream; `None` for one of another kind.
    fn decode(recorded: RecordedEvent) -> Result<Option<Self::Event>, StoreError>;
}

macro_rules! folded {
    ($state:ty, $event:ty, $kind:path) => {
        impl Folded for $state {
            type Event = $event;

            fn events(&self) -> u64 {
                self.events
            }

            fn evolve(&mut self, event: &$event) {
                self.evolve(event);
            }

            fn decode(recorded: RecordedEvent) -> Result<Option<$event>, StoreError> {
                let recorded = decode(recorded)?;
                Ok(recorded
                    .and_then(|recorded| if let $kind(event) = recorded.event { Some(event) } else { None }))
            }
        }
    };
}

folded!(UserState, UserEvent, Event::User);
folded!(WebhookState, WebhookEvent, Event::Webhook);
folded!(DeadLetters, DeadLetterEvent, Event::DeadLetter);

impl Ledger {
    /// The state of a stream now.
    pub(crate) async fn fold<S: Folded>(&self, stream: &Arc<str>) -> Result<S, StoreError> {
        let mut state = S::default();
        self.read_on(stream, &mut state).await?;
        Ok(state)
    }

    /// Brings a state up to date.
    pub(crate) async fn read_on<S: Folded>(
        &self,
        stream: &Arc<str>,
        state: &mut S,
    ) -> Result<(), StoreError> {
        loop {
            let (page, end) = self.store().read_stream_page(stream, state.events()).await?;
            for recorded in page {
                if let Some(event) = S::decode(recorded)? {
                    state.evolve(&event);
                }
            }
            if end {
                return Ok(());
            }
        }
    }

    /// Decides on the state of a stream now, and appends what `batch` makes of the events, given how many there were before them. When
    /// somebody else has written meanwhile, it is decided again.
    pub(crate) async fn decide_on<S: Folded>(
        &self,
        stream: &Arc<str>,
        state: &mut S,
        decide: impl Fn(&S) -> Result<Vec<S::Event>, Rejection>,
        batch: impl Fn(u64, &[S::Event]) -> Result<Vec<StreamAppend>, StoreError>,
    ) -> Result<Result<Executed<S::Event>, Rejection>, StoreError> {
        for _ in 0..CONFLICT_RETRIES_MAX {
            self.read_on(stream, state).await?;
            let events = match decide(state) {
                Ok(events) => events,
                Err(rejection) => return Ok(Err(rejection)),
            };
            if events.is_empty() {
                return Ok(Ok(Executed { events, position: self.store().head().await? }));
            }
            match self.store().append(batch(state.events(), &events)?).await {
                Ok(placed) => {
                    events.iter().for_each(|event| state.evolve(event));
                    let position = placed.last().map_or(0, |last| last.position);
                    return Ok(Ok(Executed { events, position }));
                }
                Err(AppendFailure::Conflict(_)) => {}
                Err(AppendFailure::Store(error)) => return Err(error),
            }
        }
        Err(StoreError::Contended(Arc::clone(stream)))
    }
}

/// Events of the domain as a batch for their stream alone.
pub(crate) fn own_stream<E: Clone>(
    stream: &Arc<str>,
    kind: fn(E) -> Event,
    context: &Context,
) -> impl Fn(u64, &[E]) -> Result<Vec<StreamAppend>, StoreError> {
    move |after, events| {
        let own = events.iter().cloned().map(kind).collect();
        Ok(encode(&[Draft::new(Arc::clone(stream), after, own)], context)?.0)
    }
}
