//! How many statements are at work in a database at the same time.

use std::num::NonZero;
use std::pin::pin;
use std::thread::available_parallelism;
use std::time::Duration;

use sqlx::Error;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::limits::{SESSION_PATIENCE, SESSIONS_FOR_EACH_CORE};

/// Who may be at work: one permit for each session that there may be.
///
/// Statements that are at work beside each other take the processor's caches from each other: thirty-two at once cost Postgres almost twice what
/// four cost. So most wait for one of few turns. But slow ones must not hold up everybody else: who has waited for a while takes one of
/// the rest.
#[derive(Debug)]
pub(crate) struct Turns {
    few: Semaphore,
    rest: Semaphore,
}

impl Turns {
    /// Turns for so many sessions.
    pub(crate) fn new(sessions: usize) -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        let few = cores.saturating_mul(SESSIONS_FOR_EACH_CORE).min(sessions);
        Self { few: Semaphore::new(few), rest: Semaphore::new(sessions.saturating_sub(few)) }
    }

    /// Waits for a turn, for no much longer than this.
    ///
    /// # Errors
    /// `PoolTimedOut`; `PoolClosed` when there are to be no turns any more.
    pub(crate) async fn take(&self, within: Duration) -> Result<SemaphorePermit<'_>, Error> {
        if let Ok(turn) = self.few.try_acquire() {
            return Ok(turn);
        }
        let mut patient = pin!(self.few.acquire());
        let turn = match timeout(SESSION_PATIENCE, patient.as_mut()).await {
            Ok(turn) => turn,
            Err(_) => {
                let any = async {
                    tokio::select! {
                        turn = patient => turn,
                        turn = self.rest.acquire() => turn,
                    }
                };
                timeout(within, any).await.map_err(|_| Error::PoolTimedOut)?
            }
        };
        turn.map_err(|_| Error::PoolClosed)
    }

    /// Nobody gets one from now on.
    pub(crate) fn close(&self) {
        self.few.close();
        self.rest.close();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.few.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::time::sleep;

    use super::*;

    const SESSIONS: usize = 1_000;
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn slow_statements_hold_nobody_up_for_long() {
        let turns = Turns::new(SESSIONS);
        let few = turns.few.available_permits();
        assert!(few < SESSIONS, "this machine has more cores than the test expects");
        let mut slow = Vec::new();
        for _ in 0..few {
            slow.push(turns.take(LONG).await.unwrap());
        }
        let start = Instant::now();
        let _one_more = turns.take(LONG).await.unwrap();
        assert!(start.elapsed() >= SESSION_PATIENCE);
        assert_eq!(turns.rest.available_permits(), SESSIONS - few - 1);
        // One that was given back comes before them.
        drop(slow.pop());
        let _turn = turns.take(LONG).await.unwrap();
        assert_eq!((turns.few.available_permits(), turns.rest.available_permits()), (0, SESSIONS - few - 1));
    }

    #[tokio::test]
    async fn there_are_no_more_turns_than_sessions() {
        let turns = Turns::new(2);
        let first = turns.take(LONG).await.unwrap();
        let _second = turns.take(LONG).await.unwrap();
        assert!(matches!(turns.take(SESSION_PATIENCE).await, Err(Error::PoolTimedOut)));
        // Who is impatient does not lose the place in the row.
        let (third, ()) = tokio::join!(turns.take(LONG), async {
            sleep(SESSION_PATIENCE * 2).await;
            drop(first);
        });
        drop(third.unwrap());
        turns.close();
        assert!(matches!(turns.take(LONG).await, Err(Error::PoolClosed)));
    }
}
