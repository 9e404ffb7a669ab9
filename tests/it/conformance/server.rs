//! The server under test: the embedded node behind its gRPC protocol, on a port of its own.

use std::sync::{Arc, Weak};
use std::time::Duration;

use eventstore_node::grpc::{GrpcOptions, serve};
use eventstore_node::{Node, NodeOptions};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long the server may take to stop; it gives calls under way a few seconds.
const STOP_TIME_MAX: Duration = Duration::from_secs(30);

/// A node in a directory of its own, served on loopback. It runs on threads of its own, so that tests can share it.
pub(super) struct Server {
    pub(super) node: Node,
    url: String,
    stop: CancellationToken,
    serving: Option<JoinHandle<()>>,
    runtime: Option<Runtime>,
    _dir: TempDir,
}

static SHARED: Mutex<Weak<Server>> = Mutex::const_new(Weak::new());

impl Server {
    /// The one of all tests that name their streams uniquely. It stops with its last holder.
    pub(super) async fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().await;
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Arc::new(Self::start());
        *shared = Arc::downgrade(&server);
        server
    }

    pub(super) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let node = Node::open(NodeOptions::new(dir.path())).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("esdb://{}?tls=false", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let (served, stopped) = (node.clone(), stop.clone());
        let serving = runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            serve(served, listener, GrpcOptions::default(), stopped).await.unwrap();
        });
        Self { node, url, stop, serving: Some(serving), runtime: Some(runtime), _dir: dir }
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

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        let (runtime, serving) = (self.runtime.take().unwrap(), self.serving.take().unwrap());
        // On a thread of its own: a test's runtime must not wait for another.
        let wait = async { tokio::time::timeout(STOP_TIME_MAX, serving).await };
        let ended = std::thread::scope(|scope| scope.spawn(|| runtime.block_on(wait)).join());
        runtime.shutdown_background();
        if !std::thread::panicking() {
            ended.unwrap().expect("the server stops in time").expect("in good order");
        }
    }
}
