//! S3 over HTTP, with signatures that are checked, of links too: `s3s`, on a directory. It can be told to let files wait.

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

/// A server that ends with the test's runtime.
pub(crate) struct S3 {
    address: SocketAddr,
    dir: TempDir,
    /// What a file's path has in it that waits, and how many such files have come.
    holds: watch::Sender<Option<&'static str>>,
    held: watch::Receiver<usize>,
}

impl S3 {
    pub(crate) async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(dir.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let s3 = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ((holds, held_back), (comes, held)) = (watch::channel(None), watch::channel(0));
        tokio::spawn(async move {
            let http = Builder::new(TokioExecutor::new());
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (s3, held_back, comes) = (s3.clone(), held_back.clone(), comes.clone());
                let service = service_fn(move |request: hyper::Request<Incoming>| {
                    let (s3, mut held_back, comes) = (s3.clone(), held_back.clone(), comes.clone());
                    async move {
                        let path = request.uri().path().to_owned();
                        let waits = |held: &Option<&str>| held.is_some_and(|held| path.contains(held));
                        if request.method() == Method::PUT && waits(&held_back.borrow()) {
                            comes.send_modify(|count| *count += 1);
                            held_back.wait_for(|held| !waits(held)).await.unwrap();
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
        Self { address, dir, holds, held }
    }

    /// For `--files-url`.
    pub(crate) fn url() -> String {
        format!("s3://{BUCKET}/daybook")
    }

    /// Where its links lead to.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A command that runs a program which may use it.
    pub(crate) fn environment(&self) -> Vec<String> {
        let endpoint = format!("AWS_ENDPOINT_URL={}", self.endpoint());
        let key = format!("AWS_ACCESS_KEY_ID={ACCESS_KEY}");
        let secret = format!("AWS_SECRET_ACCESS_KEY={SECRET_KEY}");
        let constant = ["AWS_ALLOW_HTTP=true", "AWS_REGION=eu-central-1"].map(str::to_owned);
        ["env".to_owned(), endpoint, key, secret].into_iter().chain(constant).collect()
    }

    /// Lets files wait whose path has this in it, from now on; or none.
    pub(crate) fn holds(&self, part: Option<&'static str>) {
        self.holds.send_replace(part);
    }

    /// How many files have waited, or do.
    pub(crate) fn held(&self) -> usize {
        *self.held.borrow()
    }

    /// Where a file of its lies.
    pub(crate) fn file(&self, key: &str) -> PathBuf {
        self.dir.path().join(BUCKET).join("daybook").join(key)
    }
}
