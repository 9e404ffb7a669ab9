//! `kill -9` in the middle of appends: this test binary runs itself as the victim.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::support::*;
use crate::ExpectedRevision::Any;
use crate::*;

const DIR: &str = "EVENTSTORE_CRASH_DIR";
const WRITERS: usize = 8;

/// The victim; does nothing unless it is started by the test below.
#[test]
fn victim() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let mut options = options(std::path::Path::new(&dir));
    options.index_batch_events = 100;
    let node = Node::open(options).unwrap();
    run(async {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let node = node.clone();
                tokio::spawn(async move {
                    loop {
                        let (data, stream) = (Uuid::new_v4().to_string(), format!("writer-{writer}"));
                        let batch = vec![
                            part(&stream, Any, vec![fresh(&data)]),
                            part("common", Any, vec![fresh(&data), fresh(&data)]),
                        ];
                        let appended = node.append(batch).await.unwrap();
                        let StreamAppended { revision, position, .. } = appended.streams[0];
                        writeln!(std::io::stdout(), "acked {stream} {revision} {position} {data}").unwrap();
                        let gone = format!("gone-{data}");
                        node.tombstone_stream(&gone, Any).await.unwrap();
                        writeln!(std::io::stdout(), "gone {gone}").unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
    });
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut acked = BTreeMap::new();
    let mut tombstones = Vec::new();
    for round in 1..=3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["tests::crash::victim", "--exact", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let mut count = 0;
        while lines.read_line(&mut line).unwrap() > 0 {
            // The last line may be torn by the kill; a whole one ends with a line break.
            if let Some(words) = line.strip_prefix("acked ").and_then(|words| words.strip_suffix('\n')) {
                let words: Vec<_> = words.split(' ').map(str::to_owned).collect();
                let position: u64 = words[2].parse().unwrap();
                acked
                    .insert(position, (words[0].clone(), words[1].parse::<u64>().unwrap(), words[3].clone()));
                count += 1;
            }
            if let Some(stream) = line.strip_prefix("gone ").and_then(|stream| stream.strip_suffix('\n')) {
                tombstones.push(stream.to_owned());
            }
            if count == 300 * round {
                child.kill().unwrap();
            }
            line.clear();
        }
        child.wait().unwrap();
        assert!(count >= 300 * round, "{count}");

        let node = open(dir.path());
        let events = all(&node);
        let by_position: BTreeMap<_, _> = events.iter().map(|event| (event.position, event)).collect();
        for (position, (stream, revision, text)) in &acked {
            let event = by_position[position];
            assert_eq!(
                (&*event.stream, event.revision, data(event)),
                (stream.as_str(), *revision, text.clone())
            );
        }
        for stream in &tombstones {
            gone(&node, stream);
        }
        // Whole batches only, and streams without gaps.
        let events: Vec<_> = events.into_iter().filter(|event| event.revision != DELETED_REVISION).collect();
        assert_eq!(events.len() % 3, 0);
        for batch in events.chunks(3) {
            assert!(batch.iter().all(|event| event.data == batch[0].data));
        }
        let streams = (0..WRITERS).map(|writer| format!("writer-{writer}")).chain(["common".to_owned()]);
        for stream in streams {
            let expected: Vec<_> = events.iter().filter(|event| *event.stream == *stream).map(data).collect();
            assert_eq!(stream_data(&node, &stream), expected);
        }
        stop(node);
    }
}
