//! Groups on a real node, without the network.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::task::yield_now;

use super::*;
use crate::{
    AllFrom, Direction, ExpectedRevision, Node, NodeOptions, ProposedEvent, ReadLimit, StreamAppend,
    StreamFrom, Uuid,
};

fn open(dir: &std::path::Path) -> Node {
    let mut options = NodeOptions::new(dir);
    options.segment_bytes = 64 * 1024;
    options.scrub_bytes_per_second = 0;
    options.index_cache_bytes = 1024 * 1024;
    Node::open(options).unwrap()
}

async fn append(node: &Node, stream: &str, event_type: &'static str, data: &str) -> u64 {
    let event = ProposedEvent {
        id: Uuid::new_v4(),
        event_type: event_type.into(),
        is_json: false,
        data: data.to_owned().into_bytes().into(),
        metadata: bytes::Bytes::new(),
    };
    let part = StreamAppend {
        stream: stream.into(),
        expected: ExpectedRevision::Any,
        follows: None,
        events: vec![event],
    };
    node.append(vec![part]).await.unwrap().streams[0].position
}

async fn append_numbers(node: &Node, stream: &str, numbers: std::ops::Range<u64>) {
    for number in numbers {
        append(node, stream, "numbered", &number.to_string()).await;
    }
}

fn stream(name: &str) -> Source {
    Source::Stream(name.into())
}

/// A checkpoint with every event.
fn eager() -> GroupSettings {
    GroupSettings { min_checkpoint_count: 1, max_checkpoint_count: 1, ..GroupSettings::default() }
}

async fn connect(groups: &PersistentSubscriptions, key: &GroupKey, in_flight: usize) -> Consumer {
    groups.connect(key, in_flight, ConsumerAbout::default()).await.unwrap()
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("this hangs")
}

async fn next(consumer: &mut Consumer) -> Delivered {
    soon(consumer.next()).await.unwrap()
}

fn text(delivered: &Delivered) -> String {
    String::from_utf8(delivered.event.event().unwrap().data.to_vec()).unwrap()
}

fn id(delivered: &Delivered) -> Uuid {
    delivered.event.original().id
}

async fn ack(consumer: &Consumer, delivered: &Delivered) {
    consumer.answers().ack(vec![id(delivered)]).await.unwrap();
}

async fn nack(consumer: &Consumer, delivered: &Delivered, action: NackAction) {
    consumer.answers().nack(vec![id(delivered)], action, "because".to_owned()).await.unwrap();
}

/// Waits until a group's figures are as wanted.
async fn until(groups: &PersistentSubscriptions, key: &GroupKey, wanted: impl Fn(&GroupInfo) -> bool) {
    soon(async {
        while !wanted(&groups.info(key).await.unwrap()) {
            yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_group_goes_on_where_it_was_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let key = GroupKey::on_stream("numbers", "group");
    let node = open(dir.path());
    let groups = PersistentSubscriptions::start(node.clone()).await.unwrap();
    append_numbers(&node, "numbers", 0..10).await;
    groups.create(stream("numbers"), "group", Start::At(2), eager()).await.unwrap();
    let again = groups.create(stream("numbers"), "group", Start::Start, eager()).await;
    assert_eq!(again, Err(GroupError::Exists));
    let mut consumer = connect(&groups, &key, 3).await;
    for number in 2..6 {
        let delivered = next(&mut consumer).await;
        assert_eq!((text(&delivered), delivered.retry_count), (number.to_string(), 0));
        if number != 4 {
            ack(&consumer, &delivered).await;
        }
    }
    groups.stop().await;
    assert!(matches!(
        soon(async {
            while consumer.next().await.is_ok() {}
            consumer.next().await
        })
        .await,
        Err(Dropped::ShuttingDown)
    ));
    assert!(matches!(groups.info(&key).await, Err(GroupError::Unavailable { .. })));
    node.shutdown().await;

    let node = open(dir.path());
    let groups = PersistentSubscriptions::start(node.clone()).await.unwrap();
    let info = groups.info(&key).await.unwrap();
    assert_eq!((&*info.start_from, info.last_checkpointed.as_deref()), ("2", Some("3")));
    assert_eq!(info.settings, eager());
    let mut consumer = connect(&groups, &key, 3).await;
    for number in 4..10 {
        let delivered = next(&mut consumer).await;
        assert_eq!(text(&delivered), number.to_string());
        ack(&consumer, &delivered).await;
    }
    groups.stop().await;
    node.shutdown().await;
}

#[tokio::test]
async fn a_group_from_the_end_misses_nothing_that_comes_before_its_first_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let keys = [GroupKey::on_stream("numbers", "group"), GroupKey::on_all("group")];
    let node = open(dir.path());
    let groups = PersistentSubscriptions::start(node.clone()).await.unwrap();
    append_numbers(&node, "numbers", 0..3).await;
    groups.create(stream("numbers"), "group", Start::End, eager()).await.unwrap();
    let numbers =
        FilterDefinition { by: FilterBy::Stream, pattern: Pattern::Prefixes(vec!["num".to_owned()]) };
    groups.create(Source::All { filter: Some(numbers) }, "group", Start::End, eager()).await.unwrap();
    append_numbers(&node, "numbers", 3..4).await;
    node.shutdown().await;

    let node = open(dir.path());
    let groups = PersistentSubscriptions::start(node.clone()).await.unwrap();
    for (key, start) in keys.iter().zip(["-1", "C:-1/P:-1"]) {
        assert_eq!(groups.info(key).await.unwrap().start_from, start);
        let mut consumer = connect(&groups, key, 3).await;
        assert_eq!(text(&next(&mut consumer).await), "3");
    }
    groups.stop().await;
    node.shutdown().await;
}

#[tokio::test]
async fn parked_messages_survive_a_restart_even_while_they_are_replayed() {
    let dir = tempfile::tempdir().unwrap();
    let key = GroupKey::on_stream("numbers", "group");
    let parked = "$persistentsubscription-numbers::group-parked";
    let node = open(dir.path());
    let groups = PersistentSubscriptions::start(node.clone()).await.unwrap();
    append_numbers(&node, "numbers", 0..4).await;
    groups.create(stream("numbers"), "group", Start::Start, eager()).await.unwrap();
    let mut consumer = connect(&groups, &key, 10).await;
    for _ in 0..4 {
        let delivered = next(&mut consumer).await;
        nack(&consumer, &delivered, NackAction::Park).await;
    }
    until(&groups, &key, |info| info.parked == 4).await;
    let read = node.read_stream(parked, StreamFrom::Start, Direction::Forward, ReadLimit::default()).unwrap();
    assert_eq!(&*read.events[3].data, b"3@numbers");
    let metadata: serde_json::Value = serde_json::from_slice(&read.events[3].metadata).unwrap();
    assert_eq!(metadata["reason"], "Client explicitly NAK'ed message.\nbecause");
    assert_eq!(metadata["subscriptionEventNumber"], 3);

    // Three are replayed; one of them is acknowledged, one parked again, and one is with a consumer when the node ends.
    groups.replay_parked(&key, Some(3)).await.unwrap();
    let (first, second, third) =
        (next(&mut consumer).await, next(&mut consumer).await, next(&mut consumer).await);
    assert_eq!(
        (text(&first), text(&third), first.event.link().unwrap().revision),
        ("0".into(), "2".into(), 0)
    );
    ack(&consumer, &first).await;
    nack(&consumer, &second, NackAction::Park).await;
    until(&groups, &key, |info| info.parked == 2).await;
    groups.stop().await;
    node.shutdown().await;

    let node = open(dir.path());
    let groups = PersistentSubscriptions::start(node.clone()).await.unwrap();
    assert_eq!(groups.info(&key).await.unwrap().parked, 3);
    let mut consumer = connect(&groups, &key, 10).await;
    groups.replay_parked(&key, None).await.unwrap();
    for number in ["2", "3", "1"] {
        let delivered = next(&mut consumer).await;
        assert_eq!(text(&delivered), number);
        ack(&consumer, &delivered).await;
    }
    groups.stop().await;
    node.shutdown().await;
    let node = open(dir.path());
    let groups = PersistentSubscriptions::start(node.clone()).await.unwrap();
    assert_eq!(groups.info(&key).await.unwrap().parked, 0);
    groups.stop().await;
    node.shutdown().await;
}

#[tokio::test]
async fn a_deleted_group_leaves_nothing_to_the_next_one_of_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let key = GroupKey::on_stream("numbers", "group");
    let node = open(dir.path());
    let groups = PersistentSubscriptions::start(node.clone()).await.unwrap();
    assert_eq!(groups.delete(&key).await, Err(GroupError::DoesNotExist));
    append_numbers(&node, "numbers", 0..3).await;
    for _ in 0..3 {
        groups.create(stream("numbers"), "group", Start::Start, eager()).await.unwrap();
        assert_eq!(groups.info(&key).await.unwrap().parked, 0);
        let mut consumer = connect(&groups, &key, 1).await;
        let first = next(&mut consumer).await;
        assert_eq!(text(&first), "0");
        nack(&consumer, &first, NackAction::Park).await;
        let second = next(&mut consumer).await;
        ack(&consumer, &second).await;
        next(&mut consumer).await;
        until(&groups, &key, |info| info.parked == 1).await;
        groups.delete(&key).await.unwrap();
        assert!(matches!(soon(consumer.next()).await, Err(Dropped::GroupEnded)));
        assert!(matches!(soon(consumer.next()).await, Err(Dropped::GroupEnded)));
        assert_eq!(
            groups.connect(&key, 1, ConsumerAbout::default()).await.err(),
            Some(GroupError::DoesNotExist)
        );
    }
    assert!(groups.list(None).await.unwrap().is_empty());
    assert_eq!(groups.list(Some("numbers")).await.err(), Some(GroupError::DoesNotExist));
    groups.stop().await;
    node.shutdown().await;
}

#[tokio::test]
async fn a_changed_group_keeps_its_place_and_drops_its_consumers() {
    let dir = tempfile::tempdir().unwrap();
    let key = GroupKey::on_stream("numbers", "group");
    let node = open(dir.path());
    let groups = PersistentSubscriptions::start(node.clone()).await.unwrap();
    append_numbers(&node, "numbers", 0..3).await;
    groups.create(stream("numbers"), "group", Start::Start, GroupSettings::default()).await.unwrap();
    let mut consumer = connect(&groups, &key, 1).await;
    let first = next(&mut consumer).await;
    ack(&consumer, &first).await;
    let changed = GroupSettings { max_subscriber_count: 1, ..eager() };
    groups.update(&key, Start::Start, changed.clone()).await.unwrap();
    assert!(matches!(
        soon(async {
            while consumer.next().await.is_ok() {}
            consumer.next().await
        })
        .await,
        Err(Dropped::GroupEnded)
    ));
    assert!(consumer.answers().ack(vec![id(&first)]).await.is_err());
    assert_eq!(groups.info(&key).await.unwrap().settings, changed);
    let mut consumer = connect(&groups, &key, 1).await;
    assert_eq!(text(&next(&mut consumer).await), "1");
    let second = groups.connect(&key, 1, ConsumerAbout::default()).await;
    assert_eq!(second.err(), Some(GroupError::MaximumSubscribers));
    let wrong = GroupSettings { read_batch_size: 500, ..eager() };
    assert!(matches!(groups.update(&key, Start::Start, wrong).await, Err(GroupError::Failed { .. })));
    groups.restart().await.unwrap();
    assert!(matches!(soon(consumer.next()).await, Err(Dropped::GroupEnded)));
    let mut consumer = connect(&groups, &key, 1).await;
    assert_eq!(text(&next(&mut consumer).await), "1");
    groups.stop().await;
    node.shutdown().await;
}

#[tokio::test]
async fn a_group_on_the_whole_log_does_not_feed_on_itself() {
    let dir = tempfile::tempdir().unwrap();
    let key = GroupKey::on_all("group");
    let node = open(dir.path());
    let groups = PersistentSubscriptions::start(node.clone()).await.unwrap();
    groups.create(Source::All { filter: None }, "group", Start::Start, eager()).await.unwrap();
    let mut consumer = connect(&groups, &key, 10).await;
    append_numbers(&node, "numbers", 0..20).await;
    append(&node, "last", "last", "").await;
    let mut streams = Vec::new();
    loop {
        let delivered = next(&mut consumer).await;
        let stream = delivered.event.original().stream.clone();
        if &*stream == "numbers" {
            nack(&consumer, &delivered, NackAction::Park).await;
        } else {
            ack(&consumer, &delivered).await;
        }
        streams.push(stream.to_string());
        if &*stream == "last" {
            break;
        }
    }
    until(&groups, &key, |info| info.parked == 20 && info.outstanding == 0 && info.read_buffer_count == 0)
        .await;
    append(&node, "numbers", "end", "").await;
    assert_eq!(&*next(&mut consumer).await.event.original().event_type, "end");
    assert_eq!(streams.iter().filter(|stream| *stream == "numbers").count(), 20);
    assert_eq!(streams.len(), 22, "{streams:?}");
    let all = node.read_all(AllFrom::Start, Direction::Forward, ReadLimit::default()).unwrap();
    let own = all.events.iter().filter(|event| hidden_from_all(&event.stream)).count();
    assert!((21..=45).contains(&own), "as many checkpoints as events, not {own}");
    let head = node.head();
    let beyond = groups.create(Source::All { filter: None }, "beyond", Start::At(head + 1), eager()).await;
    assert!(matches!(beyond, Err(GroupError::Failed { .. })));
    groups.stop().await;
    node.shutdown().await;
}

#[tokio::test]
async fn links_are_followed_if_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path());
    let groups = PersistentSubscriptions::start(node.clone()).await.unwrap();
    append_numbers(&node, "numbers", 0..2).await;
    for target in ["1@numbers", "9@numbers", "nonsense"] {
        append(&node, "links", "$>", target).await;
    }
    for resolve_links in [true, false] {
        let group = if resolve_links { "followed" } else { "not" };
        let settings = GroupSettings { resolve_links, ..eager() };
        groups.create(stream("links"), group, Start::Start, settings).await.unwrap();
        let mut consumer = connect(&groups, &GroupKey::on_stream("links", group), 10).await;
        let mut seen = Vec::new();
        for _ in 0..3 {
            let delivered = next(&mut consumer).await;
            let of = |event: &crate::RecordedEvent| event.stream.to_string();
            seen.push((delivered.event.event().map(of), delivered.event.link().map(of)));
        }
        let (numbers, links) = (Some("numbers".to_owned()), Some("links".to_owned()));
        if resolve_links {
            assert_eq!(seen, [(numbers, links.clone()), (None, links.clone()), (None, links)]);
        } else {
            assert_eq!(seen, vec![(links, None); 3]);
        }
    }
    groups.stop().await;
    node.shutdown().await;
}

#[tokio::test]
async fn a_consumer_that_takes_nothing_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let key = GroupKey::on_stream("numbers", "group");
    let node = open(dir.path());
    let groups = PersistentSubscriptions::start(node.clone()).await.unwrap();
    append_numbers(&node, "numbers", 0..1).await;
    let message_timeout = Duration::from_millis(1);
    let settings = GroupSettings { message_timeout, max_retry_count: 1000, ..eager() };
    groups.create(stream("numbers"), "group", Start::Start, settings).await.unwrap();
    let mut slow = connect(&groups, &key, 1).await;
    until(&groups, &key, |info| info.consumers.is_empty()).await;
    let mut taken = 0;
    let dropped = loop {
        match soon(slow.next()).await {
            Ok(_) => taken += 1,
            Err(dropped) => break dropped,
        }
    };
    assert_eq!((taken, dropped), (2, Dropped::TooSlow));
    let mut consumer = connect(&groups, &key, 1).await;
    assert!(next(&mut consumer).await.retry_count >= 2);
    groups.stop().await;
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_processed_while_consumers_fail_and_nodes_end() {
    const EVENTS: u64 = 600;
    let dir = tempfile::tempdir().unwrap();
    let key = GroupKey::on_all("group");
    let mut processed = BTreeSet::new();
    for round in 0..4_u64 {
        let node = open(dir.path());
        let groups = PersistentSubscriptions::start(node.clone()).await.unwrap();
        if round == 0 {
            let by_type =
                FilterDefinition { by: FilterBy::EventType, pattern: Pattern::Regex("^num".into()) };
            let settings = GroupSettings { min_checkpoint_count: 1, max_checkpoint_count: 7, ..eager() };
            groups
                .create(Source::All { filter: Some(by_type) }, "group", Start::Start, settings)
                .await
                .unwrap();
        }
        let writer = {
            let node = node.clone();
            tokio::spawn(async move {
                let numbers = round * EVENTS / 4..(round + 1) * EVENTS / 4;
                append_numbers(&node, &format!("s-{round}"), numbers).await;
            })
        };
        let mut consumers = Vec::new();
        for _ in 0..3 {
            consumers.push(connect(&groups, &key, 5).await);
        }
        let mut taken = 0;
        groups.replay_parked(&key, None).await.unwrap();
        // The last round goes on until everything is processed, the others end somewhere.
        while if round < 3 { taken < EVENTS / 5 } else { processed.len() < EVENTS as usize } {
            taken += 1;
            let which = (taken % 3) as usize;
            if taken % 50 == 0 {
                consumers[which] = connect(&groups, &key, 5).await;
            }
            // One of the others may have what is left.
            let one = tokio::time::timeout(Duration::from_millis(2), consumers[which].next()).await;
            let Ok(delivered) = one else {
                groups.replay_parked(&key, None).await.unwrap();
                continue;
            };
            let delivered = delivered.unwrap();
            match taken % 11 {
                0 => nack(&consumers[which], &delivered, NackAction::Park).await,
                1..3 => nack(&consumers[which], &delivered, NackAction::Retry).await,
                _ => {
                    processed.insert(text(&delivered));
                    ack(&consumers[which], &delivered).await;
                }
            }
        }
        writer.await.unwrap();
        // Every other node ends without a word.
        if round % 2 == 0 {
            groups.stop().await;
        }
        node.shutdown().await;
    }
    assert_eq!(processed.len(), EVENTS as usize);
}

#[tokio::test]
async fn a_group_on_a_stream_that_is_deleted_for_good_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let key = GroupKey::on_stream("numbers", "group");
    let node = open(dir.path());
    let groups = PersistentSubscriptions::start(node.clone()).await.unwrap();
    append_numbers(&node, "numbers", 0..2).await;
    groups.create(stream("numbers"), "group", Start::Start, eager()).await.unwrap();
    let mut consumer = connect(&groups, &key, 5).await;
    for _ in 0..2 {
        let delivered = next(&mut consumer).await;
        nack(&consumer, &delivered, NackAction::Park).await;
    }
    until(&groups, &key, |info| info.parked == 2).await;
    node.tombstone_stream("numbers", ExpectedRevision::Any).await.unwrap();
    let dropped = loop {
        match soon(consumer.next()).await {
            Ok(delivered) => assert_eq!(&*delivered.event.original().event_type, "$streamDeleted"),
            Err(dropped) => break dropped,
        }
    };
    assert!(matches!(dropped, Dropped::Failed(_)), "{dropped:?}");
    // Links to what is gone are passed over.
    groups.replay_parked(&key, None).await.unwrap();
    until(&groups, &key, |info| info.parked == 0).await;
    // What is left is the event that ends the stream, which nobody acknowledged.
    assert_eq!(groups.info(&key).await.unwrap().retry_buffer_count, 1);
    groups.delete(&key).await.unwrap();
    groups.stop().await;
    node.shutdown().await;
}

#[tokio::test]
async fn a_reason_is_cut_before_it_is_kept_and_kept_once() {
    let (group, mut requests) = tokio::sync::mpsc::channel(1);
    let answers = Answers { consumer: 1, group };
    let ids = vec![Uuid::new_v4(), Uuid::new_v4()];
    answers.nack(ids.clone(), NackAction::Park, "ä".repeat(1_000_000)).await.unwrap();
    let Some(group::Request::Nack { ids: named, reason, .. }) = requests.recv().await else { panic!() };
    assert_eq!(named, ids);
    assert!(reason.starts_with("Client explicitly NAK'ed message.\nää"));
    assert!(reason.len() < limits::MAX_REASON_BYTES + 64);
}

#[tokio::test]
async fn a_group_that_cannot_be_started_says_why_and_stops_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let key = |group| GroupKey::on_stream("numbers", group);
    let node = open(dir.path());
    let groups = PersistentSubscriptions::start(node.clone()).await.unwrap();
    append_numbers(&node, "numbers", 0..1).await;
    for group in ["broken", "whole"] {
        groups.create(stream("numbers"), group, Start::Start, eager()).await.unwrap();
    }
    let by_type = FilterDefinition { by: FilterBy::EventType, pattern: Pattern::Regex("refused".into()) };
    groups.create(Source::All { filter: Some(by_type) }, "filtered", Start::Start, eager()).await.unwrap();
    let hostile = FilterDefinition {
        by: FilterBy::EventType,
        pattern: Pattern::Regex(r"^(?:()(?=.)){1000000000000}".into()),
    };
    let refused =
        groups.create(Source::All { filter: Some(hostile) }, "hostile", Start::Start, eager()).await;
    assert!(matches!(refused, Err(GroupError::Failed { .. })));
    groups.stop().await;
    // A filter that is no longer taken, and an entry that makes no sense.
    let config = names::CONFIG_STREAM;
    let read = node.read_stream(config, StreamFrom::End, Direction::Backward, ReadLimit::events(1)).unwrap();
    let recorded = String::from_utf8(read.events[0].data.to_vec()).unwrap();
    let recorded = recorded.replace("refused", "(").replace(r#""entries":["#, r#""entries":[{},"#);
    append(&node, config, names::CONFIG_TYPE, &recorded).await;
    let parked = names::parked_stream("numbers", "broken");
    node.tombstone_stream(&parked, ExpectedRevision::Any).await.unwrap();
    node.shutdown().await;

    let node = open(dir.path());
    let groups = PersistentSubscriptions::start(node.clone()).await.unwrap();
    let info = groups.info(&key("broken")).await;
    assert!(matches!(info, Err(GroupError::Unavailable { reason }) if reason.contains("-parked")));
    assert!(matches!(groups.info(&GroupKey::on_all("filtered")).await, Err(GroupError::Failed { .. })));
    let listed: Vec<_> = groups.list(None).await.unwrap().into_iter().map(|info| info.key).collect();
    assert_eq!(listed, [key("whole")]);
    let mut consumer = connect(&groups, &key("whole"), 1).await;
    assert_eq!(text(&next(&mut consumer).await), "0");
    groups.delete(&key("broken")).await.unwrap();
    assert_eq!(groups.info(&key("broken")).await.err(), Some(GroupError::DoesNotExist));
    groups.restart().await.unwrap();
    assert!(matches!(groups.info(&GroupKey::on_all("filtered")).await, Err(GroupError::Failed { .. })));
    groups.delete(&GroupKey::on_all("filtered")).await.unwrap();
    groups.stop().await;
    node.shutdown().await;
}

#[tokio::test]
async fn what_links_lead_to_is_read_a_bounded_part_at_a_time() {
    const LINKS: u64 = 80;
    let dir = tempfile::tempdir().unwrap();
    let key = GroupKey::on_stream("links", "group");
    let node = open(dir.path());
    let groups = PersistentSubscriptions::start(node.clone()).await.unwrap();
    append(&node, "large", "large", &"x".repeat(30_000)).await;
    for _ in 0..LINKS {
        append(&node, "links", "$>", "0@large").await;
    }
    let settings = GroupSettings { resolve_links: true, read_batch_size: 100, ..eager() };
    let config = config::GroupConfig {
        key: key.clone(),
        filter: None,
        start: Start::Start,
        first: 0,
        settings: settings.clone(),
    };
    let mut reader = reader::Reader::new(node.clone(), std::sync::Arc::new(config), None);
    let first = reader.next(100).await.unwrap();
    assert!(first.items.len() as u64 <= LINKS / 2 && !first.live, "{}", first.items.len());
    assert_eq!(reader.next(3).await.unwrap().items.len(), 3);

    groups.create(stream("links"), "group", Start::Start, settings).await.unwrap();
    let mut consumer = connect(&groups, &key, 100).await;
    for revision in 0..LINKS {
        let delivered = next(&mut consumer).await;
        assert_eq!(delivered.event.original().revision, revision);
        nack(&consumer, &delivered, NackAction::Park).await;
    }
    until(&groups, &key, |info| info.parked == LINKS).await;
    let page = store::load_parked(&node, &key, 0, 100).unwrap();
    assert!((1..=LINKS / 2).contains(&(page.len() as u64)), "{}", page.len());
    groups.replay_parked(&key, None).await.unwrap();
    for _ in 0..LINKS {
        let delivered = next(&mut consumer).await;
        ack(&consumer, &delivered).await;
    }
    groups.stop().await;
    node.shutdown().await;
}

#[tokio::test]
async fn parking_goes_on_after_the_parked_messages_were_purged() {
    let dir = tempfile::tempdir().unwrap();
    let key = GroupKey::on_stream("numbers", "group");
    let node = open(dir.path());
    append_numbers(&node, "numbers", 0..2).await;
    for round in 0..2 {
        let groups = PersistentSubscriptions::start(node.clone()).await.unwrap();
        if round == 0 {
            groups.create(stream("numbers"), "group", Start::Start, eager()).await.unwrap();
        }
        assert_eq!(groups.info(&key).await.unwrap().parked, 0);
        let mut consumer = connect(&groups, &key, 1).await;
        let delivered = next(&mut consumer).await;
        nack(&consumer, &delivered, NackAction::Park).await;
        until(&groups, &key, |info| info.parked == 1).await;
        if round == 1 {
            groups.replay_parked(&key, None).await.unwrap();
            assert_eq!(text(&next(&mut consumer).await), "1");
        }
        groups.stop().await;
        let parked = names::parked_stream("numbers", "group");
        node.delete_stream(&parked, ExpectedRevision::Any).await.unwrap();
    }
    node.shutdown().await;
}
