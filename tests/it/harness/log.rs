//! The log, by EventStoreDB's protocol and its official client.

use eventstore::Client;

/// A client that does not wait before its first call.
pub(crate) fn log_client(url: &str) -> Client {
    let separator = if url.contains('?') { '&' } else { '?' };
    Client::new(format!("{url}{separator}discoveryInterval=1").parse().unwrap()).unwrap()
}
