//! A terminal that is painted over.

use std::io::Write;

/// From the upper left corner on.
const HOME: &str = "\x1b[H";
/// Everything goes.
const CLEAR: &str = "\x1b[2J";
/// What is right of the cursor goes.
const CLEAR_LINE: &str = "\x1b[K";
/// What is below the cursor goes.
const CLEAR_BELOW: &str = "\x1b[J";

/// What is shown, in place of what was shown before.
pub(super) struct Screen {
    is_clear: bool,
}

impl Screen {
    pub(super) const fn new() -> Self {
        Self { is_clear: false }
    }

    /// Line by line over the old ones, so that nothing flickers.
    pub(super) fn paint(&mut self, text: &str, out: &mut impl Write) -> std::io::Result<()> {
        let mut frame = String::new();
        if !std::mem::replace(&mut self.is_clear, true) {
            frame.push_str(CLEAR);
        }
        frame.push_str(HOME);
        for line in text.lines() {
            frame.push_str(line);
            frame.push_str(CLEAR_LINE);
            frame.push('\n');
        }
        frame.push_str(CLEAR_BELOW);
        out.write_all(frame.as_bytes())?;
        out.flush()
    }
}
