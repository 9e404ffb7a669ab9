//! `event_store.client.gossip.Gossip`: the cluster, which is this node.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::server::Server;
use super::services::gossip_server::Gossip;
use super::wire::{ClusterInfo, Empty, EndPoint, MemberInfo, Uuid};

/// `VNodeState`: the leader, which clients look for.
const LEADER: i32 = 8;

/// The service.
pub(crate) struct GossipService(pub(crate) Arc<Server>);

#[tonic::async_trait]
impl Gossip for GossipService {
    async fn read(&self, _: Request<Empty>) -> Result<Response<ClusterInfo>, Status> {
        let (address, port) = self.0.advertised();
        let member = MemberInfo {
            instance_id: Some(Uuid::structured(self.0.instance)),
            time_stamp: crate::clock::now(),
            state: LEADER,
            is_alive: true,
            http_end_point: Some(EndPoint { address, port: port.into() }),
        };
        Ok(Response::new(ClusterInfo { members: vec![member] }))
    }
}
