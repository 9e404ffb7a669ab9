//! One client, which is one HTTP/2 connection, kept alive.
//!
//! The official client dies for good when its first connection fails, and in a cluster it stays with a node that is gone. So nobody is
//! given a client before it has answered, a failing one is taken away from everybody until it answers again, and a dead one is replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use eventstore::{Client, ClientSettings, ReadAllOptions, StreamPosition};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::connection_string::is_cluster;
use super::failure::{self, Failure};
use crate::{
    CALLS_PER_CONNECTION_MAX, CONNECT_TIMEOUT, RECONNECT_DELAY_MAX, RECONNECT_DELAY_MIN, StoreError,
    TIMEOUTS_MAX,
};

/// A place for a client.
pub(super) struct Connection {
    current: watch::Sender<Current>,
    calls: Arc<Semaphore>,
    /// Calls in a row without an answer in time.
    timeouts: AtomicU32,
    /// A call was answered since the client was last given out.
    answered: AtomicBool,
}

#[derive(Default)]
struct Current {
    /// `None` until it has answered.
    client: Option<Arc<Client>>,
    /// Counts the clients given out, so that a late failure of an earlier one is no failure of this one.
    generation: u64,
    /// The client itself must be replaced.
    is_dead: bool,
    /// Why there is none.
    problem: Option<Arc<str>>,
}

/// A client to make a call with.
pub(super) struct Lease {
    pub(super) client: Arc<Client>,
    connection: Arc<Connection>,
    generation: u64,
    _call: Option<OwnedSemaphorePermit>,
}

impl Connection {
    pub(super) fn new() -> Self {
        Self {
            current: watch::Sender::default(),
            calls: Arc::new(Semaphore::new(CALLS_PER_CONNECTION_MAX)),
            timeouts: AtomicU32::new(0),
            answered: AtomicBool::new(false),
        }
    }

    /// How many calls more it takes now; `None` while it is down.
    pub(super) fn room(&self) -> Option<usize> {
        self.current.borrow().client.is_some().then(|| self.calls.available_permits())
    }

    /// Why it is down.
    pub(super) fn problem(&self) -> Option<Arc<str>> {
        self.current.borrow().problem.clone()
    }

    /// A client for one call; waits until the connection is up and has room.
    pub(super) async fn lease(self: &Arc<Self>) -> Lease {
        // The semaphore is never closed.
        let call = Arc::clone(&self.calls).acquire_owned().await.ok();
        let lease = self.lease_beyond_calls().await;
        Lease { _call: call, ..lease }
    }

    /// A client for something that is not counted as a call; waits until the connection is up.
    pub(super) async fn lease_beyond_calls(self: &Arc<Self>) -> Lease {
        let mut current = self.current.subscribe();
        loop {
            {
                let current = current.borrow_and_update();
                if let Some(client) = current.client.clone() {
                    let (connection, generation) = (Arc::clone(self), current.generation);
                    return Lease { client, connection, generation, _call: None };
                }
            }
            // The sender is `self`.
            current.changed().await.ok();
        }
    }

    /// Makes the client and makes it anew, for ever.
    pub(super) async fn keep(self: Arc<Self>, settings: ClientSettings) {
        let mut delays = delays();
        let mut client = None;
        loop {
            match prove(client.take(), &settings).await {
                Ok(proven) => {
                    self.give_out(Arc::clone(&proven));
                    let is_dead = self.failed().await;
                    // In a cluster another node may lead by now, and only a new client asks which. The old one's task stays
                    // behind: nothing the client offers ends it.
                    client = (!is_dead && !is_cluster(&settings)).then_some(proven);
                    if self.answered.swap(false, Ordering::Relaxed) {
                        delays = self::delays();
                    }
                }
                Err((problem, survivor)) => {
                    tracing::debug!(%problem, "no connection to the event store");
                    self.current.send_modify(|current| current.problem = Some(problem));
                    client = survivor;
                }
            }
            sleep(delays.next().unwrap_or(RECONNECT_DELAY_MAX)).await;
        }
    }

    fn give_out(&self, client: Arc<Client>) {
        self.timeouts.store(0, Ordering::Relaxed);
        self.current.send_modify(|current| {
            let generation = current.generation.wrapping_add(1);
            *current = Current { client: Some(client), generation, ..Current::default() };
        });
    }

    /// Waits until the client given out fails; true if it is dead.
    async fn failed(&self) -> bool {
        let mut current = self.current.subscribe();
        // The sender is `self`.
        current.wait_for(|current| current.client.is_none()).await.is_ok_and(|current| current.is_dead)
    }
}

impl Lease {
    pub(super) fn answered(&self) {
        self.connection.timeouts.store(0, Ordering::Relaxed);
        self.connection.answered.store(true, Ordering::Relaxed);
    }

    pub(super) fn timed_out(&self) {
        if self.connection.timeouts.fetch_add(1, Ordering::Relaxed).saturating_add(1) >= TIMEOUTS_MAX {
            self.failed(failure::Connection::Lost, &"it does not answer".into());
        }
    }

    /// Takes the client away from everybody, if the failure is its connection's.
    pub(super) fn failed(&self, state: failure::Connection, reason: &Arc<str>) {
        if state == failure::Connection::Fine {
            return;
        }
        self.connection.current.send_if_modified(|current| {
            let is_this = current.generation == self.generation && current.client.is_some();
            if is_this {
                current.client = None;
                current.is_dead = state == failure::Connection::Dead;
                current.problem = Some(Arc::clone(reason));
            }
            is_this
        });
    }
}

/// Delays between attempts: exponential, with jitter, for ever.
pub(super) fn delays() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(RECONNECT_DELAY_MIN)
        .with_max_delay(RECONNECT_DELAY_MAX)
        .with_jitter()
        .without_max_times()
        .build()
}

/// A client that has answered: this one or a new one. With the problem comes the client, if it can be tried again.
async fn prove(
    client: Option<Arc<Client>>,
    settings: &ClientSettings,
) -> Result<Arc<Client>, (Arc<str>, Option<Arc<Client>>)> {
    let client = match client {
        Some(client) => client,
        None => make(settings).await.map_err(|problem| (problem, None))?,
    };
    match timeout(CONNECT_TIMEOUT, ask(&client)).await {
        // Whatever a server says, it is there.
        Ok(Ok(()) | Err(Failure::Conflict | Failure::NotFound)) => Ok(client),
        Ok(Err(Failure::Lasting(StoreError::Broken(_)))) => Ok(client),
        Ok(Err(Failure::Lasting(error))) => Err((error.to_string().into(), Some(client))),
        Ok(Err(Failure::Passing { reason, connection })) => {
            let survives = match connection {
                failure::Connection::Fine => true,
                failure::Connection::Lost => !is_cluster(settings),
                failure::Connection::Dead => false,
            };
            Err((reason, survives.then_some(client)))
        }
        Err(_) => Err(("it does not answer".into(), (!is_cluster(settings)).then_some(client))),
    }
}

/// The smallest call there is.
async fn ask(client: &Client) -> Result<(), Failure> {
    let options =
        ReadAllOptions::default().position(StreamPosition::End).max_count(1).deadline(CONNECT_TIMEOUT);
    client.read_all(&options).await?.next().await?;
    Ok(())
}

/// Loads certificates, so it may block.
async fn make(settings: &ClientSettings) -> Result<Arc<Client>, Arc<str>> {
    let (settings, runtime) = (settings.clone(), Handle::current());
    let made = tokio::task::spawn_blocking(move || Client::with_runtime_handle(runtime, settings)).await;
    match made {
        Ok(Ok(client)) => Ok(Arc::new(client)),
        Ok(Err(error)) => Err(format!("{error:#}").into()),
        // The client panics on a file of certificates that are none.
        Err(error) => Err(error.to_string().into()),
    }
}
