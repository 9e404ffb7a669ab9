//! Webhooks that are behind and wait for a turn to read on.
//!
//! Turns of everybody alone would keep all of them behind for ever, when the log grows by more between two turns of each than a turn reads. So
//! every second turn goes to the one that is least far behind, until it has caught up, and then to the next.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ledger_core::{Position, WebhookId};

/// Webhooks that wait for their turn, each once.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// By when they came.
    order: BTreeMap<u64, WebhookId>,
    /// By what they had read when they came.
    read_to: BTreeSet<(Position, WebhookId)>,
    waiting: HashMap<WebhookId, (u64, Position)>,
    came: u64,
    /// True when it is the turn of who is least far behind.
    is_for_first: bool,
}

impl Turns {
    /// Goes to the end of the line, unless it stands in it.
    pub(super) fn push(&mut self, id: WebhookId, read_to: Position) {
        let number = match self.waiting.get(&id) {
            Some((number, before)) => {
                self.read_to.remove(&(*before, id));
                *number
            }
            None => {
                self.came += 1;
                self.came
            }
        };
        self.order.insert(number, id);
        self.read_to.insert((read_to, id));
        self.waiting.insert(id, (number, read_to));
    }

    /// Whose turn it is. It has had its turn only when [`Self::was_taken`] is called.
    pub(super) fn pop(&mut self) -> Option<WebhookId> {
        let id = if self.is_for_first {
            self.read_to.last().map(|(_, id)| *id)
        } else {
            self.order.first_key_value().map(|(_, id)| *id)
        }?;
        if let Some((number, read_to)) = self.waiting.remove(&id) {
            self.order.remove(&number);
            self.read_to.remove(&(read_to, id));
        }
        Some(id)
    }

    /// The turn was made use of.
    pub(super) const fn was_taken(&mut self) {
        self.is_for_first = !self.is_for_first;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use ledger_core::WebhookId;

    use super::Turns;

    #[test]
    fn every_second_turn_is_of_who_is_least_far_behind_and_the_others_are_of_all() {
        let [one, two, three] = [1, 2, 3].map(|number| WebhookId::from_i64(number).unwrap());
        let mut turns = Turns::default();
        for (id, read_to) in [(one, 10), (two, 20), (three, 30), (one, 11)] {
            turns.push(id, read_to);
        }
        let mut had = Vec::new();
        for _ in 0..6 {
            let id = turns.pop().unwrap();
            turns.was_taken();
            turns.push(id, if id == three { 40 } else { 12 });
            had.push(id);
        }
        assert_eq!(had, [one, three, two, three, one, three]);
    }

    #[test]
    fn who_does_not_want_its_turn_costs_nobody_else_one() {
        let [one, two] = [1, 2].map(|number| WebhookId::from_i64(number).unwrap());
        let mut turns = Turns::default();
        turns.push(one, 20);
        turns.push(two, 10);
        assert_eq!([turns.pop(), turns.pop(), turns.pop()], [Some(one), Some(two), None]);
        assert!(turns.is_empty());
    }
}
