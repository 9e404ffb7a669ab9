//! Looking for legs that an account does not remember, in its stream backwards.
//!
//! Most often few events lie between a transfer's request and what is remembered; then all their legs are remembered again, for the next
//! transfer of a backlog asks about them, too. A transfer from long ago may have millions of events after it: then only its own legs are
//! kept, and the memory that this takes is one page. The account is not held meanwhile: others go on, and if they let go of
//! legs, those are looked at as well.

use std::collections::VecDeque;
use std::sync::Arc;

use ledger_core::account::{AccountState, BookedLeg, Question, Unremembered};
use ledger_core::{Event, Position};

use crate::codec::decode_all;
use crate::store::BACKWARD_PAGE_EVENTS;
use crate::{EventStore, LEGS_READ_BACK_MAX, STREAM_PAGE_EVENTS, StoreError};

/// What was found so far.
pub(crate) struct Search {
    question: Question,
    /// Of all transfers, or of the one in question; oldest first.
    legs: VecDeque<BookedLeg>,
    /// Everything from the question's position up to here was looked at.
    searched_to: Position,
    is_of_one: bool,
}

impl Search {
    pub(crate) const fn new(question: Question) -> Self {
        Self { question, legs: VecDeque::new(), searched_to: question.since, is_of_one: false }
    }

    pub(crate) const fn question(&self) -> Question {
        self.question
    }

    /// True when nothing is left to look at: what the state remembers begins where the search ended, or before. The state knows then what
    /// is asked.
    pub(crate) fn complete(&mut self, state: &mut AccountState) -> bool {
        if state.unremembered().before_position > self.searched_to {
            return false;
        }
        let legs = std::mem::take(&mut self.legs);
        if self.is_of_one {
            state.recall(legs.into());
        } else {
            state.remember(self.question.since, legs.into_iter());
        }
        true
    }

    /// Looks at what the state does not remember, as far as it was not looked at before.
    pub(crate) async fn go_on(
        &mut self,
        store: &EventStore,
        stream: &Arc<str>,
        unremembered: Unremembered,
    ) -> Result<(), StoreError> {
        let Unremembered { before_position, before_revision } = unremembered;
        let (mut next, mut limit) = (before_revision.checked_sub(1), BACKWARD_PAGE_EVENTS);
        // Newest first.
        let mut found = Vec::new();
        while let Some(from) = next {
            let (page, end) = store.read_stream_page_back(stream, from, limit).await?;
            limit = limit.saturating_mul(4).min(STREAM_PAGE_EVENTS);
            let oldest = page.last().map(|event| (event.revision, event.position));
            for recorded in decode_all(page)? {
                if let Event::Account(event) = &recorded.event
                    && (self.searched_to..before_position).contains(&recorded.position)
                {
                    found.extend(BookedLeg::of(event, recorded.revision, recorded.position));
                }
            }
            if self.is_of_one || found.len() > LEGS_READ_BACK_MAX {
                self.is_of_one = true;
                found.retain(|leg| leg.transfer_id == self.question.transfer_id);
            }
            next = match oldest {
                Some((revision, position)) if !end && position > self.searched_to => revision.checked_sub(1),
                _ => None,
            };
        }
        if self.is_of_one {
            self.legs.retain(|leg| leg.transfer_id == self.question.transfer_id);
        }
        self.legs.extend(found.into_iter().rev());
        self.searched_to = before_position;
        Ok(())
    }
}
