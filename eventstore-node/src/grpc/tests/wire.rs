//! Messages as they are on the wire.

use super::raw::*;
use super::support::*;
use crate::grpc::wire::*;

#[tokio::test]
async fn an_event_comes_back_whole_in_both_forms_of_its_id() {
    let server = Server::start().await;
    let mut raw = Raw::new(&server).await;
    let (first, second) = (proposed("{}"), ProposedMessage { data: bytes::Bytes::new(), ..proposed("") });
    let id = |message: &ProposedMessage| message.id.as_ref().unwrap().read().unwrap();
    let content = vec![
        options("s", any()),
        AppendContent::ProposedMessage(first.clone()),
        AppendContent::ProposedMessage(second.clone()),
    ];
    raw.append(content).await.unwrap();

    for form in [UuidForm::String(Empty {}), UuidForm::Structured(Empty {})] {
        let options = ReadOptions {
            uuid_option: Some(UuidOption { content: Some(form) }),
            control_option: Some(ControlOption { compatibility: 1 }),
            ..read_options("s")
        };
        let answers = raw.read_to_end(options).await;
        let [Content::Event(one), Content::Event(two), Content::Last(1)] = &answers[..] else {
            panic!("{answers:?}")
        };
        for (event, proposed, revision) in [(one, &first, 0), (two, &second, 1)] {
            let recorded = event.event.as_ref().unwrap();
            let given = recorded.id.as_ref().unwrap();
            match form {
                UuidForm::String(_) => assert!(matches!(given.value, Some(UuidValue::String(_)))),
                UuidForm::Structured(_) => assert!(matches!(given.value, Some(UuidValue::Structured(_)))),
            }
            assert_eq!(given.read().unwrap(), id(proposed));
            assert_eq!(recorded.stream_identifier, Some(StreamIdentifier::of("s")));
            assert_eq!(recorded.stream_revision, revision);
            assert_eq!(recorded.commit_position, recorded.prepare_position);
            assert_eq!(event.commit_position, Some(recorded.commit_position));
            assert_eq!(event.link, None);
            assert_eq!(recorded.custom_metadata, proposed.custom_metadata);
            assert_eq!(recorded.data, proposed.data);
            let mut keys: Vec<_> = recorded.metadata.keys().map(String::as_str).collect();
            keys.sort_unstable();
            assert_eq!(keys, ["content-type", "created", "type"]);
            assert_eq!(recorded.metadata["type"], "happened");
            assert_eq!(recorded.metadata["content-type"], "application/json");
            let created: i64 = recorded.metadata["created"].parse().unwrap();
            assert!((crate::clock::now() - created).abs() < 600_000_000);
        }
    }
    server.end().await;
}

#[tokio::test]
async fn links_are_followed_when_asked() {
    let server = Server::start().await;
    let mut raw = Raw::new(&server).await;
    let event = |kind: &'static str, data: &str| {
        let mut message = proposed(data);
        message.metadata[0].value = kind.into();
        AppendContent::ProposedMessage(message)
    };
    raw.append(vec![options("target@home", any()), event("first", "0"), event("second", "1")]).await.unwrap();
    let links = ["1@target@home", "9@target@home", "0@nothing", "nonsense"].map(|data| event("$>", data));
    let content = [vec![options("links", any())], links.to_vec(), vec![event("plain", "x")]].concat();
    raw.append(content).await.unwrap();

    let unresolved = raw.read_to_end(read_options("links")).await;
    let resolved = raw.read_to_end(ReadOptions { resolve_links: true, ..read_options("links") }).await;
    let subscription = ReadOptions {
        resolve_links: true,
        count: Some(ReadCount::Subscription(Empty {})),
        ..read_options("links")
    };
    let mut answers = raw.read(subscription).await.unwrap();
    assert!(matches!(answers.message().await.unwrap().unwrap().content, Some(Content::Confirmation(_))));
    for (number, (plain, resolved)) in unresolved.into_iter().zip(resolved).enumerate() {
        assert_eq!(answers.message().await.unwrap().unwrap().content.as_ref(), Some(&resolved));
        let (Content::Event(plain), Content::Event(resolved)) = (plain, resolved) else { panic!("no event") };
        assert_eq!(plain.link, None);
        assert_eq!(plain.commit_position, resolved.commit_position);
        match number {
            0 => {
                let target = resolved.event.unwrap();
                assert_eq!((target.stream_revision, &target.data[..]), (1, &b"1"[..]));
                assert_eq!(target.stream_identifier, Some(StreamIdentifier::of("target@home")));
                assert_eq!(resolved.link, plain.event);
            }
            4 => assert_eq!((resolved.event, resolved.link), (plain.event, None)),
            _ => assert_eq!((resolved.event, resolved.link), (None, plain.event)),
        }
    }
    server.end().await;
}

#[tokio::test]
async fn a_read_is_told_the_first_and_last_revision() {
    let server = Server::start().await;
    let mut raw = Raw::new(&server).await;
    let events = (0..5).map(|number| AppendContent::ProposedMessage(proposed(&number.to_string())));
    raw.append([vec![options("s", any())], events.collect()].concat()).await.unwrap();
    let read = |revision, direction| {
        let mut options = read_options("s");
        options.control_option = Some(ControlOption { compatibility: 1 });
        options.read_direction = direction;
        let Some(ReadSource::Stream(source)) = &mut options.source else { panic!("no stream") };
        source.revision = Some(revision);
        options
    };
    let start = RevisionOption::Start(Empty {});
    let end = RevisionOption::End(Empty {});
    let short = |content: &Content| match content {
        Content::Event(event) => event.event.as_ref().unwrap().stream_revision.to_string(),
        Content::First(revision) => format!("first {revision}"),
        Content::Last(revision) => format!("last {revision}"),
        other => panic!("{other:?}"),
    };
    let mut check = async |revision, direction, expected: &[&str]| {
        let answers = raw.read_to_end(read(revision, direction)).await;
        assert_eq!(answers.iter().map(short).collect::<Vec<_>>(), expected);
    };
    check(start, 0, &["0", "1", "2", "3", "4", "last 4"]).await;
    check(RevisionOption::Revision(5), 0, &["last 4"]).await;
    check(RevisionOption::Revision(9), 0, &["first 5", "last 4"]).await;
    check(end, 0, &["last 4"]).await;
    check(end, 1, &["4", "3", "2", "1", "0", "last 4"]).await;

    let metadata = |text: &str| {
        let mut message = proposed(text);
        message.metadata[0].value = "$metadata".into();
        vec![options("$$s", any()), AppendContent::ProposedMessage(message)]
    };
    let mut other = Raw::new(&server).await;
    other.append(metadata(r#"{"$tb":3}"#)).await.unwrap();
    check(start, 0, &["first 3", "3", "4", "last 4"]).await;
    check(end, 1, &["4", "3", "last 4"]).await;
    other.append(metadata(r#"{"$tb":100}"#)).await.unwrap();
    check(start, 0, &["first 5", "last 4"]).await;
    check(end, 1, &["last 4"]).await;
    server.end().await;
}
