//! Places that reads tell of beside the events.

use eventstore::{ReadEvent, ReadStreamOptions, StreamPosition};

use super::{append, every_server, unique};

#[tokio::test]
async fn a_read_tells_the_last_revision() {
    every_server(async |client| {
        let stream = unique("told");
        for _ in 0..5 {
            append(&client, &stream, "happened").await;
        }
        let forward = ReadStreamOptions::default().max_count(2);
        let backward = ReadStreamOptions::default().position(StreamPosition::End).max_count(2);
        for options in [forward, backward] {
            let mut read = client.read_stream(&*stream, &options).await.unwrap();
            let mut last = None;
            let mut events = 0;
            while let Some(said) = read.next_read_event().await.unwrap() {
                match said {
                    ReadEvent::Event(_) => events += 1,
                    ReadEvent::LastStreamPosition(revision) => last = Some(revision),
                    _ => panic!("neither an event nor the last revision"),
                }
            }
            assert_eq!((events, last), (2, Some(4)));
        }
    })
    .await;
}
