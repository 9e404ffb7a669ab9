//! The delivery log: every attempt, for people to read.
//!
//! It lives beside the read models, in a table that the projector makes, and is written in batches and as well as can be: an attempt that
//! finds no room, because the database is slow or away, is counted and not noted. Nothing is ever delayed or decided by it.

use chrono::{DateTime, Utc};
use ledger_core::WebhookId;
use sqlx::PgPool;
use sqlx::postgres::PgBindIterExt;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::endpoint::Answer;
use crate::queue::Due;
use crate::{
    LOG_BATCH_MAX, LOG_FILL_TIME, LOG_KEPT_PER_WEBHOOK, LOG_PRUNE_EVERY, LOG_QUEUE_MAX, LOG_RETRY_EVERY,
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
    // Attempts of each webhook since the older ones were deleted.
    let mut noted: HashMap<WebhookId, u64> = HashMap::new();
    let mut is_away = false;
    loop {
        let room = LOG_BATCH_MAX.saturating_sub(batch.len());
        if room > 0 && waiting.recv_many(&mut batch, room).await == 0 && batch.is_empty() {
            return;
        }
        match insert(&pool, &batch).await {
            Ok(()) => {
                is_away = false;
                for attempt in batch.drain(..) {
                    *noted.entry(attempt.webhook_id).or_default() += 1;
                }
                prune(&pool, &mut noted).await;
                if waiting.len() < LOG_BATCH_MAX {
                    pause(LOG_FILL_TIME, &shutdown).await;
                }
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
