//! Stands in for what the event store's door will have itself.

use eventstore_node::Node;
use ledger_streams::EventStore;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::flags::EsdbPlan;
use crate::commands::Failure;

pub(super) trait Agreed: Sized {
    fn connect(url: &str) -> Result<Self, Failure>;
    fn health(&self) -> Result<u64, String>;
    async fn close(&self);
}

impl Agreed for EventStore {
    fn connect(url: &str) -> Result<Self, Failure> {
        Err(format!("{url}: this version does not use an EventStoreDB server yet").into())
    }

    fn health(&self) -> Result<u64, String> {
        let Self::Embedded(node) = self;
        match node.failure() {
            None => Ok(node.head()),
            Some(failure) => Err(failure.to_string()),
        }
    }

    async fn close(&self) {
        let Self::Embedded(node) = self;
        node.shutdown().await;
    }
}

pub(super) async fn serve(
    _node: Node,
    _listener: TcpListener,
    _plan: EsdbPlan,
    stop: CancellationToken,
) -> Result<(), Failure> {
    stop.cancelled().await;
    Ok(())
}
