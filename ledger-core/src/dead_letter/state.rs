//! What decisions on parked transfers need to know.

use std::collections::BTreeMap;

use super::{DeadLetterEvent, Resolution};
use crate::TransferId;

/// What was said last of a transfer that was parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It waits for an operator.
    Parked,
    /// It is tried again.
    Retried,
    /// It is being ended, or has ended, as an operator said.
    Resolved,
}

/// A transfer that was parked at least once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The transfer's stream.
    pub stream: String,
    /// Where it stands.
    pub standing: Standing,
    /// How an operator said that it is to end. Said once; the other way is closed from then on.
    pub resolution: Option<Resolution>,
    /// Revision of an operator's last word on it.
    pub word: Option<u64>,
}

/// Every transfer that was ever parked. There are few: they are what went wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetters {
    /// By transfer.
    pub letters: BTreeMap<TransferId, DeadLetter>,
    /// How many events were folded in; the stream's last revision is one less.
    pub events: u64,
}

impl DeadLetters {
    /// Folds one event in.
    pub fn evolve(&mut self, event: &DeadLetterEvent) {
        let revision = self.events;
        self.events = revision.saturating_add(1);
        let (transfer_id, stream, standing, resolution) = match event {
            DeadLetterEvent::Parked(parked) => (parked.transfer_id, &parked.stream, Standing::Parked, None),
            DeadLetterEvent::Retried(retried) => {
                (retried.transfer_id, &retried.stream, Standing::Retried, None)
            }
            DeadLetterEvent::Resolved(resolved) => {
                (resolved.transfer_id, &resolved.stream, Standing::Resolved, Some(resolved.resolution))
            }
        };
        let letter = self.letters.entry(transfer_id).or_insert_with(|| DeadLetter {
            stream: stream.clone(),
            standing,
            resolution: None,
            word: None,
        });
        letter.standing = standing;
        if standing != Standing::Parked {
            letter.word = Some(revision);
        }
        letter.resolution = letter.resolution.or(resolution);
    }

    /// Those of which nothing was said since they were parked. One may have ended all the same: its own stream says so.
    pub fn parked(&self) -> impl Iterator<Item = &DeadLetter> {
        self.letters.values().filter(|letter| letter.standing == Standing::Parked)
    }
}
