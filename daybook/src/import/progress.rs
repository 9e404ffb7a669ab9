//! A bar on the terminal, if there is one.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over `rows` rows, on standard error; nothing where that is not a terminal.
#[must_use]
pub fn bar(what: &'static str, rows: usize) -> ProgressBar {
    bar_of(what, rows as u64, "rows")
}

/// A bar over so many of something else.
#[must_use]
pub fn bar_of(what: &'static str, count: u64, things: &str) -> ProgressBar {
    let template =
        format!("{{prefix}} {{wide_bar}} {{human_pos}} of {{human_len}} {things}, {{per_sec}}, {{eta}} left");
    let bar = ProgressBar::new(count).with_prefix(what);
    match ProgressStyle::with_template(&template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
