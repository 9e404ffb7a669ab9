//! Old versions of events, lifted to the newest in place, as they are read. The log itself is never rewritten.

use serde::de::Error;
use serde_json::Value;
use serde_json::value::RawValue;

/// Lifts data of `name` from `version` to the newest version, one step at a time.
///
/// A step is one arm: `("AccountOpened", 1) => …` takes version 1's JSON to version 2's, and so on upward.
///
/// # Errors
/// When no step leads on from `version` (0 was never written).
pub fn upcast(name: &str, version: u16, data: &RawValue) -> Result<Value, serde_json::Error> {
    // No event has had a second version yet.
    let _ = data;
    Err(serde_json::Error::custom(format_args!("there is no version {version} of '{name}'")))
}
