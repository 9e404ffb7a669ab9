//! A bar on the terminal, if there is one.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over `rows` rows, on standard error; nothing where that is not a terminal.
#[must_use]
pub fn bar(what: &'static str, rows: usize) -> ProgressBar {
    let template = "{prefix} {wide_bar} {human_pos} of {human_len} rows, {per_sec}, {eta} left";
    let bar = ProgressBar::new(rows as u64).with_prefix(what);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
