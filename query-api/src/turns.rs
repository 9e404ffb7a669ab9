//! How many statements are at work in a database at the same time.

use std::num::NonZero;
use std::pin::pin;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sqlx::Error;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::limits::{TURN_PATIENCE, TURNS_FOR_EACH_CORE};

/// Who may be at work.
///
/// Statements that are at work beside each other take the processor's caches from each other: thirty-two at once cost Postgres almost twice what
/// two cost. So there are few turns, for which everybody waits in a row. But slow statements must not hold up everybody else: who has waited for a while
/// adds a turn, as long as there are sessions for it. One that is held for as long, or that nobody waits for, goes away again.
#[derive(Debug)]
pub(crate) struct Turns {
    turns: Semaphore,
    /// Sessions without a turn.
    spare: Mutex<Spare>,
}

#[derive(Clone, Copy, Debug)]
struct Spare {
    now: usize,
    max: usize,
}

/// The right to be at work, until it is dropped.
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    permit: Option<SemaphorePermit<'a>>,
    since: Instant,
}

impl Turns {
    /// Turns for so many sessions.
    pub(crate) fn new(sessions: usize) -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        Self::with(cores.saturating_mul(TURNS_FOR_EACH_CORE).min(sessions), sessions)
    }

    fn with(few: usize, sessions: usize) -> Self {
        let spare = sessions.saturating_sub(few);
        Self { turns: Semaphore::new(few), spare: Mutex::new(Spare { now: spare, max: spare }) }
    }

    /// Waits for a turn, not much longer than this.
    ///
    /// # Errors
    /// `PoolTimedOut`; `PoolClosed` when there are to be no turns any more.
    pub(crate) async fn take(&self, within: Duration) -> Result<Turn<'_>, Error> {
        let mut row = pin!(self.turns.acquire());
        let permit = match timeout(TURN_PATIENCE, row.as_mut()).await {
            Ok(permit) => permit,
            Err(_) => {
                self.add();
                timeout(within, row).await.map_err(|_| Error::PoolTimedOut)?
            }
        };
        let permit = permit.map_err(|_| Error::PoolClosed)?;
        Ok(Turn { turns: self, permit: Some(permit), since: Instant::now() })
    }

    fn add(&self) {
        let mut spare = self.spare.lock();
        if let Some(left) = spare.now.checked_sub(1) {
            spare.now = left;
            self.turns.add_permits(1);
        }
    }

    /// Nobody gets one from now on.
    pub(crate) fn close(&self) {
        self.turns.close();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.turns.is_closed()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let is_needed = self.turns.turns.available_permits() == 0 && self.since.elapsed() < TURN_PATIENCE;
        let mut spare = self.turns.spare.lock();
        if !is_needed && spare.now < spare.max {
            spare.now = spare.now.saturating_add(1);
            if let Some(permit) = self.permit.take() {
                permit.forget();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn slow_statements_hold_nobody_up_for_long() {
        let turns = Turns::with(2, 4);
        let slow = [turns.take(LONG).await.unwrap(), turns.take(LONG).await.unwrap()];
        let start = Instant::now();
        drop(turns.take(LONG).await.unwrap());
        assert!(start.elapsed() >= TURN_PATIENCE);
        // It stays for the next one, or, if this took its time, goes away.
        assert_eq!(turns.turns.available_permits() + turns.spare.lock().now, 2);
        let (first, second) = tokio::join!(turns.take(LONG), turns.take(LONG));
        assert_eq!((turns.turns.available_permits(), turns.spare.lock().now), (0, 0));
        // Those that were slow take the added ones with them.
        drop(slow);
        assert_eq!((turns.turns.available_permits(), turns.spare.lock().now), (0, 2));
        drop((first.unwrap(), second.unwrap()));
        assert_eq!((turns.turns.available_permits(), turns.spare.lock().now), (2, 2));
    }

    #[tokio::test]
    async fn there_are_no_more_turns_than_sessions_and_the_row_is_kept() {
        let turns = Turns::new(1);
        let only = turns.take(LONG).await.unwrap();
        assert!(matches!(turns.take(TURN_PATIENCE).await, Err(Error::PoolTimedOut)));
        let order = Mutex::new(Vec::new());
        let wait = async |name: &str| {
            let _turn = turns.take(LONG).await.unwrap();
            order.lock().push(name.to_owned());
        };
        let late = async {
            sleep(TURN_PATIENCE / 2).await;
            let ended = async {
                // Both are impatient by then, the first for longer.
                sleep(TURN_PATIENCE * 2).await;
                drop(only);
            };
            tokio::join!(wait("second"), ended);
        };
        tokio::join!(wait("first"), late);
        assert_eq!(*order.lock(), ["first", "second"]);
        turns.close();
        assert!(matches!(turns.take(LONG).await, Err(Error::PoolClosed)));
    }
}
