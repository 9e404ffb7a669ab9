//! Read: a consumer's connection to a group. Events go one way, acknowledgements the other.

use std::sync::Arc;

use futures::Stream;
use futures::stream::{BoxStream, StreamExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Status, Streaming};

use super::{key, status};
use crate::grpc::auth;
use crate::grpc::server::Server;
use crate::grpc::status::{receiving, stopping};
use crate::grpc::wire::{
    GroupEvent, GroupReadContent, GroupReadReq, GroupReadResp, GroupReadRespContent, RecordedEvent,
    SubscriptionConfirmation, Uuid, UuidForm,
};
use crate::persistent::{Answers, Consumer, ConsumerAbout, Delivered, GroupKey, NackAction};

/// The events of a consumer. Never ends without an error: clients take no other end for one.
pub(crate) type Deliveries = BoxStream<'static, Result<GroupReadResp, Status>>;

/// Connects a consumer.
pub(super) async fn read(
    server: &Arc<Server>,
    request: Request<Streaming<GroupReadReq>>,
) -> Result<Deliveries, Status> {
    let about = about(&request);
    let mut messages = request.into_inner();
    let permit = server.admit_read()?;
    let first = tokio::select! {
        biased;
        () = server.stop.cancelled() => return Err(stopping()),
        first = messages.message() => first.map_err(receiving)?,
    };
    let Some(GroupReadContent::Options(options)) = first.and_then(|first| first.content) else {
        return Err(Status::invalid_argument("The first message must have the options."));
    };
    let uuids = options
        .uuid_option
        .and_then(|option| option.content)
        .ok_or_else(|| Status::invalid_argument("Required field uuid_option is missing."))?;
    let key = key::of(options.target.map(Into::into), &options.group_name)?;
    let in_flight = usize::try_from(options.buffer_size).ok().filter(|size| *size > 0).ok_or_else(|| {
        Status::invalid_argument(format!("The buffer size must be at least 1, not {}.", options.buffer_size))
    })?;
    let connected = server.groups()?.connect(&key, in_flight, about).await;
    let consumer = connected.map_err(|error| status::of(error, &key))?;

    let ended = CancellationToken::new();
    server.tasks.spawn(take_answers(server.stop.clone(), ended.clone(), messages, consumer.answers()));
    let confirmation = GroupReadRespContent::Confirmation(SubscriptionConfirmation {
        subscription_id: key.subscription_id(),
    });
    let confirmation = GroupReadResp { content: Some(confirmation) };
    let connection = Connection {
        consumer,
        key,
        uuids,
        stop: server.stop.clone(),
        _ended: ended.drop_guard(),
        _permit: permit,
    };
    Ok(futures::stream::iter([Ok(confirmation)]).chain(connection.deliveries()).boxed())
}

/// The outgoing side of a connection.
struct Connection {
    consumer: Consumer,
    key: GroupKey,
    uuids: UuidForm,
    stop: CancellationToken,
    /// Ends the incoming side.
    _ended: DropGuard,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    fn deliveries(self) -> impl Stream<Item = Result<GroupReadResp, Status>> + Send {
        futures::stream::unfold(Some(self), |connection| async {
            let mut connection = connection?;
            match connection.next().await {
                Ok(event) => Some((Ok(event), Some(connection))),
                Err(status) => Some((Err(status), None)),
            }
        })
    }

    async fn next(&mut self) -> Result<GroupReadResp, Status> {
        let delivered = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Err(stopping()),
            delivered = self.consumer.next() => delivered,
        };
        let delivered = delivered.map_err(|why| status::dropped(why, &self.key))?;
        let event = GroupReadRespContent::Event(event(&delivered, self.uuids));
        Ok(GroupReadResp { content: Some(event) })
    }
}

/// Passes on what the client says of its events, until either side ends.
async fn take_answers(
    stop: CancellationToken,
    ended: CancellationToken,
    mut messages: Streaming<GroupReadReq>,
    answers: Answers,
) {
    let passed = async {
        // What cannot be understood ends the incoming side; events then come again, to somebody who says what of them.
        while let Ok(Some(message)) = messages.message().await {
            let passed = match message.content {
                Some(GroupReadContent::Ack(ack)) => answers.ack(ids(&ack.ids)).await,
                Some(GroupReadContent::Nack(nack)) => {
                    answers.nack(ids(&nack.ids), action(nack.action), nack.reason).await
                }
                Some(GroupReadContent::Options(_)) | None => return,
            };
            if passed.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = passed => {}
        () = stop.cancelled() => {}
        () = ended.cancelled() => {}
    }
}

fn ids(ids: &[Uuid]) -> Vec<uuid::Uuid> {
    ids.iter().filter_map(Uuid::read).collect()
}

fn action(number: i32) -> NackAction {
    match number {
        1 => NackAction::Park,
        2 => NackAction::Retry,
        3 => NackAction::Skip,
        4 => NackAction::Stop,
        _ => NackAction::Unknown,
    }
}

fn event(delivered: &Delivered, uuids: UuidForm) -> GroupEvent {
    let recorded = |event: &crate::RecordedEvent| RecordedEvent::new(event.clone(), uuids);
    GroupEvent {
        event: delivered.event.event().map(recorded),
        link: delivered.event.link().map(recorded).map(Box::new),
        commit_position: Some(delivered.event.original().position),
        retry_count: Some(i32::try_from(delivered.retry_count).unwrap_or(i32::MAX)),
    }
}

fn about<T>(request: &Request<T>) -> ConsumerAbout {
    let header = |name| request.metadata().get(name).and_then(|value| value.to_str().ok());
    ConsumerAbout {
        from: String::new(),
        username: header("authorization").and_then(auth::user).unwrap_or_else(|| "anonymous".to_owned()),
        connection_name: header("connection-name").unwrap_or("<unknown>").to_owned(),
    }
}
