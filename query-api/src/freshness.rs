//! Read your own writes: a read that names a position waits until every projection has reached it.
//!
//! However many requests wait, one task for each database reads its checkpoints and wakes them all; when nobody waits, nothing is read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use futures::future::{join_all, try_join_all};
use http::request::Parts;
use ledger_core::Position;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::database::{Era, ReadDatabases};
use crate::limits::{FRESHNESS_POLL, FRESHNESS_RETRY, HELD_UP_WAIT, READ_TRIES_MAX};
use crate::problem::Problem;
use crate::read_models::ReadError;
use crate::read_models::projection::{self, HeldUp};

/// The header in which a client names the position it wants to read at.
pub const POSITION_HEADER: &str = "x-daybook-position";

/// The read models have not reached a position in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "The read models have come to position {reached}, not yet to {wanted}{because}. Try again in a moment."
)]
pub(crate) struct Behind {
    /// What was asked for.
    pub(crate) wanted: Position,
    /// How far they are known to be.
    pub(crate) reached: Position,
    /// What holds them up, if more than time: nothing, or words after a colon.
    pub(crate) because: String,
}

/// Waits for positions; clones share one poller for each database.
#[derive(Clone, Debug)]
pub(crate) struct Freshness {
    databases: ReadDatabases,
    each: Arc<[Arc<Inner>]>,
}

/// Which databases a read needs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Needs {
    /// All of them, for all it knows.
    All,
    /// The one that has an account's or a transfer's rows.
    With(i64),
}

/// One database's.
#[derive(Debug)]
struct Inner {
    databases: ReadDatabases,
    index: usize,
    reached: watch::Sender<Reached>,
    waiting: Mutex<Waiting>,
}

/// A position that every projection is known to have reached, in this era. Only grows while the era lasts.
#[derive(Clone, Copy, Debug, Default)]
struct Reached {
    position: Position,
    era: Era,
}

#[derive(Debug, Default)]
struct Waiting {
    count: usize,
    /// True while the poller lives, which may be a moment longer than somebody waits.
    polled: bool,
}

impl Freshness {
    pub(crate) fn new(databases: ReadDatabases) -> Self {
        let inner = |index| {
            let (reached, waiting) = (watch::Sender::default(), Mutex::default());
            Arc::new(Inner { databases: databases.clone(), index, reached, waiting })
        };
        Self { each: (0..databases.count()).map(inner).collect(), databases }
    }

    fn needed(&self, needs: Needs) -> &[Arc<Inner>] {
        match needs {
            Needs::All => &self.each,
            Needs::With(id) => {
                let home = self.databases.home_of(id);
                self.each.get(home..=home).unwrap_or(&self.each)
            }
        }
    }

    /// The era in which we are.
    pub(crate) fn era(&self) -> Era {
        self.era_of(Needs::All)
    }

    fn era_of(&self, needs: Needs) -> Era {
        Era::of_all(self.needed(needs).iter().map(|inner| inner.era()))
    }

    /// Returns once every projection has handled everything up to `position`, in every database. That holds in the era that is returned.
    pub(crate) async fn reach(&self, position: Position, within: Duration) -> Result<Era, Behind> {
        self.reach_in(Needs::All, position, within).await
    }

    async fn reach_in(&self, needs: Needs, position: Position, within: Duration) -> Result<Era, Behind> {
        if let [only] = self.needed(needs) {
            return only.reach(position, within).await;
        }
        let mut reached = Vec::new();
        for inner in self.needed(needs) {
            reached.push(inner.reach(position, within));
        }
        Ok(Era::of_all(try_join_all(reached).await?))
    }

    /// As [`Self::read_at`], where not all databases are needed.
    pub(crate) async fn read_in<T, E, F>(
        &self,
        needs: Needs,
        position: Position,
        within: Duration,
        read: impl Fn() -> F,
    ) -> Result<T, E>
    where
        E: From<Problem>,
        F: Future<Output = Result<T, E>>,
    {
        for _ in 0..READ_TRIES_MAX {
            let era = match self.reach_in(needs, position, within).await {
                Ok(era) => era,
                Err(behind) => return Err(Problem::from(self.explained(needs, behind).await).into()),
            };
            let answer = read().await;
            if position == 0 || self.era_of(needs) == era {
                return answer;
            }
            metrics::counter!("daybook_query_reads_again_total").increment(1);
        }
        Err(Problem::DatabaseUnavailable.into())
    }

    /// Reads once every projection has reached `position`; again if Postgres may have forgotten that while it was read.
    pub(crate) async fn read_at<T, E, F>(
        &self,
        position: Position,
        within: Duration,
        read: impl Fn() -> F,
    ) -> Result<T, E>
    where
        E: From<Problem>,
        F: Future<Output = Result<T, E>>,
    {
        self.read_in(Needs::All, position, within, read).await
    }

    /// A position that every projection is known to have reached, in every database.
    pub(crate) fn reached(&self) -> Position {
        self.each.iter().map(|inner| inner.reached_by_now()).min().unwrap_or_default()
    }

    /// The same, with the projections that do not get there and why, if any have a reason and a database that is needed tells.
    pub(crate) async fn explained(&self, needs: Needs, behind: Behind) -> Behind {
        let mut told = Vec::new();
        for inner in self.needed(needs) {
            told.push(inner.held_up(behind.wanted));
        }
        let held_up = projection::each_once(join_all(told).await);
        let words = held_up.iter().map(HeldUp::to_string).collect::<Vec<_>>().join("; ");
        let because = if words.is_empty() { words } else { format!(": {words}") };
        Behind { because, ..behind }
    }

    /// The position that every projection has reached now.
    pub(crate) async fn checkpoint(&self) -> Result<Position, ReadError> {
        let mut reached = Vec::new();
        for inner in self.each.iter() {
            reached.push(inner.checkpoint());
        }
        Ok(try_join_all(reached).await?.into_iter().min().unwrap_or_default())
    }
}

impl Inner {
    fn era(&self) -> Era {
        self.databases.era_of(self.index)
    }

    fn reached_by_now(&self) -> Position {
        let reached = *self.reached.borrow();
        if reached.era == self.era() { reached.position } else { 0 }
    }

    async fn reach(self: &Arc<Self>, position: Position, within: Duration) -> Result<Era, Behind> {
        let is_there =
            |reached: &Reached| position == 0 || (reached.position >= position && reached.era == self.era());
        let era = self.era();
        if is_there(&self.reached.borrow()) {
            return Ok(era);
        }
        let start = Instant::now();
        let mut reached = self.reached.subscribe();
        let waiter = self.wait();
        let result = timeout(within, reached.wait_for(is_there)).await;
        let era = result.ok().and_then(Result::ok).map(|reached| reached.era);
        drop(waiter);
        metrics::histogram!("daybook_query_freshness_wait_seconds").record(start.elapsed().as_secs_f64());
        era.ok_or_else(|| {
            let reached = self.reached.borrow().position;
            Behind { wanted: position, reached, because: String::new() }
        })
    }

    fn wait(self: &Arc<Self>) -> Waiter<'_> {
        let mut waiting = self.waiting.lock();
        waiting.count = waiting.count.saturating_add(1);
        if !waiting.polled {
            waiting.polled = true;
            tokio::spawn(poll(Arc::clone(self)));
        }
        Waiter(self)
    }

    /// What holds projections up here; nothing when nobody tells in time.
    async fn held_up(&self, position: Position) -> Vec<HeldUp> {
        let held_up = async { projection::held_up(self.databases.at(self.index).await?, position).await };
        timeout(HELD_UP_WAIT, held_up).await.ok().and_then(Result::ok).unwrap_or_default()
    }

    async fn checkpoint(&self) -> Result<Position, ReadError> {
        let era = self.era();
        let position = projection::checkpoint(self.databases.at(self.index).await?).await?;
        // Read while a connection was made, it may be what was before or what is now.
        if era == self.era() {
            self.reached.send_if_modified(|reached| {
                let is_news = era != reached.era || position > reached.position;
                if is_news {
                    *reached = Reached { position, era };
                }
                is_news
            });
        }
        Ok(position)
    }
}

async fn poll(inner: Arc<Inner>) {
    loop {
        {
            let mut waiting = inner.waiting.lock();
            if waiting.count == 0 {
                waiting.polled = false;
                return;
            }
        }
        let pause = match inner.checkpoint().await {
            Ok(_) => FRESHNESS_POLL,
            Err(error) => {
                tracing::warn!(%error, "checkpoints could not be read");
                FRESHNESS_RETRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Counts as somebody who waits for as long as it lives: a request that is dropped stops counting.
struct Waiter<'a>(&'a Inner);

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting.lock();
        waiting.count = waiting.count.saturating_sub(1);
    }
}

/// The position a request wants to be answered at; 0, always reached, when it names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AtPosition(pub(crate) Position);

impl<S: Sync> FromRequestParts<S> for AtPosition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all(POSITION_HEADER).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return if parts.headers.contains_key(POSITION_HEADER) {
                Err(Problem::InvalidPosition)
            } else {
                Ok(Self(0))
            };
        };
        let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        digits.and_then(|text| text.parse().ok()).map(Self).ok_or(Problem::InvalidPosition)
    }
}

#[cfg(test)]
#[path = "freshness_tests.rs"]
pub(crate) mod tests;
