//! Newest entries in Redis: one key for each account that is looked at, gone after a while.
//!
//! Nobody waits for a Redis that is away. Who finds it so says so once, all go on with Postgres, and one task connects anew.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use ledger_streams::EventStore;
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisResult};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::server::RedisServer;
use super::{NewestOf, bank};
use crate::limits::{REDIS_CONNECT_MAX, REDIS_KEEP, REDIS_PAUSE};
use crate::read_models::transaction::TransactionRow;
use crate::read_pool::ReadPool;

/// Part of every key. Another one for another form of a list: programs of several versions may share one Redis.
const FORMAT: &str = "daybook:1";

/// The lists of one bank.
pub(crate) struct RedisLists {
    server: RedisServer,
    store: EventStore,
    pool: ReadPool,
    bank: OnceCell<String>,
    line: Mutex<Line>,
}

/// The line to Redis.
struct Line {
    state: State,
    /// Counts connections: what an old one says is no news.
    number: u64,
    /// What was said last. Redis is away when it does not answer.
    said_away: bool,
    /// That it does not take lists was said, and it has taken none since.
    said_full: bool,
}

enum State {
    Up(Session),
    Connecting,
    Down { again_at: Instant },
}

#[derive(Clone)]
struct Session {
    connection: MultiplexedConnection,
    prefix: Arc<str>,
    number: u64,
}

impl RedisLists {
    pub(super) fn new(server: RedisServer, store: EventStore, pool: ReadPool) -> Self {
        let state = State::Down { again_at: Instant::now() };
        let line = Mutex::new(Line { state, number: 0, said_away: false, said_full: false });
        Self { server, store, pool, bank: OnceCell::new(), line }
    }

    /// Those lists that Redis has and that are right.
    pub(super) async fn get(self: &Arc<Self>, keys: &[NewestOf]) -> HashMap<NewestOf, Vec<TransactionRow>> {
        let Some(mut session) = self.session() else { return HashMap::new() };
        let mut command = redis::cmd("MGET");
        for key in keys {
            command.arg(session.key(key));
        }
        let answer: RedisResult<Vec<Option<Vec<u8>>>> = command.query_async(&mut session.connection).await;
        let values = match answer {
            Ok(values) => values,
            Err(error) => {
                self.away(session.number, &error);
                return HashMap::new();
            }
        };
        self.answers();
        let lists = keys.iter().zip(values).filter_map(|(key, value)| {
            let rows: Vec<TransactionRow> = serde_json::from_slice(&value?).ok()?;
            key.is_told_by(&rows).then_some((*key, rows))
        });
        lists.collect()
    }

    /// Keeps those of the lists that stay right. Of two that keep one account's, the last one wins; whoever sees another row than it tells
    /// of passes it over.
    pub(super) async fn keep(self: &Arc<Self>, lists: &[(NewestOf, Vec<TransactionRow>)]) {
        let Some(mut session) = self.session() else { return };
        let mut commands = redis::pipe();
        for (key, rows) in lists.iter().filter(|(key, rows)| key.is_told_by(rows)) {
            let Ok(value) = serde_json::to_vec(rows) else { continue };
            let mut set = Cmd::new();
            set.arg("SET").arg(session.key(key)).arg(value).arg("EX").arg(REDIS_KEEP.as_secs());
            commands.add_command(set).ignore();
        }
        if commands.is_empty() {
            return;
        }
        match commands.query_async::<()>(&mut session.connection).await {
            Ok(()) => self.takes(),
            Err(error) if error.is_io_error() || error.is_unrecoverable_error() => {
                self.away(session.number, &error);
            }
            Err(error) => self.full(&error),
        }
    }

    /// The connection, if there is one now. If it is time for a new one, it is made meanwhile.
    fn session(self: &Arc<Self>) -> Option<Session> {
        let mut line = self.line.lock();
        match &line.state {
            State::Up(session) => return Some(session.clone()),
            State::Down { again_at } if *again_at <= Instant::now() => {}
            State::Connecting | State::Down { .. } => return None,
        }
        line.state = State::Connecting;
        line.number = line.number.wrapping_add(1);
        let (lists, number) = (Arc::clone(self), line.number);
        tokio::spawn(async move {
            match lists.connect(number).await {
                Ok(session) => lists.line.lock().state = State::Up(session),
                Err(error) => lists.away(number, &*error),
            }
        });
        None
    }

    async fn connect(&self, number: u64) -> Result<Session, Box<dyn std::error::Error + Send + Sync>> {
        let connect = async {
            let bank = self.bank.get_or_try_init(|| bank::name(&self.store, &self.pool)).await?;
            let prefix = format!("{FORMAT}:{bank}:newest:").into();
            Ok(Session { connection: self.server.connect().await?, prefix, number })
        };
        timeout(REDIS_CONNECT_MAX, connect).await?
    }

    /// Redis did not answer on this connection, or there is none.
    fn away(&self, number: u64, error: &dyn fmt::Display) {
        metrics::counter!("daybook_query_redis_failures_total").increment(1);
        let mut line = self.line.lock();
        let is_down = matches!(line.state, State::Down { .. });
        if line.number != number || is_down {
            return;
        }
        line.state = State::Down { again_at: Instant::now() + REDIS_PAUSE };
        metrics::gauge!("daybook_query_redis_up").set(0.0);
        if !std::mem::replace(&mut line.said_away, true) {
            tracing::warn!(%error, "Redis does not answer; newest entries come from Postgres until it does");
        }
    }

    fn answers(&self) {
        metrics::gauge!("daybook_query_redis_up").set(1.0);
        if std::mem::take(&mut self.line.lock().said_away) {
            tracing::info!("Redis answers again");
        }
    }

    /// Redis answers, and does not take lists.
    fn full(&self, error: &dyn fmt::Display) {
        metrics::counter!("daybook_query_redis_failures_total").increment(1);
        if !std::mem::replace(&mut self.line.lock().said_full, true) {
            tracing::warn!(%error, "Redis does not take newest entries; those it does not have come from Postgres");
        }
    }

    fn takes(&self) {
        if std::mem::take(&mut self.line.lock().said_full) {
            tracing::info!("Redis takes newest entries again");
        }
    }
}

impl Session {
    fn key(&self, key: &NewestOf) -> String {
        format!("{}{}", self.prefix, key.account_id)
    }
}

impl fmt::Debug for RedisLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLists").field("bank", &self.bank.get()).finish_non_exhaustive()
    }
}
