//! `event_store.client.streams.Streams`, one file per RPC.

mod append;
mod pages;
mod read;
mod request;
mod resolve;
mod subscribe;
mod write;

use std::sync::Arc;

use tonic::{Request, Response, Status, Streaming};

use super::server::Server;
use super::services::streams_server::Streams;
use super::wire::{AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, DeleteReq, DeleteResp, ReadReq};

pub(crate) use pages::Messages;

/// The service.
pub(crate) struct StreamsService(pub(crate) Arc<Server>);

#[tonic::async_trait]
impl Streams for StreamsService {
    type ReadStream = Messages;
    type BatchAppendStream = futures::stream::Empty<Result<BatchAppendResp, Status>>;

    async fn append(&self, request: Request<Streaming<AppendReq>>) -> Result<Response<AppendResp>, Status> {
        append::append(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn batch_append(
        &self,
        _: Request<Streaming<BatchAppendReq>>,
    ) -> Result<Response<Self::BatchAppendStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn read(&self, request: Request<ReadReq>) -> Result<Response<Messages>, Status> {
        read::read(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn delete(&self, _: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn tombstone(&self, _: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        Err(Status::unimplemented(""))
    }
}
