//! The event store of this process: our own node, or a connection to a server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use eventstore_node::grpc;
use eventstore_node::{Node, NodeOptions};
use ledger_streams::EventStore;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::flags::EsdbPlan;
use super::{EsdbAddress, Running, listen};
use crate::commands::Failure;
use crate::health::{Component, Health, State};

/// Which event store.
pub(crate) enum EventStorePlan {
    /// Our node on this data directory, served to others if wanted.
    Node { data_dir: PathBuf, esdb: Option<EsdbPlan> },
    /// A server elsewhere.
    Server(String),
}

/// The event store, open.
pub(super) struct OpenEventStore {
    pub(super) store: EventStore,
    esdb: Option<Esdb>,
}

impl OpenEventStore {
    /// Opens our node, or connects to a server that may come later.
    pub(super) async fn open(plan: EventStorePlan) -> Result<Self, Failure> {
        let (data_dir, esdb) = match plan {
            EventStorePlan::Server(url) => {
                return Ok(Self { store: EventStore::connect(&url)?, esdb: None });
            }
            EventStorePlan::Node { data_dir, esdb } => (data_dir, esdb),
        };
        // Before the log is opened: an address in use is refused while nothing runs.
        let listener = match &esdb {
            Some(esdb) => Some(listen(esdb.address, "--esdb").await?),
            None => None,
        };
        let node = tokio::task::spawn_blocking(move || Node::open(NodeOptions::new(&data_dir))).await??;
        let esdb = match (esdb, listener) {
            (Some(plan), Some(listener)) => Some(Esdb::new(node.clone(), plan, listener)?),
            _ => None,
        };
        Ok(Self { store: EventStore::Embedded(node), esdb })
    }

    /// Where others can connect to, if anywhere.
    pub(super) fn esdb(&self) -> Option<EsdbAddress> {
        self.esdb
            .as_ref()
            .map(|esdb| EsdbAddress { address: esdb.address, tls: esdb.plan.options.tls.is_some() })
    }

    /// Starts to serve others.
    pub(super) fn start_esdb(&self, health: &Arc<Health>) -> Option<Running> {
        let esdb = self.esdb.clone()?;
        let role = move |health, stop| esdb.clone().run(health, stop);
        Some(Running::supervised(Component::Esdb, health, role))
    }
}

/// Our node, served to others.
#[derive(Clone)]
struct Esdb {
    node: Node,
    plan: EsdbPlan,
    /// The one it really has.
    address: SocketAddr,
    /// The first listener, bound before anything ran.
    listener: Arc<Mutex<Option<TcpListener>>>,
}

impl Esdb {
    fn new(node: Node, plan: EsdbPlan, listener: TcpListener) -> Result<Self, Failure> {
        let address = listener.local_addr()?;
        Ok(Self { node, plan, address, listener: Arc::new(Mutex::new(Some(listener))) })
    }

    async fn run(self, health: Arc<Health>, stop: CancellationToken) -> Result<(), Failure> {
        let bound = self.listener.lock().take();
        let listener = match bound {
            Some(listener) => listener,
            None => listen(self.address, "--esdb").await?,
        };
        health.set(Component::Esdb, State::Ready);
        let served = grpc::serve(self.node, listener, self.plan.options, stop).await;
        Ok(served?)
    }
}
