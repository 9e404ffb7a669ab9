//! The event types seen, each kept once: a log has few, and every event has one.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::limits::INTERNED_TYPES;

/// A bounded set of shared strings.
#[derive(Debug, Default)]
pub(crate) struct TypeNames(RwLock<HashSet<Arc<str>>>);

impl TypeNames {
    /// The shared string equal to `name`; once the set is full, a string of its own.
    pub(crate) fn shared(&self, name: &str) -> Arc<str> {
        if let Some(shared) = self.0.read().get(name) {
            return shared.clone();
        }
        let shared: Arc<str> = name.into();
        let mut names = self.0.write();
        if names.len() < INTERNED_TYPES {
            names.insert(shared.clone());
        }
        shared
    }
}
