//! The connections for calls.

use std::cmp::Reverse;
use std::sync::Arc;

use futures::future::select_all;

use super::connection::{Connection, Lease};

pub(super) struct Pool {
    connections: Vec<Arc<Connection>>,
}

impl Pool {
    pub(super) fn new(connections: usize) -> Self {
        Self { connections: (0..connections).map(|_| Arc::new(Connection::new())).collect() }
    }

    pub(super) fn connections(&self) -> &[Arc<Connection>] {
        &self.connections
    }

    /// A client on the connection with the most room; waits until there is one.
    pub(super) async fn lease(&self) -> Lease {
        let mut by_room: Vec<_> =
            self.connections.iter().map(|connection| (connection.room(), connection)).collect();
        by_room.sort_by_key(|(room, _)| Reverse(*room));
        // The first that is ready is taken.
        let leases = by_room.into_iter().map(|(_, connection)| Box::pin(connection.lease()));
        select_all(leases).await.0
    }

    /// A client for a look at the store, on another connection each time; waits until one is up.
    pub(super) async fn lease_for_look(&self, number: usize) -> Lease {
        let mut connections: Vec<_> = self.connections.iter().collect();
        connections.rotate_left(number % self.connections.len().max(1));
        select_all(connections.into_iter().map(|connection| Box::pin(connection.lease_beyond_calls())))
            .await
            .0
    }

    /// True while no connection is up.
    pub(super) fn is_down(&self) -> bool {
        self.connections.iter().all(|connection| connection.room().is_none())
    }

    /// Why connections are down, if that is known of one.
    pub(super) fn why_down(&self) -> Option<Arc<str>> {
        self.connections.iter().find_map(|connection| connection.problem())
    }

    /// Why there is no connection for a call.
    pub(super) fn problem(&self) -> Arc<str> {
        let unknown = || if self.is_down() { "not connected yet" } else { "all connections are busy" };
        self.why_down().unwrap_or_else(|| unknown().into())
    }
}
