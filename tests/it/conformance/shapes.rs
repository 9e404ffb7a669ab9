//! Events and names of every shape come back as they were given.

use bytes::Bytes;
use eventstore_node::ExpectedRevision::{Any, NoStream};
use eventstore_node::ProposedEvent;

use super::door::Door;
use super::{every_door, happened, unique};

/// EventStoreDB's bound on an append is 1 MiB, types and what it adds included.
const NEARLY_A_MEBIBYTE: usize = 1024 * 1024 - 4096;

async fn comes_back(door: &Door, proposed: Vec<ProposedEvent>) {
    let stream = unique("shapes");
    door.append(&stream, NoStream, proposed.clone()).await.unwrap();
    let read = door.stream(&stream).await.unwrap();
    assert_eq!(read.len(), proposed.len());
    for (read, proposed) in read.iter().zip(proposed) {
        assert_eq!(
            (read.id, &*read.event_type, &*read.stream),
            (proposed.id, &*proposed.event_type, &*stream)
        );
        assert!(read.data == proposed.data, "the data is another");
        assert!(read.metadata == proposed.metadata, "the metadata is another");
        assert_eq!(read.is_json, proposed.is_json);
    }
}

fn binary(data: Bytes, metadata: Bytes) -> ProposedEvent {
    ProposedEvent { is_json: false, data, metadata, ..happened("") }
}

#[tokio::test]
async fn an_event_may_be_empty() {
    every_door(async |door| comes_back(&door, vec![binary(Bytes::new(), Bytes::new())]).await).await;
}

#[tokio::test]
async fn an_event_is_any_bytes() {
    every_door(async |door| {
        let bytes: Bytes = (0..=u8::MAX).collect();
        let reversed: Bytes = (0..=u8::MAX).rev().collect();
        comes_back(&door, vec![binary(bytes, reversed)]).await;
    })
    .await;
}

#[tokio::test]
async fn json_stays_as_it_was_written() {
    every_door(async |door| {
        let json = Bytes::from_static("{\"b\" : 1.50, \"a\":\"\\u00e9 é\",  \"a\":[ ]}".as_bytes());
        comes_back(&door, vec![ProposedEvent { data: json, ..happened("") }]).await;
    })
    .await;
}

#[tokio::test]
async fn an_event_may_be_nearly_as_large_as_an_append() {
    every_door(async |door| {
        let large: Bytes = (0..NEARLY_A_MEBIBYTE).map(|at| (at % 251) as u8).collect();
        comes_back(&door, vec![binary(large.clone(), Bytes::new())]).await;
        comes_back(&door, vec![binary(Bytes::new(), large)]).await;
    })
    .await;
}

#[tokio::test]
async fn large_and_small_events_stand_side_by_side() {
    every_door(async |door| {
        let sizes = [0, 1, 300_000, 7, 64 * 1024, 65_537, 0, 200_000];
        let events = sizes.map(|size| binary(vec![size as u8; size].into(), Bytes::new()));
        comes_back(&door, events.to_vec()).await;
    })
    .await;
}

#[tokio::test]
async fn a_type_is_any_text() {
    every_door(async |door| {
        let types = ["a", "Řízení účtů", "two words", "事件", "with/slash?and=more", "🦀"];
        let events = types.map(|event_type| ProposedEvent { event_type: event_type.into(), ..happened("") });
        comes_back(&door, events.to_vec()).await;
    })
    .await;
}

#[tokio::test]
async fn a_stream_name_is_any_text() {
    every_door(async |door| {
        let unusual = [
            "two words",
            "Účet číslo",
            "流",
            "🦀",
            "$ours",
            "a$b",
            "a-b-c",
            "a/b?c=d&e#f",
            "a%20b",
            "::",
            "\"'\\",
            "\t",
            "ALL",
            "all",
        ];
        for name in unusual {
            let stream = unique(name);
            let written =
                door.append(&stream, Any, vec![happened(name.trim_matches(['"', '\'', '\\', '\t']))]).await;
            let written = written.unwrap();
            let read = door.stream(&stream).await.unwrap();
            assert_eq!((read.len(), &*read[0].stream), (1, &*stream));
            let log = door.log(written.position, written.position).await;
            assert_eq!(log, read);
        }
    })
    .await;
}

#[tokio::test]
async fn names_differ_by_every_byte() {
    every_door(async |door| {
        let stream = unique("Case");
        let others =
            [stream.to_lowercase(), stream.to_uppercase(), format!("{stream} "), format!(" {stream}")];
        for stream in others.iter().chain([&stream]) {
            door.append(stream, NoStream, vec![happened("")]).await.unwrap();
        }
    })
    .await;
}
