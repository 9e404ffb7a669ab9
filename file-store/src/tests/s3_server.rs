//! S3 over HTTP, with signatures that are checked: `s3s`, on a directory.

use std::net::SocketAddr;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::{FileStore, Location, UrlSecret};

const BUCKET: &str = "bank";
const ACCESS_KEY: &str = "AKIATEST";
const SECRET_KEY: &str = "not-so-secret";

/// A server that ends with the test's runtime.
pub(super) struct S3Server {
    address: SocketAddr,
    _dir: TempDir,
}

impl S3Server {
    pub(super) async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join(BUCKET)).unwrap();
        let files = s3s_fs::FileSystem::new(dir.path()).unwrap();
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let http = Builder::new(TokioExecutor::new());
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let connection = http.serve_connection(TokioIo::new(socket), service.clone()).into_owned();
                tokio::spawn(async move {
                    let _ = connection.await;
                });
            }
        });
        Self { address, _dir: dir }
    }

    pub(super) fn store(&self, prefix: &str) -> FileStore {
        self.store_as(prefix, SECRET_KEY)
    }

    pub(super) fn store_as(&self, prefix: &str, secret_key: &str) -> FileStore {
        let location: Location = format!("s3://{BUCKET}/{prefix}").parse().unwrap();
        let settings = [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "eu-central-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", secret_key.to_owned()),
            ("AWS_LAMBDA_FUNCTION_NAME", "of another program".to_owned()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value));
        FileStore::open_with(&location, UrlSecret::new([7; 32]), settings).unwrap()
    }
}
