//! Notifications to a local endpoint: how many a second, and what they cost.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tempfile::TempDir;

use crate::server::Server;
use crate::{Plan, machine, parts};

/// More than any of it should take.
const TIME_MAX: Duration = Duration::from_secs(600);

/// An endpoint that takes everything, on a thread of its own.
struct Endpoint {
    address: SocketAddr,
    taken: Arc<AtomicU64>,
}

impl Endpoint {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::<AtomicU64>::default();
        let counter = Arc::clone(&taken);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                serve(tokio::net::TcpListener::from_std(listener).unwrap(), counter).await;
            });
        });
        Self { address, taken }
    }

    fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

async fn serve(listener: tokio::net::TcpListener, taken: Arc<AtomicU64>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let taken = Arc::clone(&taken);
        tokio::spawn(async move {
            let take = service_fn(|request: Request<Incoming>| async {
                request.into_body().collect().await.unwrap();
                taken.fetch_add(1, Ordering::Relaxed);
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
            });
            let _ =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), take).await;
        });
    }
}

/// Fills the log with transfers, then has them told from the beginning: the sender alone, nothing else to do.
pub async fn run(plan: &Plan) {
    println!("\n## Notifications to a local endpoint");
    let dir = TempDir::new().unwrap();
    let arguments =
        ["--webhooks-allow-private", "--roles", "command,process-manager,notifications", "--log", "warn"];
    let server = Server::start(dir.path(), &arguments).await;
    let (accounts, transfers) = parts::fill(&server, Duration::from_secs(plan.seconds.min(15))).await;
    // An account's opening deposit is money received, too.
    tell(&server, &["money.received"], accounts + transfers).await;
    // And so is the end of each transfer told to the other side, the deposits' to the bank's own accounts.
    tell(&server, &["money.received", "transfer.completed"], 2 * (accounts + transfers)).await;
    server.stop();
}

async fn tell(server: &Server, types: &[&str], expected: u64) {
    let endpoint = Endpoint::start();
    let url = format!("http://{}/hook", endpoint.address);
    let webhook = server.post("/api/v1/webhooks", &json!({ "url": url, "types": types })).await;
    let path = format!("/api/v1/webhooks/{}", webhook["webhook_id"].as_str().unwrap());
    let (before, own) = (machine::cpu(server.pid()), machine::own_cpu());
    server.post(&format!("{path}/replay"), &json!({ "from_position": 0 })).await;
    let start = Instant::now();
    while endpoint.taken() < expected && start.elapsed() < TIME_MAX {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let seconds = start.elapsed().as_secs_f64();
    let after = machine::cpu(server.pid());
    let used = (after.total() - before.total()) / seconds;
    let rate = endpoint.taken() as f64 / seconds;
    println!(
        "  {}: {} of {expected} in {seconds:.1} s, {rate:.0}/s on {used:.2} cores, {:.0}/s for each core",
        types.join(" and "),
        endpoint.taken(),
        rate / used
    );
    println!(
        "  cores used: {}, the endpoint {:.2}",
        after.since(&before, seconds),
        (machine::own_cpu() - own) / seconds
    );
    let (now, peak) = machine::memory(server.pid());
    println!("  resident memory of daybook: {now} MiB, peak {peak} MiB");
    server.post(&format!("{path}/disable"), &json!({})).await;
}
