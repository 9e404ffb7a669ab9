//! A bare client, for what the official one hides: trailers, single messages, requests it would not make.

use futures::stream;
use tonic::client::Grpc;
use tonic::codec::{ProstCodec, Streaming};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::support::Server;
use crate::grpc::wire::*;

/// The client.
pub(super) struct Raw(pub(super) Grpc<Channel>);

/// `ReadResp` as a client reads it.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Answer {
    #[prost(oneof = "Content", tags = "1, 2, 3, 4, 5, 6, 8")]
    pub(super) content: Option<Content>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Content {
    #[prost(message, tag = "1")]
    Event(Event),
    #[prost(message, tag = "2")]
    Confirmation(SubscriptionConfirmation),
    #[prost(message, tag = "3")]
    Checkpoint(Checkpoint),
    #[prost(message, tag = "4")]
    StreamNotFound(StreamNotFound),
    #[prost(uint64, tag = "5")]
    First(u64),
    #[prost(uint64, tag = "6")]
    Last(u64),
    #[prost(message, tag = "8")]
    CaughtUp(CaughtUp),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Event {
    #[prost(message, optional, tag = "1")]
    pub(super) event: Option<Recorded>,
    #[prost(message, optional, tag = "2")]
    pub(super) link: Option<Recorded>,
    #[prost(uint64, optional, tag = "3")]
    pub(super) commit_position: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Recorded {
    #[prost(message, optional, tag = "1")]
    pub(super) id: Option<Uuid>,
    #[prost(message, optional, tag = "2")]
    pub(super) stream_identifier: Option<StreamIdentifier>,
    #[prost(uint64, tag = "3")]
    pub(super) stream_revision: u64,
    #[prost(uint64, tag = "4")]
    pub(super) prepare_position: u64,
    #[prost(uint64, tag = "5")]
    pub(super) commit_position: u64,
    #[prost(map = "string, string", tag = "6")]
    pub(super) metadata: std::collections::HashMap<String, String>,
    #[prost(bytes = "vec", tag = "7")]
    pub(super) custom_metadata: Vec<u8>,
    #[prost(bytes = "vec", tag = "8")]
    pub(super) data: Vec<u8>,
}

fn path(method: &'static str) -> http::uri::PathAndQuery {
    http::uri::PathAndQuery::from_static(method)
}

impl Raw {
    pub(super) async fn new(server: &Server) -> Self {
        let channel = Channel::from_shared(format!("http://{}", server.address)).unwrap();
        Self(Grpc::new(channel.connect().await.unwrap()))
    }

    pub(super) async fn append(&mut self, messages: Vec<AppendContent>) -> Result<AppendResult, Status> {
        let messages = messages.into_iter().map(|content| AppendReq { content: Some(content) });
        self.0.ready().await.unwrap();
        let (request, path) =
            (Request::new(stream::iter(messages)), path("/event_store.client.streams.Streams/Append"));
        let codec = ProstCodec::<AppendReq, AppendResp>::default();
        Ok(self.0.client_streaming(request, path, codec).await?.into_inner().result.unwrap())
    }

    pub(super) async fn batch_append(
        &mut self,
        messages: Vec<BatchAppendReq>,
    ) -> Result<Vec<BatchAppendResp>, Status> {
        self.0.ready().await.unwrap();
        let path = path("/event_store.client.streams.Streams/BatchAppend");
        let codec = ProstCodec::default();
        let mut answers =
            self.0.streaming(Request::new(stream::iter(messages)), path, codec).await?.into_inner();
        let mut all = Vec::new();
        while let Some(answer) = answers.message().await? {
            all.push(answer);
        }
        Ok(all)
    }

    pub(super) async fn unary<Q, R>(&mut self, method: &'static str, request: Q) -> Result<R, Status>
    where
        Q: prost::Message + 'static,
        R: prost::Message + Default + 'static,
    {
        self.0.ready().await.unwrap();
        let answer = self.0.unary(Request::new(request), path(method), ProstCodec::<Q, R>::default()).await;
        answer.map(Response::into_inner)
    }

    pub(super) async fn read(&mut self, options: ReadOptions) -> Result<Streaming<Answer>, Status> {
        self.0.ready().await.unwrap();
        let request = Request::new(ReadReq { options: Some(options) });
        let path = path("/event_store.client.streams.Streams/Read");
        let codec = ProstCodec::<ReadReq, Answer>::default();
        self.0.server_streaming(request, path, codec).await.map(Response::into_inner)
    }

    /// All messages of a read that ends well.
    pub(super) async fn read_to_end(&mut self, options: ReadOptions) -> Vec<Content> {
        let mut answers = self.read(options).await.unwrap();
        let mut all = Vec::new();
        while let Some(answer) = answers.message().await.unwrap() {
            all.push(answer.content.unwrap());
        }
        all
    }
}

pub(super) fn options(stream: &str, expected: Expected) -> AppendContent {
    AppendContent::Options(AppendOptions {
        stream_identifier: Some(StreamIdentifier::of(stream)),
        expected: Some(expected),
    })
}

pub(super) fn any() -> Expected {
    Expected::Any(Empty {})
}

pub(super) fn proposed(data: &str) -> ProposedMessage {
    let entry =
        |key: &str, value: &str| MetadataEntry { key: key.to_owned().into(), value: value.to_owned().into() };
    ProposedMessage {
        id: Some(Uuid::structured(uuid::Uuid::new_v4())),
        metadata: vec![entry("type", "happened"), entry("content-type", "application/json")],
        custom_metadata: "about it".into(),
        data: data.to_owned().into(),
    }
}

/// Options of a forward read of a stream from its start.
pub(super) fn read_options(stream: &str) -> ReadOptions {
    ReadOptions {
        source: Some(ReadSource::Stream(StreamOptions {
            stream_identifier: Some(StreamIdentifier::of(stream)),
            revision: Some(RevisionOption::Start(Empty {})),
        })),
        count: Some(ReadCount::Count(u64::MAX)),
        filter: Some(FilterOption::NoFilter(Empty {})),
        uuid_option: Some(UuidOption { content: Some(UuidForm::String(Empty {})) }),
        ..ReadOptions::default()
    }
}

/// A trailer of an error.
pub(super) fn trailer<'a>(status: &'a Status, name: &str) -> &'a str {
    status.metadata().get(name).map_or("", |value| value.to_str().unwrap())
}
