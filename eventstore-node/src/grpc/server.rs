//! What all services and connections share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;

use super::GrpcOptions;
use super::auth::Gate;
use super::limits::MAX_READS;
use super::status;
use crate::Node;
use crate::persistent::{GroupError, PersistentSubscriptions};

/// The running server.
pub(crate) struct Server {
    pub(crate) node: Node,
    pub(crate) options: GrpcOptions,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Identity of this run.
    pub(crate) instance: uuid::Uuid,
    /// Cancelled when the server is to stop: what would never end by itself has to.
    pub(crate) stop: CancellationToken,
    /// What runs beside the connections.
    pub(crate) tasks: TaskTracker,
    /// Bytes of appends being received.
    pub(crate) receiving: Arc<AtomicUsize>,
    pub(crate) gate: Gate,
    reads: Arc<Semaphore>,
    /// Or why there are none.
    groups: Result<PersistentSubscriptions, GroupError>,
}

impl Server {
    /// Of a node, listening at an address.
    pub(crate) fn new(
        node: Node,
        options: GrpcOptions,
        address: SocketAddr,
        stop: CancellationToken,
    ) -> Self {
        Self {
            node,
            gate: Gate::new(options.credentials.as_ref()),
            options,
            address,
            instance: uuid::Uuid::new_v4(),
            stop,
            tasks: TaskTracker::new(),
            receiving: Arc::default(),
            reads: Arc::new(Semaphore::new(MAX_READS)),
            groups: Err(GroupError::stopped()),
        }
    }

    /// With persistent subscriptions, or why there are none.
    pub(crate) fn with_groups(self, groups: Result<PersistentSubscriptions, GroupError>) -> Self {
        Self { groups, ..self }
    }

    /// Host and port by which clients reach this server.
    pub(crate) fn advertised(&self) -> (String, u16) {
        let listening = || (self.address.ip().to_string(), self.address.port());
        self.options.advertised.clone().unwrap_or_else(listening)
    }

    /// The groups of persistent subscriptions.
    pub(crate) fn groups(&self) -> Result<&PersistentSubscriptions, Status> {
        self.groups.as_ref().map_err(|error| Status::unavailable(error.to_string()))
    }

    /// A place among the reads and subscriptions there may be at once.
    pub(crate) fn admit_read(&self) -> Result<OwnedSemaphorePermit, Status> {
        self.reads.clone().try_acquire_owned().map_err(|_| status::too_busy())
    }
}
