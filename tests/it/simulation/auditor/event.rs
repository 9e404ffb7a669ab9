//! An event as anybody can read it.

use eventstore_node::RecordedEvent;
use serde_json::Value;

/// A name, some JSON, and a place.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) stream: String,
    pub(crate) revision: u64,
    pub(crate) position: u64,
    pub(crate) created: i64,
    pub(crate) name: String,
    pub(crate) data: Value,
    pub(crate) metadata: Value,
}

/// The ledger's events of a log.
pub(crate) fn read(recorded: &[RecordedEvent]) -> Vec<Event> {
    let own = recorded.iter().filter(|event| !event.stream.starts_with('$'));
    own.map(|event| Event {
        stream: event.stream.to_string(),
        revision: event.revision,
        position: event.position,
        created: event.created,
        name: event.event_type.to_string(),
        data: serde_json::from_slice(&event.data).unwrap(),
        metadata: serde_json::from_slice(&event.metadata).unwrap(),
    })
    .collect()
}

impl Event {
    /// A field of text, empty when there is none.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.data[field].as_str().unwrap_or_default()
    }

    /// A field of money, in hundredths.
    pub(crate) fn money(&self, field: &str) -> i64 {
        let text = self.data[field]["amount"].as_str().unwrap_or_default();
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, text),
        };
        assert_eq!(self.data[field]["currency"], "EUR", "{self:?}");
        assert_eq!(digits.find('.'), digits.len().checked_sub(3), "{self:?}");
        sign * digits.replace('.', "").parse::<i64>().unwrap()
    }
}
