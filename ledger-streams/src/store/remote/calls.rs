//! Calls that are tried again.

use std::sync::Arc;
use std::time::Duration;

use eventstore::{Client, Error};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::connection::delays;
use super::failure::Failure;
use super::health::Health;
use super::pool::Pool;
use crate::{CALL_PATIENCE, CALL_TIMEOUT, StoreError};

/// Makes calls on whichever connection has room.
pub(crate) struct Calls {
    pub(super) pool: Pool,
    pub(super) health: Health,
    pub(super) closed: CancellationToken,
}

/// Why a call was given up.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// The stream is not in the expected state.
    Conflict,
    /// There is no such stream, or no such place in the log.
    NotFound,
    /// It failed, or kept failing; then it may have worked all the same.
    Store(StoreError),
}

impl Calls {
    /// Makes a call, again and again while its failures may pass, and not for ever. It must not matter how often it is made.
    pub(super) async fn call<T, F>(&self, attempt: impl Fn(Arc<Client>) -> F) -> Result<T, Refusal>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let deadline = Instant::now() + self.patience();
        match self.closed.run_until_cancelled(self.call_until(deadline, attempt)).await {
            Some(outcome) => outcome,
            None => Err(unavailable("it was closed".into())),
        }
    }

    /// How long a call may be tried: while the store is away, no longer than if it had begun when the store went.
    fn patience(&self) -> Duration {
        let lost = if self.pool.is_down() { self.health.away_for() } else { Duration::ZERO };
        CALL_PATIENCE.saturating_sub(lost)
    }

    async fn call_until<T, F>(
        &self,
        deadline: Instant,
        attempt: impl Fn(Arc<Client>) -> F,
    ) -> Result<T, Refusal>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut delays = delays();
        let mut why = None;
        while let Ok(lease) = timeout_at(deadline, self.pool.lease()).await {
            let in_time = deadline.min(Instant::now() + CALL_TIMEOUT);
            // The client's futures are large.
            match timeout_at(in_time, Box::pin(attempt(Arc::clone(&lease.client)))).await {
                Ok(Ok(value)) => {
                    lease.answered();
                    return Ok(value);
                }
                Ok(Err(error)) => match Failure::from(error) {
                    Failure::Passing { reason, connection } => {
                        lease.failed(connection, &reason);
                        why = Some(reason);
                    }
                    Failure::Conflict => return Err(Refusal::Conflict),
                    Failure::NotFound => return Err(Refusal::NotFound),
                    Failure::Lasting(error) => return Err(Refusal::Store(error)),
                },
                Err(_) => {
                    lease.timed_out();
                    why = Some("it did not answer in time".into());
                }
            }
            drop(lease);
            let delay = delays.next().unwrap_or_default();
            if timeout_at(deadline, sleep(delay)).await.is_err() {
                break;
            }
        }
        Err(unavailable(why.unwrap_or_else(|| self.pool.problem())))
    }
}

fn unavailable(reason: Arc<str>) -> Refusal {
    Refusal::Store(StoreError::Unavailable(reason))
}
