//! Bounds on the free text that clients bring along, checked where it enters.

/// The longest description of a transfer, in characters.
pub const DESCRIPTION_CHARS_MAX: usize = 140;
/// The longest external reference, in characters.
pub const REFERENCE_CHARS_MAX: usize = 64;
/// The longest reason that an operator gives for a word on a parked transfer, in characters.
pub const RESOLUTION_REASON_CHARS_MAX: usize = 500;
/// The longest idempotency key, in characters.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;

/// True for a text of 1 to `chars_max` characters without control characters.
#[must_use]
pub fn is_plain(text: &str, chars_max: usize) -> bool {
    !text.is_empty() && text.chars().count() <= chars_max && !text.chars().any(char::is_control)
}
