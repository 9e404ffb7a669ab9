//! A private Postgres for the read models of simulated logs.

use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use daybook::health::{Component, Health};
use daybook::postgres::PrivatePostgres;
use parking_lot::Mutex;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::harness::scratch;

/// It runs as long as this is there.
pub(crate) struct Postgres {
    url: String,
    stop: CancellationToken,
    server: Option<JoinHandle<()>>,
    _dir: TempDir,
}

static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

impl Postgres {
    /// One for all who need one at the same time.
    pub(crate) fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock();
        if let Some(postgres) = shared.upgrade() {
            return postgres;
        }
        let postgres = Arc::new(Self::start());
        *shared = Arc::downgrade(&postgres);
        postgres
    }

    fn start() -> Self {
        let dir = scratch();
        let planned = PrivatePostgres::plan(&dir.path().canonicalize().unwrap(), None).unwrap();
        let (url, stop) = (planned.url(), CancellationToken::new());
        let health = Arc::new(Health::new([Component::Postgres], Box::new(|| Ok(0))));
        let (answers, running, stopped) = (planned.clone(), planned, stop.clone());
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let server = std::thread::spawn(move || runtime().block_on(running.run(health, stopped)).unwrap());
        runtime().block_on(answers.answers());
        Self { url, stop, server: Some(server), _dir: dir }
    }

    /// A database of one's own, with the read models' tables; its URL.
    pub(crate) async fn database(&self, name: &str) -> String {
        let url = self.empty_database(name).await;
        let pool = sqlx::PgPool::connect(&url).await.unwrap();
        projector::migrate(&pool).await.unwrap();
        pool.close().await;
        url
    }

    /// A database of one's own, with nothing in it; its URL.
    pub(super) async fn empty_database(&self, name: &str) -> String {
        let mut admin = PgConnection::connect(&self.url).await.unwrap();
        admin.execute(AssertSqlSafe(format!("create database {name}"))).await.unwrap();
        self.url.replacen("/daybook?", &format!("/{name}?"), 1)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(server) = self.server.take() {
            // It has said what was wrong.
            server.join().ok();
        }
    }
}
