//! `event_store.client.persistent_subscriptions.PersistentSubscriptions`: groups of consumers.

mod change;
mod info;
mod key;
mod read;
mod status;

use std::sync::Arc;

use tonic::{Request, Response, Status, Streaming};

use super::server::Server;
use super::services::persistent_subscriptions_server::PersistentSubscriptions as Service;
use super::wire::{
    ChangeGroupReq, DeleteGroupReq, Empty, GetInfoReq, GetInfoResp, GroupReadReq, ListReq, ListResp,
    ReplayParkedReq, StopAt,
};

/// The service.
pub(crate) struct PersistentSubscriptionsService(pub(crate) Arc<Server>);

#[tonic::async_trait]
impl Service for PersistentSubscriptionsService {
    type ReadStream = read::Deliveries;

    async fn create(&self, request: Request<ChangeGroupReq>) -> Result<Response<Empty>, Status> {
        change::create(self.0.groups()?, request.into_inner()).await.map(Response::new)
    }

    async fn update(&self, request: Request<ChangeGroupReq>) -> Result<Response<Empty>, Status> {
        change::update(self.0.groups()?, request.into_inner()).await.map(Response::new)
    }

    async fn delete(&self, request: Request<DeleteGroupReq>) -> Result<Response<Empty>, Status> {
        let options = request.into_inner().options.unwrap_or_default();
        let key = key::of(options.target.map(Into::into), &options.group_name)?;
        let deleted = self.0.groups()?.delete(&key).await;
        deleted.map(|()| Response::new(Empty {})).map_err(|error| status::of(error, &key))
    }

    async fn read(
        &self,
        request: Request<Streaming<GroupReadReq>>,
    ) -> Result<Response<read::Deliveries>, Status> {
        read::read(&self.0, request).await.map(Response::new)
    }

    async fn get_info(&self, request: Request<GetInfoReq>) -> Result<Response<GetInfoResp>, Status> {
        let options = request.into_inner().options.unwrap_or_default();
        let key = key::of(options.target, &options.group_name)?;
        let info = self.0.groups()?.info(&key).await.map_err(|error| status::of(error, &key))?;
        Ok(Response::new(GetInfoResp { subscription_info: Some(info::message(info)) }))
    }

    async fn replay_parked(&self, request: Request<ReplayParkedReq>) -> Result<Response<Empty>, Status> {
        let options = request.into_inner().options.unwrap_or_default();
        let key = key::of(options.target.map(Into::into), &options.group_name)?;
        let stop_at = match options.stop_at {
            Some(StopAt::Revision(revision)) => {
                let negative = |_| Status::invalid_argument(format!("Replaying cannot stop at {revision}."));
                Some(u64::try_from(revision).map_err(negative)?)
            }
            Some(StopAt::NoLimit(_)) => None,
            None => return Err(Status::invalid_argument("Required field stop_at_option is missing.")),
        };
        let replayed = self.0.groups()?.replay_parked(&key, stop_at).await;
        replayed.map(|()| Response::new(Empty {})).map_err(|error| status::of(error, &key))
    }

    async fn list(&self, request: Request<ListReq>) -> Result<Response<ListResp>, Status> {
        info::list(self.0.groups()?, request.into_inner()).await.map(Response::new)
    }

    async fn restart_subsystem(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        let restarted = self.0.groups()?.restart().await;
        restarted.map(|()| Response::new(Empty {})).map_err(status::of_all)
    }
}
