//! Looks over the log's shoulder while things happen.

use std::collections::BTreeSet;

use super::books::Books;
use super::log::Log;

/// Knows which transfers have not ended.
pub(crate) struct Watch {
    log: Log,
    books: Books,
}

impl Watch {
    pub(crate) fn over(log: &str) -> Self {
        Self { log: Log::at(log), books: Books::default() }
    }

    /// The ids of the transfers that have not ended by now.
    pub(crate) async fn under_way(&mut self) -> BTreeSet<String> {
        for event in self.log.more().await {
            self.books.learn(&event);
        }
        self.books.under_way().map(|(id, _)| id.clone()).collect()
    }
}
