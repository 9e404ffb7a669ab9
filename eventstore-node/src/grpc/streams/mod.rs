//! `event_store.client.streams.Streams`, one file per RPC.

mod append;
mod batch_append;
mod batch_error;
mod delete;
mod pages;
mod read;
mod request;
pub(crate) mod resolve;
mod subscribe;
mod write;

use std::sync::Arc;

use tonic::{Request, Response, Status, Streaming};

use super::connection::connection_of;
use super::server::Server;
use super::services::streams_server::Streams;
use super::wire::{AppendReq, AppendResp, BatchAppendReq, DeleteReq, DeleteResp, ReadReq};

pub(crate) use pages::Messages;

/// The service.
pub(crate) struct StreamsService(pub(crate) Arc<Server>);

#[tonic::async_trait]
impl Streams for StreamsService {
    type ReadStream = Messages;
    type BatchAppendStream = batch_append::Answers;

    async fn append(&self, request: Request<Streaming<AppendReq>>) -> Result<Response<AppendResp>, Status> {
        append::append(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn batch_append(
        &self,
        request: Request<Streaming<BatchAppendReq>>,
    ) -> Result<Response<batch_append::Answers>, Status> {
        Ok(Response::new(batch_append::batch_append(&self.0, request.into_inner())))
    }

    async fn read(&self, request: Request<ReadReq>) -> Result<Response<Messages>, Status> {
        let connection = connection_of(&request);
        read::read(&self.0, connection, request.into_inner()).await.map(Response::new)
    }

    async fn delete(&self, request: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        delete::delete(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn tombstone(&self, request: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        delete::tombstone(&self.0, request.into_inner()).await.map(Response::new)
    }
}

#[cfg(test)]
pub(crate) fn follow_all_for_test(server: &Arc<Server>, after: Option<crate::Position>) -> Messages {
    let shape =
        resolve::Shape { resolve_links: false, uuids: super::wire::UuidForm::String(super::wire::Empty {}) };
    let after = after.map_or(request::After::Nothing, request::After::Place);
    #[allow(clippy::unwrap_used)]
    let admission = pages::Admission::new(server, Default::default()).unwrap();
    subscribe::follow_all(server, admission, shape, after, None)
}
