//! What an event store must do, whichever door one comes in by.
//!
//! Each case runs through every door: a call in this process, EventStoreDB's protocol on the embedded node, and the
//! server that `ESDB_URL` names if it is set (`ESDB_URL=esdb://localhost:2113?tls=false cargo test -p ledger-tests
//! conformance`). Names of streams are unique, so other data there does no harm. What only the protocol has is in
//! `protocol/`, run on every server. `foreign.rs` runs clients that nobody here wrote.

mod appends;
mod auditors;
mod deletes;
mod door;
mod following;
mod foreign;
mod idempotency;
mod metadata;
mod protocol;
mod reads;
mod server;
mod shapes;
mod subscriptions;

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use eventstore::Client;
use eventstore_node::{ProposedEvent, RecordedEvent, Uuid};
use futures::FutureExt;
use futures::future::join_all;

use crate::harness::log_client;
use door::Door;
pub(crate) use foreign::Foreign;
use server::Server;

/// No case takes longer.
const CASE_TIME_MAX: Duration = Duration::from_secs(60);

/// A server that is named to be tested, too.
const SERVER_VARIABLE: &str = "ESDB_URL";

/// Runs a case through each door at the same time; a failure names the doors.
async fn every_door(case: impl AsyncFn(Door)) {
    let server = Server::shared().await;
    let mut doors = vec![
        ("the node in this process", Door::InProcess(server.node.clone())),
        ("gRPC", Door::grpc(server.url())),
    ];
    if let Ok(url) = std::env::var(SERVER_VARIABLE) {
        doors.push((SERVER_VARIABLE, Door::grpc(&url)));
    }
    all_pass(join_all(doors.into_iter().map(|(name, door)| attempt(name, case(door)))).await);
}

/// Runs a case on each server at the same time; a failure names the servers.
async fn every_server(case: impl AsyncFn(Client)) {
    let server = Server::shared().await;
    let mut servers = vec![("the embedded node", log_client(server.url()))];
    if let Ok(url) = std::env::var(SERVER_VARIABLE) {
        servers.push((SERVER_VARIABLE, log_client(&url)));
    }
    all_pass(join_all(servers.into_iter().map(|(name, client)| attempt(name, case(client)))).await);
}

async fn attempt(name: &'static str, case: impl Future<Output = ()>) -> Result<(), String> {
    let case = tokio::time::timeout(CASE_TIME_MAX, case);
    match AssertUnwindSafe(case).catch_unwind().await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(format!("through {name}: not within {CASE_TIME_MAX:?}")),
        Err(panic) => Err(format!("through {name}: {}", message(&*panic))),
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked")
}

#[track_caller]
fn all_pass(results: Vec<Result<(), String>>) {
    let failures: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A name that no other stream has.
fn unique(name: &str) -> String {
    format!("{name}-{}", Uuid::new_v4().simple())
}

/// An event with an id of its own that is told by its data.
fn happened(data: &str) -> ProposedEvent {
    ProposedEvent {
        id: Uuid::new_v4(),
        event_type: "happened".into(),
        is_json: true,
        data: format!("{{\"what\":\"{data}\"}}").into(),
        metadata: format!("about {data}").into(),
    }
}

/// This many events, told by their numbers from 0 on.
fn events(count: usize) -> Vec<ProposedEvent> {
    (0..count).map(|number| happened(&number.to_string())).collect()
}

fn ids(events: &[RecordedEvent]) -> Vec<Uuid> {
    events.iter().map(|event| event.id).collect()
}

fn proposed_ids(events: &[ProposedEvent]) -> Vec<Uuid> {
    events.iter().map(|event| event.id).collect()
}

fn revisions(events: &[RecordedEvent]) -> Vec<u64> {
    events.iter().map(|event| event.revision).collect()
}
