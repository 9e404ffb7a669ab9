//! The answer to a read: messages in pages, produced by a task that is a few pages ahead of the network.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::Stream;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tonic::Status;

use crate::grpc::limits::PAGES_AHEAD;
use crate::grpc::server::Server;
use crate::grpc::status;
use crate::grpc::wire::ReadResp;

/// Some messages.
pub(crate) type Page = Vec<ReadResp>;

/// The stream of messages that answers a read or a subscription.
pub(crate) struct Messages {
    page: std::vec::IntoIter<ReadResp>,
    /// Closed at the end, after which `outcome` says how it ended.
    pages: mpsc::Receiver<Page>,
    outcome: Option<oneshot::Receiver<Result<(), Status>>>,
    _permit: OwnedSemaphorePermit,
}

impl Messages {
    /// Messages that are all there.
    pub(crate) fn complete(permit: OwnedSemaphorePermit, page: Page) -> Self {
        let (_, pages) = mpsc::channel(1);
        Self { page: page.into_iter(), pages, outcome: None, _permit: permit }
    }

    /// A first page, and what a task produces after it. It ends as the task does; a task that is gone without a word
    /// is an error: nobody may take a part for the whole.
    pub(crate) fn produced<F>(
        server: &Server,
        permit: OwnedSemaphorePermit,
        first: Page,
        produce: impl FnOnce(mpsc::Sender<Page>) -> F,
    ) -> Self
    where
        F: Future<Output = Result<(), Status>> + Send + 'static,
    {
        let (sender, pages) = mpsc::channel(PAGES_AHEAD);
        let (end, outcome) = oneshot::channel();
        let task = produce(sender);
        server.tasks.spawn(async move {
            // Nobody hears it if the client is gone.
            let _ = end.send(task.await);
        });
        Self { page: first.into_iter(), pages, outcome: Some(outcome), _permit: permit }
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
