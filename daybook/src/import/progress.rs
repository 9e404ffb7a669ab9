//! A bar on the terminal, if there is one.

use std::fmt::Write;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// A bar over `rows` rows, on standard error; nothing where that is not a terminal.
#[must_use]
pub fn bar(what: &'static str, rows: usize) -> ProgressBar {
    bar_of(what, rows as u64, "rows")
}

/// A bar over so many of something else.
#[must_use]
pub fn bar_of(what: &'static str, count: u64, things: &str) -> ProgressBar {
    let template =
        format!("{{prefix}} {{wide_bar}} {{human_pos}} of {{human_len}} {things}, {{rate}}, {{eta}} left");
    let bar = ProgressBar::new(count).with_prefix(what);
    match ProgressStyle::with_template(&template) {
        Ok(style) => bar.with_style(style.with_key("rate", rate)),
        Err(_) => bar,
    }
}

fn rate(state: &ProgressState, to: &mut dyn Write) {
    let rate = state.per_sec();
    // A bar that cannot be written is no harm.
    let _ = if rate < 10.0 { write!(to, "{rate:.1}/s") } else { write!(to, "{rate:.0}/s") };
}
