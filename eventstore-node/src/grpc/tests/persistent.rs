//! Persistent subscriptions with the official client.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use eventstore::{
    AppendToStreamOptions, Client, DeletePersistentSubscriptionOptions, Error,
    GetPersistentSubscriptionInfoOptions, ListPersistentSubscriptionsOptions, NakAction,
    PersistentSubscription, PersistentSubscriptionEvent, PersistentSubscriptionInfo,
    PersistentSubscriptionOptions, PersistentSubscriptionToAllOptions, ReplayParkedMessagesOptions,
    ResolvedEvent, RestartPersistentSubscriptionSubsystem, StreamPosition,
    SubscribeToPersistentSubscriptionOptions, SubscriptionFilter, SystemConsumerStrategy,
};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::raw::Raw;
use super::support::{Server, client, data, events, soon};
use crate::grpc::wire::*;
use crate::grpc::{GrpcError, GrpcOptions, serve};
use crate::{Node, NodeOptions};

async fn append(client: &Client, stream: &str, count: usize) {
    soon(client.append_to_stream(stream, &AppendToStreamOptions::default(), events(count))).await.unwrap();
}

/// From the start, with a checkpoint for every event.
fn eager() -> PersistentSubscriptionOptions {
    PersistentSubscriptionOptions::default()
        .start_from(StreamPosition::Start)
        .checkpoint_lower_bound(1)
        .checkpoint_upper_bound(1)
}

async fn create(
    client: &Client,
    stream: &str,
    options: &PersistentSubscriptionOptions,
) -> eventstore::Result<()> {
    soon(client.create_persistent_subscription(stream, "group", options)).await
}

async fn connect(client: &Client, stream: &str, size: usize) -> eventstore::Result<PersistentSubscription> {
    let options = SubscribeToPersistentSubscriptionOptions::default().buffer_size(size);
    soon(client.subscribe_to_persistent_subscription(stream, "group", &options)).await
}

async fn info(client: &Client, stream: &str) -> eventstore::Result<PersistentSubscriptionInfo<u64>> {
    let options = GetPersistentSubscriptionInfoOptions::default();
    soon(client.get_persistent_subscription_info(stream, "group", &options)).await
}

async fn replay(
    client: &Client,
    stream: &str,
    options: &ReplayParkedMessagesOptions,
) -> eventstore::Result<()> {
    soon(client.replay_parked_messages(stream, "group", options)).await
}

/// Waits until a group's figures are as wanted.
async fn until(client: &Client, stream: &str, wanted: impl Fn(&PersistentSubscriptionInfo<u64>) -> bool) {
    soon(async { while !wanted(&info(client, stream).await.unwrap()) {} }).await;
}

async fn next(subscription: &mut PersistentSubscription) -> ResolvedEvent {
    soon(subscription.next()).await.unwrap()
}

/// The next event's data and how often it was delivered before.
async fn counted(subscription: &mut PersistentSubscription) -> (ResolvedEvent, String, usize) {
    loop {
        match soon(subscription.next_subscription_event()).await.unwrap() {
            PersistentSubscriptionEvent::EventAppeared { retry_count, event } => {
                let text = data(event.event.as_ref().unwrap());
                return (event, text, retry_count);
            }
            PersistentSubscriptionEvent::Confirmed(id) => assert!(id.ends_with("::group"), "{id}"),
        }
    }
}

fn text(event: &ResolvedEvent) -> String {
    data(event.event.as_ref().unwrap())
}

#[tokio::test]
async fn events_are_acknowledged_retried_parked_and_skipped() {
    let server = Server::start().await;
    let client = server.client();
    append(&client, "s", 4).await;
    create(&client, "s", &eager()).await.unwrap();
    let again = create(&client, "s", &eager()).await;
    assert!(matches!(again, Err(Error::ResourceAlreadyExists)), "{again:?}");

    let mut subscription = connect(&client, "s", 2).await.unwrap();
    let (zero, text_of_zero, retries) = counted(&mut subscription).await;
    assert_eq!((&*text_of_zero, retries), ("0", 0));
    subscription.nack(&zero, NakAction::Retry, "not now").await.unwrap();
    let (one, text_of_one, _) = counted(&mut subscription).await;
    assert_eq!(text_of_one, "1");
    let (zero, text_of_zero, retries) = counted(&mut subscription).await;
    assert_eq!((&*text_of_zero, retries), ("0", 1));
    subscription.nack(&one, NakAction::Park, "never").await.unwrap();
    subscription.nack(&zero, NakAction::Skip, "not that").await.unwrap();
    for expected in ["2", "3"] {
        let event = next(&mut subscription).await;
        assert_eq!(text(&event), expected);
        subscription.ack(&event).await.unwrap();
    }
    until(&client, "s", |info| info.stats.parked_message_count == 1).await;

    replay(&client, "s", &ReplayParkedMessagesOptions::default().stop_at(0)).await.unwrap();
    replay(&client, "s", &ReplayParkedMessagesOptions::default()).await.unwrap();
    let replayed = next(&mut subscription).await;
    assert_eq!(text(&replayed), "1");
    assert_eq!(replayed.link.as_ref().unwrap().stream_id(), "$persistentsubscription-s::group-parked");
    subscription.ack(&replayed).await.unwrap();
    until(&client, "s", |info| {
        let stats = &info.stats;
        (stats.parked_message_count, stats.total_in_flight_messages) == (0, 0)
            && stats.last_checkpointed_event_revision == Some(3)
    })
    .await;
    server.end().await;
}

#[tokio::test]
async fn groups_are_listed_changed_and_deleted() {
    let server = Server::start().await;
    let client = server.client();
    append(&client, "s", 1).await;
    let everything = ListPersistentSubscriptionsOptions::default();
    assert!(soon(client.list_all_persistent_subscriptions(&everything)).await.unwrap().is_empty());
    let none = soon(client.list_persistent_subscriptions_for_stream("s", &everything)).await;
    assert!(matches!(none, Err(Error::ResourceNotFound)));
    for gone in [
        info(&client, "s").await.err(),
        connect(&client, "s", 1).await.err(),
        replay(&client, "s", &ReplayParkedMessagesOptions::default()).await.err(),
        soon(client.update_persistent_subscription("s", "group", &eager())).await.err(),
    ] {
        assert!(matches!(gone, Some(Error::ResourceNotFound)), "{gone:?}");
    }
    let wrong = create(&client, "s", &eager().read_batch_size(500)).await;
    assert!(matches!(wrong, Err(Error::ServerError(_))), "{wrong:?}");

    create(&client, "s", &PersistentSubscriptionOptions::default().extra_statistics(true)).await.unwrap();
    let found = info(&client, "s").await.unwrap();
    assert_eq!((&*found.event_source, &*found.group_name, &*found.status), ("s", "group", "Live"));
    let settings = found.settings.unwrap();
    assert_eq!(settings.start_from, StreamPosition::End);
    assert_eq!(settings.message_timeout, Duration::from_secs(30));
    assert_eq!(settings.consumer_strategy_name, SystemConsumerStrategy::RoundRobin);
    let to_all = PersistentSubscriptionToAllOptions::default();
    soon(client.create_persistent_subscription_to_all("group", &to_all)).await.unwrap();
    let all = soon(client.list_all_persistent_subscriptions(&everything)).await.unwrap();
    assert_eq!(all.iter().map(|info| &*info.event_source).collect::<Vec<_>>(), ["$all", "s"]);
    assert_eq!(
        soon(client.list_persistent_subscriptions_for_stream("s", &everything)).await.unwrap().len(),
        1
    );
    assert_eq!(soon(client.list_persistent_subscriptions_to_all(&everything)).await.unwrap().len(), 1);

    let mut subscription = connect(&client, "s", 3).await.unwrap();
    append(&client, "s", 1).await;
    let event = next(&mut subscription).await;
    subscription.ack(&event).await.unwrap();
    until(&client, "s", |info| info.stats.total_in_flight_messages == 0).await;
    let connections = info(&client, "s").await.unwrap().connections;
    assert_eq!((connections.len(), connections[0].available_slots, connections[0].total_items), (1, 3, 1));

    let one = eager().max_subscriber_count(1).consumer_strategy_name(SystemConsumerStrategy::Pinned);
    soon(client.update_persistent_subscription("s", "group", &one)).await.unwrap();
    let dropped = soon(subscription.next_subscription_event()).await;
    assert!(matches!(dropped, Err(Error::IllegalStateError(_))), "{dropped:?}");
    let settings = info(&client, "s").await.unwrap().settings.unwrap();
    assert_eq!(settings.consumer_strategy_name, SystemConsumerStrategy::Pinned);
    let mut first = connect(&client, "s", 1).await.unwrap();
    let second = connect(&client, "s", 1).await.err();
    assert!(
        matches!(&second, Some(Error::Grpc { message, .. }) if message.starts_with("Maximum subscriptions reached")),
        "{second:?}"
    );
    assert!(matches!(
        soon(first.next_subscription_event()).await.unwrap(),
        PersistentSubscriptionEvent::Confirmed(_)
    ));
    soon(
        client.restart_persistent_subscription_subsystem(&RestartPersistentSubscriptionSubsystem::default()),
    )
    .await
    .unwrap();
    assert!(matches!(soon(first.next_subscription_event()).await, Err(Error::IllegalStateError(_))));

    let mut last = connect(&client, "s", 1).await.unwrap();
    let deletion = DeletePersistentSubscriptionOptions::default();
    soon(client.delete_persistent_subscription("s", "group", &deletion)).await.unwrap();
    assert!(matches!(soon(last.next()).await, Err(Error::IllegalStateError(_))));
    let gone = soon(client.delete_persistent_subscription("s", "group", &deletion)).await;
    assert!(matches!(gone, Err(Error::ResourceNotFound)));
    soon(client.delete_persistent_subscription_to_all("group", &deletion)).await.unwrap();
    assert!(soon(client.list_all_persistent_subscriptions(&everything)).await.unwrap().is_empty());
    server.end().await;
}

#[tokio::test]
async fn the_whole_log_is_shared_through_a_filter() {
    let server = Server::start().await;
    let client = server.client();
    append(&client, "wanted-1", 2).await;
    append(&client, "other", 5).await;
    let options = PersistentSubscriptionToAllOptions::default()
        .start_from(StreamPosition::Start)
        .checkpoint_lower_bound(1)
        .checkpoint_upper_bound(1)
        .filter(SubscriptionFilter::on_stream_name().regex("^wanted"));
    soon(client.create_persistent_subscription_to_all("group", &options)).await.unwrap();
    append(&client, "wanted-2", 2).await;
    let size = SubscribeToPersistentSubscriptionOptions::default();
    let connected = client.subscribe_to_persistent_subscription_to_all("group", &size);
    let mut subscription = soon(connected).await.unwrap();
    for (stream, number) in [("wanted-1", "0"), ("wanted-1", "1"), ("wanted-2", "0")] {
        let event = next(&mut subscription).await;
        assert_eq!((event.get_original_event().stream_id(), &*text(&event)), (stream, number));
        subscription.ack(&event).await.unwrap();
    }
    let last = next(&mut subscription).await;
    subscription.nack(&last, NakAction::Park, "later").await.unwrap();
    let figures = GetPersistentSubscriptionInfoOptions::default();
    let position = last.get_original_event().position;
    soon(async {
        loop {
            let info = client.get_persistent_subscription_info_to_all("group", &figures).await.unwrap();
            assert_eq!(
                info.settings.as_ref().unwrap().start_from,
                StreamPosition::Start,
                "positions are read as positions"
            );
            if info.stats.parked_message_count == 1
                && info.stats.last_checkpointed_position.is_some_and(|place| place.commit >= position.commit)
            {
                break;
            }
        }
    })
    .await;
    let no_limit = ReplayParkedMessagesOptions::default();
    soon(client.replay_parked_messages_to_all("group", &no_limit)).await.unwrap();
    let again = next(&mut subscription).await;
    assert_eq!(again.event.as_ref().unwrap().id, last.get_original_event().id);
    subscription.ack(&again).await.unwrap();
    let beyond = options.start_from(StreamPosition::Position(eventstore::Position {
        commit: server.node.head() + 1_000_000,
        prepare: server.node.head() + 1_000_000,
    }));
    let refused = soon(client.create_persistent_subscription_to_all("beyond", &beyond)).await;
    assert!(matches!(refused, Err(Error::ServerError(_))), "{refused:?}");
    server.end().await;
}

#[tokio::test]
async fn two_consumers_share_events_and_neither_has_too_many() {
    let server = Server::start().await;
    let client = server.client();
    create(&client, "s", &eager()).await.unwrap();
    let mut one = connect(&client, "s", 3).await.unwrap();
    let mut two = connect(&client, "s", 2).await.unwrap();
    append(&client, "s", 50).await;
    // Nothing is acknowledged: each gets as many as it takes.
    let mut first = Vec::new();
    for _ in 0..3 {
        first.push(next(&mut one).await);
    }
    let mut second = vec![next(&mut two).await, next(&mut two).await];
    let figures = info(&client, "s").await.unwrap();
    let mut in_flight: Vec<_> = figures.connections.iter().map(|it| it.in_flight_messages).collect();
    in_flight.sort_unstable();
    assert_eq!((in_flight, figures.stats.total_in_flight_messages), (vec![2, 3], 5));
    let mut seen: BTreeSet<_> = first.iter().chain(&second).map(text).collect();
    assert_eq!(seen.len(), 5);
    // One leaves: what it had goes to the other.
    drop(one);
    for event in second.drain(..) {
        two.ack(&event).await.unwrap();
    }
    seen.retain(|number| !first.iter().any(|event| text(event) == *number));
    let mut retried = 0;
    while seen.len() < 50 {
        let (event, number, retries) = counted(&mut two).await;
        retried += retries;
        assert!(seen.insert(number));
        two.ack(&event).await.unwrap();
    }
    assert_eq!(retried, 3);
    server.end().await;
}

#[tokio::test]
async fn what_is_not_answered_in_time_comes_again_and_is_parked_in_the_end() {
    let server = Server::start().await;
    let client = server.client();
    append(&client, "s", 1).await;
    let options = eager().message_timeout(Duration::from_millis(50)).max_retry_count(2);
    create(&client, "s", &options).await.unwrap();
    let mut subscription = connect(&client, "s", 10).await.unwrap();
    for expected in 0..3 {
        let (_, number, retries) = counted(&mut subscription).await;
        assert_eq!((&*number, retries), ("0", expected));
    }
    until(&client, "s", |info| info.stats.parked_message_count == 1).await;
    server.end().await;
}

/// A server on a directory, again and again.
struct Again {
    node: Node,
    stop: CancellationToken,
    serving: JoinHandle<Result<(), GrpcError>>,
    client: Client,
}

impl Again {
    async fn start(dir: &Path) -> Self {
        let mut options = NodeOptions::new(dir);
        options.segment_bytes = 4 * 1024 * 1024;
        options.scrub_bytes_per_second = 0;
        let node = tokio::task::spawn_blocking(move || Node::open(options)).await.unwrap().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client =
            client(&format!("esdb://{}?tls=false&discoveryInterval=1", listener.local_addr().unwrap()));
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(node.clone(), listener, GrpcOptions::default(), stop.clone()));
        Self { node, stop, serving, client }
    }

    async fn end(self) {
        self.stop.cancel();
        soon(self.serving).await.unwrap().unwrap();
        self.node.shutdown().await;
    }
}

#[tokio::test]
async fn a_restart_of_the_node_loses_nothing_and_keeps_the_place() {
    let dir = tempfile::tempdir().unwrap();
    let server = Again::start(dir.path()).await;
    append(&server.client, "s", 10).await;
    create(&server.client, "s", &eager()).await.unwrap();
    let mut subscription = connect(&server.client, "s", 4).await.unwrap();
    for number in 0..6 {
        let event = next(&mut subscription).await;
        assert_eq!(text(&event), number.to_string());
        match number {
            1 => subscription.nack(&event, NakAction::Park, "later").await.unwrap(),
            // One is left open: everything from it on comes again.
            4 => {}
            _ => subscription.ack(&event).await.unwrap(),
        }
    }
    until(&server.client, "s", |info| info.stats.last_checkpointed_event_revision == Some(3)).await;
    server.stop.cancel();
    let end = soon(async {
        loop {
            if let Err(error) = subscription.next().await {
                return error;
            }
        }
    })
    .await;
    assert!(matches!(end, Error::ServerError(_)), "{end:?}");
    server.end().await;

    let server = Again::start(dir.path()).await;
    let found = info(&server.client, "s").await.unwrap();
    assert_eq!(found.stats.parked_message_count, 1);
    assert_eq!(found.stats.last_checkpointed_event_revision, Some(3));
    let mut subscription = connect(&server.client, "s", 4).await.unwrap();
    for number in 4..10 {
        let event = next(&mut subscription).await;
        assert_eq!(text(&event), number.to_string());
        subscription.ack(&event).await.unwrap();
    }
    replay(&server.client, "s", &ReplayParkedMessagesOptions::default()).await.unwrap();
    let parked = next(&mut subscription).await;
    assert_eq!(text(&parked), "1");
    subscription.ack(&parked).await.unwrap();
    drop(subscription);
    until(&server.client, "s", |info| info.stats.total_in_flight_messages == 0).await;
    server.end().await;
}

/// What a refusal says beside its text: code, `exception`, and the names.
fn trailers(status: &tonic::Status) -> (Code, String, String, String) {
    let get = |key| status.metadata().get(key).map_or("", |value| value.to_str().unwrap()).to_owned();
    (status.code(), get("exception"), get("stream-name"), get("group-name"))
}

fn refused(code: Code, exception: &str) -> (Code, String, String, String) {
    (code, exception.to_owned(), "s".to_owned(), "g".to_owned())
}

fn creation(settings: Settings) -> ChangeGroupReq {
    let stream_identifier = Some(StreamIdentifier::of("s"));
    let revision = Some(RevisionOption::Start(Empty {}));
    let target = ChangeTarget::Stream(StreamOptions { stream_identifier, revision });
    let options = ChangeGroupOptions {
        target: Some(target),
        stream_identifier: None,
        group_name: "g".to_owned(),
        settings: Some(settings),
    };
    ChangeGroupReq { options: Some(options) }
}

#[tokio::test]
async fn refusals_have_the_codes_and_trailers_that_clients_look_for() {
    const CREATE: &str = "/event_store.client.persistent_subscriptions.PersistentSubscriptions/Create";
    const UPDATE: &str = "/event_store.client.persistent_subscriptions.PersistentSubscriptions/Update";
    const INFO: &str = "/event_store.client.persistent_subscriptions.PersistentSubscriptions/GetInfo";
    const LIST: &str = "/event_store.client.persistent_subscriptions.PersistentSubscriptions/List";
    let server = Server::start().await;
    let mut raw = Raw::new(&server).await;
    let settings = Settings { read_batch_size: 20, history_buffer_size: 500, ..Settings::default() };

    let unknown: Result<Empty, _> = raw.unary(UPDATE, creation(settings.clone())).await;
    let unknown = unknown.unwrap_err();
    assert_eq!(trailers(&unknown), refused(Code::NotFound, "persistent-subscription-does-not-exist"));
    assert_eq!(unknown.message(), "Subscription group g on stream s does not exist.");
    for wrong in [
        Settings { consumer_strategy: "Fair".to_owned(), ..settings.clone() },
        Settings { history_buffer_size: 20, ..settings.clone() },
        Settings { max_retry_count: -1, ..settings.clone() },
    ] {
        let failed: Result<Empty, _> = raw.unary(CREATE, creation(wrong)).await;
        let failed = failed.unwrap_err();
        assert_eq!(trailers(&failed), refused(Code::Internal, "persistent-subscription-failed"));
        assert!(!failed.metadata().get("reason").unwrap().is_empty());
    }
    let pinned = Settings { consumer_strategy: "PinnedByCorrelation".to_owned(), ..settings };
    let _: Empty = raw.unary(CREATE, creation(pinned.clone())).await.unwrap();
    let again: Result<Empty, _> = raw.unary(CREATE, creation(pinned)).await;
    assert_eq!(trailers(&again.unwrap_err()), refused(Code::AlreadyExists, "persistent-subscription-exists"));

    let target = || Some(StreamOrAll::Stream(StreamIdentifier::of("s")));
    let options = GetInfoOptions { target: target(), group_name: "g".to_owned() };
    let info: GetInfoResp = raw.unary(INFO, GetInfoReq { options: Some(options) }).await.unwrap();
    let info = info.subscription_info.unwrap();
    assert_eq!((&*info.start_from, &*info.named_consumer_strategy), ("0", "PinnedByCorrelation"));
    assert_eq!((&*info.last_known_event_position, info.parked_message_count), ("", 0));
    let all = ListTarget { target: Some(StreamOrAll::All(Empty {})) };
    let options = ListOptions { what: Some(ListWhat::Of(all)) };
    let none: Result<ListResp, _> = raw.unary(LIST, ListReq { options: Some(options) }).await;
    assert_eq!(none.unwrap_err().code(), Code::NotFound);
    let options = ListOptions { what: Some(ListWhat::Everything(Empty {})) };
    let list: ListResp = raw.unary(LIST, ListReq { options: Some(options) }).await.unwrap();
    assert_eq!(list.subscriptions.len(), 1);
    server.end().await;
}
