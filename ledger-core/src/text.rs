//! Bounds on the free text that others bring along, checked where it enters.

use std::borrow::Cow;

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

/// What is left of a text of unknown origin: at most `chars_max` characters, blanks for control characters, "…" where it was cut.
#[must_use]
pub fn plainly(text: &str, chars_max: usize) -> Cow<'_, str> {
    if text.is_empty() || is_plain(text, chars_max) {
        return Cow::Borrowed(text);
    }
    let plain = text.chars().map(|char| if char.is_control() { ' ' } else { char });
    let is_cut = text.chars().nth(chars_max).is_some();
    let kept = if is_cut { chars_max.saturating_sub(1) } else { chars_max };
    Cow::Owned(plain.take(kept).chain(is_cut.then_some('…')).collect())
}

#[cfg(test)]
mod tests {
    use super::{is_plain, plainly};

    #[test]
    fn what_is_left_of_a_text_is_short_and_plain() {
        assert_eq!(plainly("", 5), "");
        assert_eq!(plainly("žluťoučký", 9), "žluťoučký");
        assert_eq!(plainly("žluťoučký", 8), "žluťouč…");
        assert_eq!(plainly("a\0b\nc", 5), "a b c");
        assert!(is_plain(&plainly(&"\u{7f}x".repeat(1_000), 200), 200));
    }
}
