//! The server under test: the embedded node behind its gRPC protocol, on a port of its own.

use std::path::Path;

use eventstore_node::grpc::{GrpcOptions, serve};
use eventstore_node::{Node, NodeOptions};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

/// Small, because a new one is looked through before the node is open.
const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;

/// A node, served on loopback, for all tests that name their streams uniquely. It runs on threads of its own and ends with
/// the process: stopping and starting it between tests would take longer than the tests.
pub(super) struct Server {
    pub(super) node: Node,
    url: String,
    _runtime: Runtime,
}

static SHARED: OnceCell<Server> = OnceCell::const_new();

impl Server {
    pub(super) async fn shared() -> &'static Self {
        SHARED.get_or_init(async || Self::start()).await
    }

    fn start() -> Self {
        // Below the build directory, where the next run removes it.
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
        let _ = std::fs::remove_dir_all(&dir);
        let mut options = NodeOptions::new(dir);
        options.segment_bytes = SEGMENT_BYTES;
        let node = Node::open(options).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("esdb://{}?tls=false", listener.local_addr().unwrap());
        let served = node.clone();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            serve(served, listener, GrpcOptions::default(), CancellationToken::new()).await.unwrap();
        });
        Self { node, url, _runtime: runtime }
    }

    /// Its connection string.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Its connection string with the scheme that newer clients want.
    pub(super) fn client_url(&self) -> String {
        self.url.replacen("esdb", "kurrentdb", 1)
    }
}
