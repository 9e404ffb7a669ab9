//! A store for tests: a node, served at an address that stays the same when it stops and starts again.

use std::net::SocketAddr;

use eventstore_node::grpc::{GrpcOptions, serve};
use eventstore_node::{Node, NodeOptions};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) struct Server {
    dir: TempDir,
    address: SocketAddr,
    options: GrpcOptions,
    running: Option<Running>,
}

struct Running {
    node: Node,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn new() -> Self {
        Self::with(GrpcOptions::default()).await
    }

    pub(crate) async fn with(options: GrpcOptions) -> Self {
        let mut server = Self { options, ..Self::later().await };
        server.start().await;
        server
    }

    /// One that is yet to be started.
    pub(crate) async fn later() -> Self {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let options = GrpcOptions::default();
        Self { dir: TempDir::new().unwrap(), address, options, running: None }
    }

    pub(crate) async fn start(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let mut options = NodeOptions::new(self.dir.path().to_owned());
        options.segment_bytes = 16 * 1024 * 1024;
        let node = Node::open(options).unwrap();
        let stop = CancellationToken::new();
        let serving = serve(node.clone(), listener, self.options.clone(), stop.clone());
        let serving = tokio::spawn(async move { serving.await.unwrap() });
        self.running = Some(Running { node, stop, serving });
    }

    pub(crate) async fn stop(&mut self) {
        if let Some(Running { node, stop, serving }) = self.running.take() {
            stop.cancel();
            serving.await.unwrap();
            node.shutdown().await;
        }
    }

    pub(crate) fn node(&self) -> Node {
        self.running.as_ref().unwrap().node.clone()
    }

    pub(crate) const fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self) -> String {
        format!("esdb://{}?tls=false", self.address)
    }
}
