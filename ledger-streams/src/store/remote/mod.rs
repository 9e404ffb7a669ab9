//! The engine over the network: EventStoreDB's protocol through its official client.

use std::sync::Arc;

use eventstore::ClientSettings;
use ledger_core::Position;
use parking_lot::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::{CONNECTIONS, StoreError};

mod calls;
mod connection;
mod connection_string;
mod failure;
mod finished;
mod follower;
mod group;
mod health;
mod lanes;
mod pool;
mod queue;
#[cfg(test)]
mod queue_tests;
mod reads;
#[cfg(test)]
mod tests;

use connection::Connection;
use health::Health;
use pool::Pool;

pub(crate) use calls::{Calls, Refusal};
pub use connection_string::ConnectError;
pub(crate) use follower::Follower;
#[cfg(feature = "simulation")]
pub(crate) use group::Group;
#[cfg(feature = "simulation")]
pub(crate) use lanes::Write;
pub(crate) use lanes::{Answer, Lanes, Place};

/// A connection to EventStoreDB. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct EventStoreDb {
    inner: Arc<Inner>,
}

struct Inner {
    settings: ClientSettings,
    calls: Arc<Calls>,
    lanes: Arc<Lanes<Calls>>,
    /// Connections that followers have left behind.
    idle: Mutex<Vec<Arc<Connection>>>,
    tasks: TaskTracker,
    closed: CancellationToken,
    /// Ends the tasks, which do not hold this, when nobody needs it any more.
    _close: DropGuard,
}

impl EventStoreDb {
    pub(super) fn connect(url: &str) -> Result<Self, ConnectError> {
        let settings = connection_string::parse(url)?;
        let closed = CancellationToken::new();
        let pool = Pool::new(CONNECTIONS);
        let calls = Arc::new(Calls { pool, health: Health::new(), closed: closed.clone() });
        let inner = Inner {
            settings,
            lanes: Arc::new(Lanes::new(Arc::clone(&calls))),
            idle: Mutex::default(),
            tasks: TaskTracker::new(),
            _close: closed.clone().drop_guard(),
            closed,
            calls,
        };
        for connection in inner.calls.pool.connections() {
            inner.keep(connection);
        }
        inner.spawn(health::watch(Arc::clone(&inner.calls)));
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(super) fn health(&self) -> Result<Position, String> {
        self.inner.calls.health.get()
    }

    pub(super) async fn close(&self) {
        self.inner.closed.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    pub(super) async fn reserve(&self) -> Result<Place<Calls>, StoreError> {
        self.inner.lanes.reserve().await
    }

    fn calls(&self) -> &Calls {
        &self.inner.calls
    }

    fn lanes(&self) -> &Lanes<Calls> {
        &self.inner.lanes
    }
}

impl Inner {
    fn keep(&self, connection: &Arc<Connection>) {
        self.spawn(Arc::clone(connection).keep(self.settings.clone()));
    }

    /// Runs until this is closed.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let closed = self.closed.clone();
        self.tasks.spawn(async move {
            closed.run_until_cancelled(task).await;
        });
    }
}

/// What a call that has no stream to conflict with came to.
fn store_error(refusal: Refusal) -> StoreError {
    match refusal {
        Refusal::Store(error) => error,
        Refusal::Conflict | Refusal::NotFound => StoreError::Broken("it gives no sense".into()),
    }
}
