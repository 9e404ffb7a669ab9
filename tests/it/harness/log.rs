//! The log, by EventStoreDB's protocol and its official client.

use eventstore::{Client, ReadAllOptions, StreamPosition};

/// A client that does not wait before its first call.
pub(crate) fn log_client(url: &str) -> Client {
    let separator = if url.contains('?') { '&' } else { '?' };
    Client::new(format!("{url}{separator}discoveryInterval=1").parse().unwrap()).unwrap()
}

/// The position of the newest event that is not the log's own.
pub(crate) async fn last_event(log: &str) -> u64 {
    let backwards = ReadAllOptions::default().backwards().position(StreamPosition::End);
    let mut events = log_client(log).read_all(&backwards).await.unwrap();
    loop {
        let event = events.next().await.unwrap().unwrap();
        let event = event.get_original_event();
        if !event.stream_id().starts_with('$') {
            return event.position.commit;
        }
    }
}
