//! S3 over HTTP, with signatures that are checked, of links too: `s3s`, on a directory. It can be told to let writes wait, and knows what was read.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::CONTENT_LENGTH;
use hyper::service::{Service, service_fn};
use hyper::{Method, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use parking_lot::Mutex;
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
    /// What the address of a write has in it that waits, and how many such writes have come.
    holds: watch::Sender<Option<&'static str>>,
    held: watch::Receiver<usize>,
    reads: Arc<Mutex<Vec<Read>>>,
}

/// An answer to who read a file, or a part of it.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) path: String,
    pub(crate) bytes: u64,
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
        let reads = Arc::<Mutex<Vec<Read>>>::default();
        let read = Arc::clone(&reads);
        tokio::spawn(async move {
            let http = Builder::new(TokioExecutor::new());
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (s3, held_back, comes, read) =
                    (s3.clone(), held_back.clone(), comes.clone(), Arc::clone(&read));
                let service = service_fn(move |request: hyper::Request<Incoming>| {
                    let (s3, mut held_back, comes, read) =
                        (s3.clone(), held_back.clone(), comes.clone(), Arc::clone(&read));
                    async move {
                        let (method, address) = (request.method().clone(), request.uri().to_string());
                        let waits = |held: &Option<&str>| held.is_some_and(|held| address.contains(held));
                        let is_write = !matches!(method, Method::GET | Method::HEAD);
                        if is_write && waits(&held_back.borrow()) {
                            comes.send_modify(|count| *count += 1);
                            held_back.wait_for(|held| !waits(held)).await.unwrap();
                            // Who sent it is gone, or sends it again.
                            let mut lost = s3s::HttpResponse::new(s3s::Body::empty());
                            *lost.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                            return Ok(lost);
                        }
                        let path = request.uri().path().to_owned();
                        let answer = Service::call(&s3, request).await?;
                        if method == Method::GET {
                            let length = answer.headers().get(CONTENT_LENGTH);
                            let bytes = length.and_then(|length| length.to_str().ok()?.parse().ok());
                            read.lock().extend(bytes.map(|bytes| Read { path, bytes }));
                        }
                        Ok::<_, s3s::HttpError>(answer)
                    }
                });
                let connection = http.serve_connection(TokioIo::new(socket), service).into_owned();
                tokio::spawn(async move {
                    let _ = connection.await;
                });
            }
        });
        Self { address, dir, holds, held, reads }
    }

    /// For `--files-url`.
    pub(crate) fn url() -> String {
        format!("s3://{BUCKET}/daybook")
    }

    /// Where its links lead to.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What a program that uses it must find in its environment.
    pub(crate) fn settings(&self) -> [(String, String); 5] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "eu-central-1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
    }

    /// A command that runs a program which may use it.
    pub(crate) fn environment(&self) -> Vec<String> {
        let settings = self.settings().map(|(name, value)| format!("{name}={value}"));
        ["env".to_owned()].into_iter().chain(settings).collect()
    }

    /// Lets writes wait whose address has this in it, from now on, or none: files that are put, and removals (`?delete`). Those that have waited are
    /// lost then.
    pub(crate) fn holds(&self, part: Option<&'static str>) {
        self.holds.send_replace(part);
    }

    /// How many writes have waited, or do.
    pub(crate) fn held(&self) -> usize {
        *self.held.borrow()
    }

    /// What was read since this was asked last.
    pub(crate) fn reads(&self) -> Vec<Read> {
        std::mem::take(&mut self.reads.lock())
    }

    /// Where a file of its lies.
    pub(crate) fn file(&self, key: &str) -> PathBuf {
        self.dir.path().join(BUCKET).join("daybook").join(key)
    }
}
