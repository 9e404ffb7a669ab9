//! The account's memory of legs, so that no leg of a transfer is ever booked twice, or refused once and booked later.
//!
//! Remembering every transfer for ever would grow without limit. So the memory is a window: the recent legs, and the position from
//! which it is complete. A question about an older transfer first widens the window back to that transfer's request.

use std::collections::{HashMap, VecDeque};

use crate::{Position, Rejection, TransferId};

/// How much of the log, in positions (bytes), an account keeps in mind: some 30,000 transfers.
const WINDOW: Position = 64 * 1024 * 1024;

/// How much further back than the last question the window reaches: transfers are not driven strictly in their order.
const SLACK: Position = 8 * 1024 * 1024;

const NOTHING_ASKED: Position = Position::MAX;

/// Which leg of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LegKind {
    /// The source account's debit.
    Debit,
    /// The destination account's credit.
    Credit,
    /// The source account's debit coming back.
    Reversal,
    /// The destination account's credit after it had refused it, on an operator's word.
    ForcedCredit,
}

/// What the account said to a leg: booked, or not and why.
pub type Answer = Result<(), Rejection>;

/// A leg as the account's stream has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookedLeg {
    /// The transfer.
    pub transfer_id: TransferId,
    /// Which of its legs.
    pub kind: LegKind,
    /// Booked or refused.
    pub answer: Answer,
    /// Revision of the event that says so.
    pub revision: u64,
    /// Its place in the log.
    pub position: Position,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    transfer_id: TransferId,
    kind: LegKind,
    revision: u64,
    /// An upper bound of its place in the log; `None` while its append is under way.
    position: Option<Position>,
}

/// Recent legs of one account, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Legs {
    entries: VecDeque<Entry>,
    /// The legs of `entries`: a hot account holds tens of thousands and asks on every one.
    known: HashMap<(TransferId, LegKind), Answer>,
    /// Legs of one transfer from before the window, looked up for the last question.
    recalled: Vec<BookedLeg>,
    /// Every leg at or after this position is in `entries`.
    complete_from: Position,
    /// How far back the last question went: while a backlog is worked off, what it asks about is not let go.
    asked: Position,
    /// Where the log was when something was booked for the first time after that question. When a window of log has gone by without
    /// another one, there is no backlog any more.
    asked_at: Option<Position>,
}

impl Default for Legs {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            known: HashMap::new(),
            recalled: Vec::new(),
            complete_from: 0,
            asked: NOTHING_ASKED,
            asked_at: None,
        }
    }
}

impl Legs {
    /// An empty window that is complete from just after a position on.
    pub(super) fn complete_after(position: Position) -> Self {
        Self { complete_from: position.saturating_add(1), ..Self::default() }
    }

    /// What the account said to this leg; `None` when it is not known here.
    #[must_use]
    pub fn answer(&self, transfer_id: TransferId, kind: LegKind) -> Option<Answer> {
        let recalled = || {
            let leg = self.recalled.iter().find(|leg| (leg.transfer_id, leg.kind) == (transfer_id, kind));
            leg.map(|leg| leg.answer)
        };
        self.known.get(&(transfer_id, kind)).copied().or_else(recalled)
    }

    /// Revision of the oldest leg in the window.
    pub(super) fn oldest_revision(&self) -> Option<u64> {
        self.entries.front().map(|entry| entry.revision)
    }

    /// True when the window reaches back to `position`. From now on it keeps reaching there, until a later place is asked about.
    #[must_use]
    pub(super) const fn ask(&mut self, position: Position) -> bool {
        self.asked = position;
        self.asked_at = None;
        self.complete_from <= position
    }

    /// From where on the window is complete.
    #[must_use]
    pub const fn complete_from(&self) -> Position {
        self.complete_from
    }

    /// How many legs are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when no leg is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn push(&mut self, transfer_id: TransferId, kind: LegKind, answer: Answer, revision: u64) {
        self.entries.push_back(Entry { transfer_id, kind, revision, position: None });
        self.known.insert((transfer_id, kind), answer);
    }

    /// Everything up to `revision` is on disk, at or before `position`: legs older than the window are let go.
    pub(super) fn settle(&mut self, revision: u64, position: Position) {
        for entry in self.entries.iter_mut().rev().skip_while(|entry| entry.revision > revision) {
            if entry.position.is_some() {
                break;
            }
            entry.position = Some(position);
        }
        let asked_at = *self.asked_at.get_or_insert(position);
        if position.saturating_sub(asked_at) > WINDOW {
            self.asked = NOTHING_ASKED;
        }
        let horizon = position.saturating_sub(WINDOW).min(self.asked.saturating_sub(SLACK));
        while let Some(&Entry { position: Some(oldest), transfer_id, kind, .. }) = self.entries.front()
            && oldest < horizon
        {
            self.complete_from = self.complete_from.max(oldest.saturating_add(1));
            self.known.remove(&(transfer_id, kind));
            self.entries.pop_front();
        }
    }

    /// Widens the window back to `position` with the legs found there, oldest first.
    pub(super) fn widen(&mut self, position: Position, older: impl DoubleEndedIterator<Item = BookedLeg>) {
        for leg in older.rev() {
            let BookedLeg { transfer_id, kind, answer, revision, position } = leg;
            self.entries.push_front(Entry { transfer_id, kind, revision, position: Some(position) });
            self.known.insert((transfer_id, kind), answer);
        }
        self.complete_from = self.complete_from.min(position);
    }

    /// Takes note of what was found of one transfer before the window; of the one before it, no more.
    pub(super) fn recall(&mut self, legs: Vec<BookedLeg>) {
        self.recalled = legs;
    }
}
