//! Watching a rebuild until its end.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use chrono::Utc;
use indicatif::{ProgressBar, ProgressStyle};
use projector::rebuild::request::{self, Rebuild, State};
use projector::rebuild::{Phase, Progress};
use sqlx::PgConnection;

use super::show;
use crate::commands::Failure;

/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// After this time without anybody at work, people are told.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Shows how a rebuild goes, and how it ends.
pub(super) async fn until_end(db: &mut PgConnection, id: i64, how: show::Shown) -> Result<ExitCode, Failure> {
    let mut shown = Shown::new(how);
    loop {
        let rebuild = request::find(db, Some(id)).await?.ok_or("somebody has deleted the rebuild's row")?;
        if !rebuild.state.is_open() {
            shown.bar.finish_and_clear();
            return show::end(&rebuild, how);
        }
        shown.goes_on(&rebuild)?;
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// What was shown last.
struct Shown {
    how: show::Shown,
    bar: ProgressBar,
    last: Option<Progress>,
    last_line: Option<(Phase, std::time::Instant)>,
    told_of_silence: bool,
}

impl Shown {
    fn new(how: show::Shown) -> Self {
        let bar = ProgressBar::new(1_000);
        let bar = match ProgressStyle::with_template("{prefix} {wide_bar} {msg}") {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        if how.json {
            bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        Self { how, bar, last: None, last_line: None, told_of_silence: false }
    }

    fn goes_on(&mut self, rebuild: &Rebuild) -> std::io::Result<()> {
        self.tell_of_silence(rebuild);
        let Some(progress) = rebuild.progress.filter(|progress| self.last != Some(*progress)) else {
            return Ok(());
        };
        self.last = Some(progress);
        if self.how.json {
            return self.how.line(rebuild);
        }
        let (name, text) = (show::phase(progress.phase), show::figures(&progress));
        let name = match self.how.database {
            Some(number) => format!("Database {number}: {name}"),
            None => name.to_owned(),
        };
        if std::io::stderr().is_terminal() {
            self.bar.set_prefix(name.clone());
            self.bar.set_message(text);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a bar of a thousand steps"
            )]
            self.bar.set_position((progress.percent * 10.0) as u64);
            return Ok(());
        }
        let is_news =
            self.last_line.is_none_or(|(phase, at)| phase != progress.phase || at.elapsed() >= LINE_INTERVAL);
        if is_news {
            self.last_line = Some((progress.phase, std::time::Instant::now()));
            eprintln!("{name}: {text}");
        }
        Ok(())
    }

    fn tell_of_silence(&mut self, rebuild: &Rebuild) {
        let silent = (Utc::now() - rebuild.updated_at).to_std().is_ok_and(|silence| silence > PATIENCE);
        if silent && !std::mem::replace(&mut self.told_of_silence, silent) {
            let what = match rebuild.state {
                State::Requested => "no projector has taken it yet; is one running?",
                _ => "nobody works at it now; a projector goes on with it when it is back",
            };
            self.bar.suspend(|| eprintln!("daybook: {what}"));
        }
        self.told_of_silence = silent;
    }
}
