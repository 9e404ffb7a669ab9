//! A network between two programs that can be cut, stalled, muted and slowed.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;

/// What becomes of what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Open,
    /// Everything arrives, each piece this much later.
    Slow(Duration),
    /// Requests arrive. Answers are held back until the line is open again, and lost when it is cut.
    Mute,
    /// Nothing arrives until the line is open again, and nobody is told.
    Stalled,
    /// Every connection is cut, and no other can be made.
    Cut,
}

/// Where a proxy passes connections on to.
#[derive(Clone)]
pub(crate) enum Target {
    Tcp(String),
    Unix(PathBuf),
}

/// Passes connections on for as long as it lives, on a thread of its own: a test that blocks does not stop it.
pub(crate) struct Proxy {
    address: SocketAddr,
    line: watch::Sender<Line>,
}

impl Proxy {
    pub(crate) fn to(target: Target) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (line, following) = watch::channel(Line::Open);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        std::thread::spawn(move || runtime.block_on(serve(listener, target, following)));
        Self { address, line }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn set(&self, line: Line) {
        self.line.send_replace(line);
    }

    /// Loses every answer that is under way, and every connection, and is open again.
    pub(crate) async fn lose_answers(&self, after: Duration) {
        self.set(Line::Mute);
        tokio::time::sleep(after).await;
        self.cut().await;
    }

    /// Cuts every connection, and is open again.
    pub(crate) async fn cut(&self) {
        self.set(Line::Cut);
        // Every connection looks at the line once, on the other thread.
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.set(Line::Open);
    }
}

async fn serve(listener: TcpListener, target: Target, line: watch::Receiver<Line>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let mut proxy = line.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (client, _) = accepted.unwrap();
                tokio::spawn(connection(client, target.clone(), line.clone()));
            }
            // Its end is the end of all connections, too: they run on this thread.
            ended = gone(&mut proxy) => return ended,
        }
    }
}

async fn gone(line: &mut watch::Receiver<Line>) {
    while line.changed().await.is_ok() {}
}

async fn connection(client: TcpStream, target: Target, mut line: watch::Receiver<Line>) {
    let (requests, answers) = (line.clone(), line.clone());
    let carried = async move {
        let (from_client, to_client) = tokio::io::split(client);
        // A target that is not there is a connection that ends at once.
        let (from_server, to_server): (
            Box<dyn AsyncRead + Send + Unpin>,
            Box<dyn AsyncWrite + Send + Unpin>,
        ) = match target {
            Target::Tcp(address) => {
                let Ok(server) = TcpStream::connect(address).await else { return };
                let (from, to) = server.into_split();
                (Box::new(from), Box::new(to))
            }
            Target::Unix(path) => {
                let Ok(server) = UnixStream::connect(path).await else { return };
                let (from, to) = server.into_split();
                (Box::new(from), Box::new(to))
            }
        };
        tokio::join!(
            carry(from_client, to_server, requests, |line| line == Line::Stalled),
            carry(from_server, to_client, answers, |line| matches!(line, Line::Stalled | Line::Mute)),
        );
    };
    tokio::select! {
        _ = line.wait_for(|line| *line == Line::Cut) => {}
        () = carried => {}
    }
}

/// One direction of a connection, until its sender ends it.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut line: watch::Receiver<Line>,
    holds: impl Fn(Line) -> bool,
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let Ok(line) = line.wait_for(|line| !holds(*line)).await.map(|line| *line) else { return };
        if let Line::Slow(by) = line {
            tokio::time::sleep(by).await;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
