//! Delete, until the next append, and Tombstone, for good.

use std::future::Future;
use std::sync::Arc;

use tonic::Status;

use crate::error::AppendError;
use crate::event::{Deleted, ExpectedRevision};
use crate::grpc::limits::WRITE_TIMEOUT;
use crate::grpc::server::Server;
use crate::grpc::status;
use crate::grpc::wire::{DeleteReq, DeleteResp, DeletedAt, expected_revision, stream_name};

/// Deletes a stream; an append brings it back, without its events.
pub(crate) async fn delete(server: &Arc<Server>, request: DeleteReq) -> Result<DeleteResp, Status> {
    let (stream, expected) = target(request)?;
    answer(server.node.delete_stream(&stream, expected)).await
}

/// Deletes a stream for good.
pub(crate) async fn tombstone(server: &Arc<Server>, request: DeleteReq) -> Result<DeleteResp, Status> {
    let (stream, expected) = target(request)?;
    answer(server.node.tombstone_stream(&stream, expected)).await
}

fn target(request: DeleteReq) -> Result<(Arc<str>, ExpectedRevision), Status> {
    let options = request.options.unwrap_or_default();
    Ok((stream_name(options.stream_identifier.as_ref())?, expected_revision(options.expected)?))
}

async fn answer(deletion: impl Future<Output = Result<Deleted, AppendError>>) -> Result<DeleteResp, Status> {
    match tokio::time::timeout(WRITE_TIMEOUT, deletion).await {
        Ok(Ok(Deleted { position })) => {
            Ok(DeleteResp { position: Some(DeletedAt::Position(position.into())) })
        }
        Ok(Err(AppendError::WrongExpectedRevision { stream, expected, current, .. })) => {
            Err(status::delete_wrong_version(&stream, expected, current))
        }
        Ok(Err(error)) => Err(status::from_append(error)),
        Err(_) => Err(status::write_timeout()),
    }
}
