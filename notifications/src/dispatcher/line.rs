//! Webhooks that wait for their turn.

use std::collections::{HashSet, VecDeque};

use ledger_core::WebhookId;

/// Webhooks that wait for their turn, each once.
#[derive(Debug, Default)]
pub(super) struct Line {
    order: VecDeque<WebhookId>,
    waiting: HashSet<WebhookId>,
}

impl Line {
    /// Goes to the end of the line, unless it stands in it.
    pub(super) fn push(&mut self, id: WebhookId) {
        if self.waiting.insert(id) {
            self.order.push_back(id);
        }
    }

    /// Whose turn it is.
    pub(super) fn pop(&mut self) -> Option<WebhookId> {
        let id = self.order.pop_front()?;
        self.waiting.remove(&id);
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use ledger_core::WebhookId;

    use super::Line;

    #[test]
    fn everybody_has_a_turn_before_anybody_has_two() {
        let [one, two] = [1, 2].map(|number| WebhookId::from_i64(number).unwrap());
        let mut line = Line::default();
        for id in [one, one, two, one] {
            line.push(id);
        }
        assert_eq!(line.pop(), Some(one));
        line.push(one);
        assert_eq!([line.pop(), line.pop(), line.pop()], [Some(two), Some(one), None]);
    }
}
