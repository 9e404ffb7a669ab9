//! How far a rebuild is.

use std::time::Instant;

use ledger_core::Position;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// What a rebuild is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Making tables, or looking at what an earlier attempt left.
    #[default]
    Preparing,
    /// Reading the log into the new tables.
    Loading,
    /// Making their indexes.
    Indexing,
    /// Reading what came meanwhile.
    CatchingUp,
    /// Comparing them with the live ones.
    Comparing,
    /// Exchanging both.
    Switching,
}

/// How far a rebuild is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What it does.
    pub phase: Phase,
    /// Events read since it began or went on.
    pub events: u64,
    /// The same for each second of reading.
    pub events_per_second: f64,
    /// Position of the last event read.
    pub position: Position,
    /// Position of the live tables.
    pub goal: Position,
    /// Of the log, by position.
    pub percent: f64,
    /// Until the log is read; unknown at first.
    pub seconds_left: Option<f64>,
    /// Since it began or went on.
    pub seconds: f64,
}

/// Measures a rebuild.
#[derive(Debug)]
pub(super) struct Meter {
    state: watch::Sender<State>,
    started: Instant,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct State {
    phase: Phase,
    events: u64,
    /// Where reading began, and when.
    began: Option<(Position, Instant)>,
    position: Position,
    goal: Position,
    /// Seconds of reading; known once it is over.
    reading: Option<f64>,
}

impl Default for Meter {
    fn default() -> Self {
        Self { state: watch::Sender::default(), started: Instant::now() }
    }
}

impl Meter {
    pub(super) fn phase(&self, phase: Phase) {
        tracing::debug!(?phase, "rebuild goes on");
        self.state.send_modify(|state| {
            let began = state.began.filter(|_| state.phase == Phase::Loading && phase != Phase::Loading);
            if let Some((_, began)) = began {
                state.reading = Some(began.elapsed().as_secs_f64());
            }
            state.phase = phase;
        });
    }

    /// Reading begins from here, to there.
    pub(super) fn goal(&self, from: Position, goal: Position) {
        self.state.send_modify(|state| {
            state.began.get_or_insert_with(|| (from, Instant::now()));
            state.position = state.position.max(from);
            state.goal = goal;
        });
    }

    pub(super) fn read(&self, events: usize, position: Position) {
        self.state.send_modify(|state| {
            // What comes after the load is another matter, and would blur how fast that was.
            if state.phase == Phase::Loading {
                state.events = state.events.saturating_add(u64::try_from(events).unwrap_or(u64::MAX));
            }
            state.position = state.position.max(position.min(state.goal));
        });
    }

    /// Another one whenever something has moved.
    pub(super) fn state(&self) -> State {
        *self.state.borrow()
    }

    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(super) fn progress(&self) -> Progress {
        let State { phase, events, began, position, goal, reading } = self.state();
        let reading = reading.or_else(|| began.map(|(_, began)| began.elapsed().as_secs_f64()));
        let seconds = reading.unwrap_or_default().max(0.001);
        let start = began.map_or(0, |(start, _)| start);
        let read = position.saturating_sub(start) as f64;
        let left = goal.saturating_sub(position) as f64;
        Progress {
            phase,
            events,
            events_per_second: events as f64 / seconds,
            position,
            goal,
            percent: match (goal, phase) {
                // How far there is to go is not known yet.
                (0, Phase::Preparing) => 0.0,
                (0, _) => 100.0,
                _ => position as f64 / goal as f64 * 100.0,
            },
            seconds_left: (read > 0.0).then(|| left * seconds / read),
            seconds: self.started.elapsed().as_secs_f64(),
        }
    }
}
