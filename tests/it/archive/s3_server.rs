//! S3 over HTTP, with signatures that are checked: `s3s`, on a directory. It can be told to let manifests wait.

use std::net::SocketAddr;
use std::path::PathBuf;

use hyper::Method;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;

const BUCKET: &str = "bank";
const ACCESS_KEY: &str = "AKIATEST";
const SECRET_KEY: &str = "not-so-secret";
pub(super) const URL: &str = "s3://bank/daybook";

/// A server that ends with the test's runtime.
pub(super) struct S3Server {
    address: SocketAddr,
    dir: TempDir,
    /// Whether manifests are taken now, and how many have come.
    gate: watch::Sender<bool>,
    come: watch::Receiver<usize>,
}

impl S3Server {
    pub(super) async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(dir.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let s3 = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (gate, open) = watch::channel(true);
        let (comes, come) = watch::channel(0);
        tokio::spawn(async move {
            let http = Builder::new(TokioExecutor::new());
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (s3, open, comes) = (s3.clone(), open.clone(), comes.clone());
                let service = service_fn(move |request: hyper::Request<Incoming>| {
                    let (s3, mut open, comes) = (s3.clone(), open.clone(), comes.clone());
                    async move {
                        if request.method() == Method::PUT && request.uri().path().contains("/manifests/") {
                            comes.send_modify(|count| *count += 1);
                            open.wait_for(|is_open| *is_open).await.unwrap();
                        }
                        Service::call(&s3, request).await
                    }
                });
                let connection = http.serve_connection(TokioIo::new(socket), service).into_owned();
                tokio::spawn(async move {
                    let _ = connection.await;
                });
            }
        });
        Self { address, dir, gate, come }
    }

    /// Where it keeps the bucket's files.
    pub(super) fn folder(&self) -> PathBuf {
        self.dir.path().join(BUCKET).join("daybook")
    }

    /// Lets manifests wait, or takes them.
    pub(super) fn takes_manifests(&self, takes: bool) {
        self.gate.send_replace(takes);
    }

    /// How many manifests it was sent.
    pub(super) fn manifests(&self) -> usize {
        *self.come.borrow()
    }

    /// A command that tells another where it is, and how to sign.
    pub(super) fn environment(&self) -> Vec<String> {
        let endpoint = format!("AWS_ENDPOINT_URL=http://{}", self.address);
        let key = format!("AWS_ACCESS_KEY_ID={ACCESS_KEY}");
        let secret = format!("AWS_SECRET_ACCESS_KEY={SECRET_KEY}");
        ["env", &endpoint, &key, &secret, "AWS_ALLOW_HTTP=true", "AWS_REGION=eu-central-1"]
            .map(str::to_owned)
            .into()
    }
}
