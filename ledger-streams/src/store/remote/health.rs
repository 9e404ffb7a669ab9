//! What is known of the store without asking it.

use std::sync::Arc;
use std::time::Duration;

use ledger_core::Position;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::calls::Calls;
use super::failure::Failure;
use super::reads;
use crate::{HEARTBEAT_INTERVAL, HEARTBEAT_TIMEOUT};

/// What the last look at the store saw.
pub(super) struct Health(watch::Sender<State>);

enum State {
    /// Never seen yet, or gone, since then.
    Away { since: Instant, reason: Arc<str>, is_told: bool },
    /// There, with this as its last event's position.
    There(Position),
}

impl Health {
    pub(super) fn new() -> Self {
        let reason = "not connected yet".into();
        Self(watch::Sender::new(State::Away { since: Instant::now(), reason, is_told: false }))
    }

    pub(super) fn get(&self) -> Result<Position, String> {
        match &*self.0.borrow() {
            State::There(head) => Ok(*head),
            State::Away { reason, .. } => Err(reason.to_string()),
        }
    }

    /// How long the store has been away.
    pub(super) fn away_for(&self) -> Duration {
        match &*self.0.borrow() {
            State::There(_) => Duration::ZERO,
            State::Away { since, .. } => since.elapsed(),
        }
    }

    #[cfg(test)]
    pub(super) async fn wait_for(&self, there: bool) {
        let is_told = |state: &State| match state {
            State::There(_) => there,
            State::Away { is_told, .. } => *is_told && !there,
        };
        self.0.subscribe().wait_for(is_told).await.unwrap();
    }

    fn there(&self, head: Position) {
        if let State::Away { since, is_told, .. } = self.0.send_replace(State::There(head)) {
            let seconds = since.elapsed().as_secs();
            if is_told {
                tracing::info!(seconds, head, "the event store is back");
            } else {
                tracing::info!(head, "connected to the event store");
            }
        }
    }

    fn away(&self, reason: Arc<str>) {
        let (since, was_told) = match &*self.0.borrow() {
            State::There(_) => (Instant::now(), false),
            State::Away { since, is_told, .. } => (*since, *is_told),
        };
        if !was_told {
            tracing::error!(%reason, "the event store is away; trying again until it is back");
        }
        self.0.send_replace(State::Away { since, reason, is_told: true });
    }
}

/// Looks at the store again and again, on every connection in turn, so that a dead one is found out before somebody needs it.
pub(super) async fn watch(calls: Arc<Calls>) {
    let mut ticks = interval(HEARTBEAT_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0.. {
        ticks.tick().await;
        match look(&calls, number).await {
            Ok(head) => calls.health.there(head),
            Err(reason) => calls.health.away(reason),
        }
    }
}

/// Position of the store's last event, whoever's it is: to look for the ledger's may take long. The reason if no connection gives it.
async fn look(calls: &Calls, number: usize) -> Result<Position, Arc<str>> {
    let mut problem: Option<Arc<str>> = None;
    for connection in 0..calls.pool.connections().len() {
        // The first connections of all are worth waiting for, those that are down are not.
        let why_down = calls.pool.why_down().filter(|_| calls.pool.is_down());
        if let Some(why) = why_down {
            return Err(problem.unwrap_or(why));
        }
        let lease = calls.pool.lease_for_look(number.wrapping_add(connection));
        let Ok(lease) = timeout(HEARTBEAT_TIMEOUT, lease).await else { break };
        match timeout(HEARTBEAT_TIMEOUT, reads::newest(Arc::clone(&lease.client))).await {
            Ok(Ok(head)) => {
                lease.answered();
                return Ok(head);
            }
            Ok(Err(error)) => match Failure::from(error) {
                Failure::Passing { reason, connection } => {
                    lease.failed(connection, &reason);
                    problem = Some(reason);
                }
                Failure::Lasting(error) => return Err(error.to_string().into()),
                Failure::Conflict | Failure::NotFound => return Err("it gives no sense".into()),
            },
            Err(_) => {
                lease.timed_out();
                problem = Some("it does not answer".into());
            }
        }
    }
    Err(problem.unwrap_or_else(|| calls.pool.problem()))
}
