//! The delivery log: every attempt, for people to read.
//!
//! It lives beside the read models, in a table that the projector makes, and is written in batches and as well as can be: an attempt that
//! finds no room, because the database is slow or away, is counted and not noted. Nothing is ever delayed or decided by it.

use chrono::{DateTime, Utc};
use futures::FutureExt;
use ledger_core::WebhookId;
use sqlx::PgPool;
use sqlx::postgres::PgBindIterExt;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::endpoint::Answer;
use crate::queue::Due;
use crate::{
    LOG_BATCH_MAX, LOG_FILL_TIME, LOG_KEPT_PER_WEBHOOK, LOG_PRUNE_EVERY, LOG_QUEUE_MAX, LOG_RETRY_EVERY,
    LOG_SWEEP_EVERY,
};

/// Where attempts are noted. Cheap to clone.
#[derive(Clone)]
pub struct DeliveryLog {
    attempts: mpsc::Sender<Attempt>,
}

/// One attempt.
#[derive(Debug)]
pub(crate) struct Attempt {
    webhook_id: WebhookId,
    message_id: String,
    kind: &'static str,
    account_id: i64,
    position: i64,
    attempt: i32,
    at: DateTime<Utc>,
    millis: i32,
    status: Option<i16>,
    error: Option<String>,
    delivered: bool,
}

impl Attempt {
    pub(crate) fn new(webhook_id: WebhookId, due: &Due, answer: &Answer) -> Self {
        let notification = &due.notification;
        Self {
            webhook_id,
            message_id: notification.message_id(webhook_id),
            kind: notification.kind.name(),
            account_id: notification.account.as_i64(),
            position: notification.position.cast_signed(),
            attempt: i32::try_from(due.attempt).unwrap_or(i32::MAX),
            at: Utc::now(),
            millis: i32::try_from(answer.took.as_millis()).unwrap_or(i32::MAX),
            status: answer.result.as_ref().ok().map(|status| status.as_u16().cast_signed()),
            error: (!answer.is_delivered()).then(|| answer.text()),
            delivered: answer.is_delivered(),
        }
    }
}

impl DeliveryLog {
    /// Writes to the table behind `pool` until `shutdown`, then what is left.
    #[must_use]
    pub fn start(pool: PgPool, shutdown: CancellationToken) -> Self {
        let (attempts, waiting) = mpsc::channel(LOG_QUEUE_MAX);
        tokio::spawn(write(pool, waiting, shutdown));
        Self { attempts }
    }

    pub(crate) fn note(&self, attempt: Attempt) {
        if self.attempts.try_send(attempt).is_err() {
            metrics::counter!("daybook_webhook_posts_not_noted_total").increment(1);
        }
    }
}

async fn write(pool: PgPool, mut waiting: mpsc::Receiver<Attempt>, shutdown: CancellationToken) {
    let mut batch = Vec::new();
    // How many of the batch are written at once: fewer when the database refuses them, until the one that it refuses is found.
    let mut size = LOG_BATCH_MAX;
    // Attempts of each webhook since the older ones were deleted.
    let mut noted: HashMap<WebhookId, u64> = HashMap::new();
    let mut next_sweep = tokio::time::interval(LOG_SWEEP_EVERY);
    next_sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_away = false;
    loop {
        match next(&mut next_sweep, &mut waiting, &mut batch).await {
            Next::Sweep => {
                if let Err(error) = sweep(&pool).await {
                    tracing::debug!(%error, "the delivery log is not swept");
                    next_sweep.reset_after(LOG_RETRY_EVERY);
                }
                continue;
            }
            Next::Write => {}
            Next::End => return,
        }
        let some = batch.get(..size).unwrap_or(&batch);
        match insert(&pool, some).await {
            Ok(()) => {
                is_away = false;
                for attempt in batch.drain(..some.len()) {
                    *noted.entry(attempt.webhook_id).or_default() += 1;
                }
                size = size.saturating_mul(2).min(LOG_BATCH_MAX);
                prune(&pool, &mut noted).await;
                if batch.is_empty() && waiting.len() < LOG_BATCH_MAX {
                    pause(LOG_FILL_TIME, &shutdown).await;
                }
            }
            Err(error) if is_refused(&error) && some.len() > 1 => size = some.len() / 2,
            Err(error) if is_refused(&error) => {
                metrics::counter!("daybook_webhook_posts_not_noted_total").increment(1);
                tracing::warn!(%error, "a delivery is not noted: the database refuses it");
                batch.drain(..some.len());
            }
            Err(error) => {
                if !std::mem::replace(&mut is_away, true) {
                    tracing::warn!(%error, "deliveries are not noted: the database is away");
                }
                if shutdown.is_cancelled() {
                    return;
                }
                pause(LOG_RETRY_EVERY, &shutdown).await;
            }
        }
    }
}

/// What the log does next.
#[derive(Debug, PartialEq)]
enum Next {
    Sweep,
    /// Write the batch.
    Write,
    End,
}

/// Looks at the clock before it fills the batch: attempts may come without end. What waits to be written again waits for nothing else.
async fn next(
    next_sweep: &mut Interval,
    waiting: &mut mpsc::Receiver<Attempt>,
    batch: &mut Vec<Attempt>,
) -> Next {
    // The first at once.
    if next_sweep.tick().now_or_never().is_some() {
        return Next::Sweep;
    }
    while batch.len() < LOG_BATCH_MAX
        && let Ok(attempt) = waiting.try_recv()
    {
        batch.push(attempt);
    }
    if !batch.is_empty() {
        return Next::Write;
    }
    tokio::select! {
        _ = next_sweep.tick() => Next::Sweep,
        count = waiting.recv_many(batch, LOG_BATCH_MAX) => if count == 0 { Next::End } else { Next::Write },
    }
}

/// True when the database would say the same again: it is about what is to be written. Anything else, a table that is not there yet
/// included, passes.
fn is_refused(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Encode(_) => true,
        // Data that is none, constraints, and more than Postgres can hold.
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| ["22", "23", "54"].iter().any(|class| code.starts_with(class)))
        }
        _ => false,
    }
}

async fn pause(time: Duration, shutdown: &CancellationToken) {
    shutdown.run_until_cancelled(tokio::time::sleep(time)).await;
}

async fn insert(pool: &PgPool, batch: &[Attempt]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into webhook_deliveries
           (webhook_id, message_id, type, account_id, position, attempt, at, millis, status, error, delivered)
         select * from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(batch.iter().map(|attempt| attempt.webhook_id.as_i64()).bind_iter())
    .bind(batch.iter().map(|attempt| attempt.message_id.as_str()).bind_iter())
    .bind(batch.iter().map(|attempt| attempt.kind).bind_iter())
    .bind(batch.iter().map(|attempt| attempt.account_id).bind_iter())
    .bind(batch.iter().map(|attempt| attempt.position).bind_iter())
    .bind(batch.iter().map(|attempt| attempt.attempt).bind_iter())
    .bind(batch.iter().map(|attempt| attempt.at).bind_iter())
    .bind(batch.iter().map(|attempt| attempt.millis).bind_iter())
    .bind(batch.iter().map(|attempt| attempt.status).bind_iter())
    .bind(batch.iter().map(|attempt| attempt.error.as_deref()).bind_iter())
    .bind(batch.iter().map(|attempt| attempt.delivered).bind_iter())
    .execute(pool)
    .await?;
    Ok(())
}

/// Deletes what is beyond the newest attempts of each webhook that had many.
async fn prune(pool: &PgPool, noted: &mut HashMap<WebhookId, u64>) {
    let many: Vec<_> =
        noted.iter().filter(|(_, count)| **count >= LOG_PRUNE_EVERY).map(|(id, _)| *id).collect();
    for id in many {
        noted.remove(&id);
        let pruned = sqlx::query(
            "delete from webhook_deliveries where webhook_id = $1 and delivery_id <=
               (select delivery_id from webhook_deliveries where webhook_id = $1 order by delivery_id desc offset $2 limit 1)",
        )
        .bind(id.as_i64())
        .bind(LOG_KEPT_PER_WEBHOOK)
        .execute(pool)
        .await;
        if let Err(error) = pruned {
            tracing::debug!(%error, "old deliveries were not deleted");
        }
    }
}

/// Deletes what is beyond the newest attempts of each webhook, noted before this process began to count, and all of those that are no more. An
/// attempt that was under way while its webhook was deleted is gone with the next sweep.
async fn sweep(pool: &PgPool) -> Result<(), sqlx::Error> {
    let beyond = sqlx::query(
        "delete from webhook_deliveries using (
             select webhook_id, newest.delivery_id from webhooks cross join lateral (
                 select delivery_id from webhook_deliveries
                 where webhook_id = webhooks.webhook_id order by delivery_id desc offset $1 limit 1) as newest) as bound
         where webhook_deliveries.webhook_id = bound.webhook_id and webhook_deliveries.delivery_id <= bound.delivery_id",
    );
    let of_deleted = sqlx::query(
        "delete from webhook_deliveries using webhooks
         where webhook_deliveries.webhook_id = webhooks.webhook_id and webhooks.status = 'deleted'",
    );
    for query in [beyond.bind(LOG_KEPT_PER_WEBHOOK), of_deleted] {
        query.execute(pool).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt() -> Attempt {
        Attempt {
            webhook_id: WebhookId::from_i64(1).unwrap(),
            message_id: "msg_1_1".into(),
            kind: "money.received",
            account_id: 1,
            position: 1,
            attempt: 1,
            at: DateTime::UNIX_EPOCH,
            millis: 1,
            status: Some(200),
            error: None,
            delivered: true,
        }
    }

    #[tokio::test]
    async fn the_log_is_swept_also_while_attempts_come_without_end() {
        let (attempts, mut waiting) = mpsc::channel(1);
        let mut next_sweep = tokio::time::interval(Duration::from_millis(20));
        let (mut sweeps, mut writes, mut batch) = (0, 0, vec![attempt()]);
        let swept = async {
            while sweeps < 3 {
                let _ = attempts.try_send(attempt());
                match next(&mut next_sweep, &mut waiting, &mut batch).await {
                    Next::Sweep => sweeps += 1,
                    Next::Write => writes += 1,
                    Next::End => unreachable!(),
                }
                // One is always left, as when the database is slow.
                batch.truncate(1);
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), swept).await.unwrap();
        assert!(writes > 0, "nothing is written");
        batch.clear();
        drop((attempts, waiting.try_recv()));
        assert_eq!(next(&mut in_an_hour(), &mut waiting, &mut batch).await, Next::End);
    }

    /// Its first tick is far away.
    fn in_an_hour() -> Interval {
        let hour = Duration::from_secs(60 * 60);
        tokio::time::interval_at(tokio::time::Instant::now() + hour, hour)
    }
}
