//! A webhook's endpoint: a real server that notes what is posted to it, and answers as it is told to.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_util::task::AbortOnDropHandle;

use super::wait::until;

/// How long a notification may take.
const NOTIFIED_WITHIN: Duration = Duration::from_secs(30);

/// An answer to a post.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) after: Duration,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap();
        Self { status, headers: vec![], after: Duration::ZERO }
    }
}

/// What was posted, and how it was answered.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) path: String,
    pub(crate) headers: Value,
    pub(crate) text: String,
    pub(crate) status: u16,
    /// When it came.
    pub(crate) at: std::time::Instant,
}

impl Post {
    pub(crate) fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn id(&self) -> String {
        self.headers["webhook-id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn signatures(&self) -> Vec<String> {
        self.headers["webhook-signature"].as_str().unwrap().split(' ').map(str::to_owned).collect()
    }

    /// As the scripts of `tests/clients` read it.
    pub(crate) fn line(&self) -> String {
        json!({ "headers": self.headers, "body": self.text }).to_string()
    }
}

type Answer = Arc<dyn Fn(&Post) -> Reply + Send + Sync>;

/// A certificate for `localhost`, and the file that has whom to trust for it.
pub(crate) struct Certificate {
    acceptor: TlsAcceptor,
    pem: String,
    key_pem: String,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let (pem, key_pem) = (made.cert.pem(), made.signing_key.serialize_pem());
        Self { acceptor: Arc::new(config).into(), pem, key_pem }
    }

    /// For servers that are to show it.
    pub(crate) fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// For programs that are to trust it.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }
}

/// A webhook's endpoint, on this machine.
pub(crate) struct Endpoint {
    address: SocketAddr,
    secure: bool,
    posts: Arc<Mutex<Vec<Post>>>,
    answer: Arc<Mutex<Answer>>,
    _server: AbortOnDropHandle<()>,
}

impl Endpoint {
    /// One that takes everything.
    pub(crate) async fn start() -> Self {
        Self::answering(|_| Reply::status(204)).await
    }

    /// One that takes everything, by TLS.
    pub(crate) async fn secure(certificate: &Certificate) -> Self {
        Self::begin(Some(certificate.acceptor.clone()), |_| Reply::status(204)).await
    }

    pub(crate) async fn answering(answer: impl Fn(&Post) -> Reply + Send + Sync + 'static) -> Self {
        Self::begin(None, answer).await
    }

    async fn begin(
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&Post) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let secure = tls.is_some();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let posts = Arc::<Mutex<Vec<Post>>>::default();
        let answer: Arc<Mutex<Answer>> = Arc::new(Mutex::new(Arc::new(answer)));
        let server = tokio::spawn(serve(listener, tls, Arc::clone(&posts), Arc::clone(&answer)));
        Self { address, secure, posts, answer, _server: AbortOnDropHandle::new(server) }
    }

    /// Answers like this from now on.
    pub(crate) fn answer(&self, answer: impl Fn(&Post) -> Reply + Send + Sync + 'static) {
        *self.answer.lock() = Arc::new(answer);
    }

    pub(crate) fn url(&self) -> String {
        if self.secure {
            return format!("https://localhost:{}/hook", self.port());
        }
        format!("http://{}/hook", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Every post so far.
    pub(crate) fn posts(&self) -> Vec<Post> {
        self.posts.lock().clone()
    }

    /// Those that were taken.
    pub(crate) fn taken(&self) -> Vec<Post> {
        self.posts().into_iter().filter(|post| (200..300).contains(&post.status)).collect()
    }

    /// Waits until it has been told so much, each message counted once; all that it took by then.
    pub(crate) async fn told(&self, messages: usize) -> Vec<Post> {
        until(&format!("{messages} notifications"), NOTIFIED_WITHIN, async || {
            let taken = self.taken();
            let distinct: std::collections::HashSet<_> = taken.iter().map(Post::id).collect();
            (distinct.len() >= messages).then_some(taken)
        })
        .await
    }
}

async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    posts: Arc<Mutex<Vec<Post>>>,
    answer: Arc<Mutex<Answer>>,
) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        while connections.try_join_next().is_some() {}
        let (tls, posts, answer) = (tls.clone(), Arc::clone(&posts), Arc::clone(&answer));
        connections.spawn(async move {
            let take = service_fn(|request| take(request, &posts, &answer));
            let http = hyper::server::conn::http1::Builder::new();
            // A sender that is killed leaves a connection in the middle, one that does not trust us leaves at once.
            let _ = match tls {
                None => http.serve_connection(TokioIo::new(stream), take).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => http.serve_connection(TokioIo::new(stream), take).await,
                    Err(_) => Ok(()),
                },
            };
        });
    }
}

async fn take(
    request: Request<Incoming>,
    posts: &Mutex<Vec<Post>>,
    answer: &Mutex<Answer>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let at = std::time::Instant::now();
    let (head, body) = request.into_parts();
    // A sender that is killed has not said everything; what it did say is nothing.
    let Ok(body) = body.collect().await else { return Ok(Response::new(Full::default())) };
    let headers = head.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let mut post = Post {
        path: head.uri.path().to_owned(),
        headers: headers.collect(),
        text: String::from_utf8(body.to_bytes().to_vec()).unwrap(),
        status: 0,
        at,
    };
    let answer = Arc::clone(&answer.lock());
    let reply = answer(&post);
    post.status = reply.status.as_u16();
    tokio::time::sleep(reply.after).await;
    posts.lock().push(post);
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::default()).unwrap())
}
