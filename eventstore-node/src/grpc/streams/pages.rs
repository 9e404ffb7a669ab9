//! The answer to a read: messages in pages, produced by a task that is a few pages ahead of the network.
//!
//! The task outlives what it produces: it has the read's permit until the answer is gone. Nobody looks at an answer
//! while its client takes nothing of it, so it is the task that notices; in the end it cuts the client's connection.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::Stream;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::grpc::limits::{PAGES_AHEAD, SLOW_CONSUMER, SLOW_GRACE};
use crate::grpc::server::Server;
use crate::grpc::status;
use crate::grpc::wire::ReadResp;

/// Some messages.
pub(crate) type Page = Vec<ReadResp>;

/// A read's place among those there may be, and the way to end the connection it came by.
pub(crate) struct Admission {
    permit: OwnedSemaphorePermit,
    connection: CancellationToken,
}

impl Admission {
    /// Of a read that came by a connection.
    pub(crate) fn new(server: &Server, connection: CancellationToken) -> Result<Self, Status> {
        Ok(Self { permit: server.admit_read()?, connection })
    }
}

/// Where a task puts the pages it produces.
#[derive(Clone)]
pub(crate) struct Pages {
    sender: mpsc::Sender<Page>,
    stop: CancellationToken,
}

impl Pages {
    /// Err: there is nobody to produce more for.
    pub(crate) fn wanted(&self) -> Result<(), Status> {
        if self.stop.is_cancelled() {
            return Err(status::stopping());
        }
        if self.sender.is_closed() { Err(status::client_gone()) } else { Ok(()) }
    }

    /// Waits until there is nobody to produce more for; returns why.
    pub(crate) async fn unwanted(&self) -> Status {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => status::stopping(),
            () = self.sender.closed() => status::client_gone(),
        }
    }

    /// Hands a page over; returns whether it had to wait for the client.
    pub(crate) async fn send(&self, page: Page) -> Result<bool, Status> {
        let page = match self.sender.try_send(page) {
            Ok(()) => return Ok(false),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(status::client_gone()),
            Err(mpsc::error::TrySendError::Full(page)) => page,
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(status::stopping()),
            sent = tokio::time::timeout(SLOW_CONSUMER, self.sender.send(page)) => match sent {
                Ok(Ok(())) => Ok(true),
                Ok(Err(_)) => Err(status::client_gone()),
                Err(_) => Err(status::consumer_too_slow()),
            },
        }
    }
}

/// The stream of messages that answers a read or a subscription.
pub(crate) struct Messages {
    page: std::vec::IntoIter<ReadResp>,
    /// Closed at the end, after which `outcome` says how it ended.
    pages: mpsc::Receiver<Page>,
    outcome: Option<oneshot::Receiver<Result<(), Status>>>,
    /// Tells the task when the answer is gone.
    _alive: oneshot::Sender<()>,
}

impl Messages {
    /// Messages that are all there.
    pub(crate) fn complete(server: &Server, admission: Admission, page: Page) -> Self {
        Self::produced(server, admission, page, |_| std::future::ready(Ok(())))
    }

    /// A first page, and what a task produces after it. It ends as the task does; a task that is gone without a word
    /// is an error: nobody may take a part for the whole.
    pub(crate) fn produced<F>(
        server: &Server,
        admission: Admission,
        first: Page,
        produce: impl FnOnce(Pages) -> F,
    ) -> Self
    where
        F: Future<Output = Result<(), Status>> + Send + 'static,
    {
        let (sender, pages) = mpsc::channel(PAGES_AHEAD);
        let (end, outcome) = oneshot::channel();
        let (alive, gone) = oneshot::channel();
        let stop = server.stop.clone();
        let task = produce(Pages { sender, stop: stop.clone() });
        server.tasks.spawn(async move {
            let ended = task.await;
            // What was produced may still be on its way; who was given time enough has little left.
            let time = if ended.is_ok() { SLOW_CONSUMER } else { SLOW_GRACE };
            // Nobody hears it if the client is gone.
            let _ = end.send(ended);
            taken(gone, &stop, &admission.connection, time).await;
            drop(admission.permit);
        });
        Self { page: first.into_iter(), pages, outcome: Some(outcome), _alive: alive }
    }
}

/// Waits until the answer is gone, and ends its connection if that takes too long.
async fn taken(
    mut gone: oneshot::Receiver<()>,
    stop: &CancellationToken,
    connection: &CancellationToken,
    time: Duration,
) {
    tokio::select! {
        biased;
        _ = &mut gone => return,
        // The server ends all connections.
        () = stop.cancelled() => return,
        () = tokio::time::sleep(time) => {}
    }
    tracing::info!("a connection is cut: its client takes nothing of an answer");
    connection.cancel();
    tokio::select! {
        _ = gone => {}
        () = stop.cancelled() => {}
    }
}

impl Stream for Messages {
    type Item = Result<ReadResp, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(message) = self.page.next() {
                return Poll::Ready(Some(Ok(message)));
            }
            if let Some(page) = ready!(self.pages.poll_recv(context)) {
                self.page = page.into_iter();
                continue;
            }
            let Some(outcome) = &mut self.outcome else { return Poll::Ready(None) };
            let ended = ready!(Pin::new(outcome).poll(context));
            self.outcome = None;
            return Poll::Ready(match ended {
                Ok(Ok(())) => None,
                Ok(Err(status)) => Some(Err(status)),
                Err(_) => Some(Err(status::handler_exception())),
            });
        }
    }
}
