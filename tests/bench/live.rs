//! Live updates: how soon a subscriber hears of an accepted transfer, and what idle subscribers cost.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream;
use futures::{SinkExt, StreamExt};
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, SEC_WEBSOCKET_PROTOCOL};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::load::{Accepted, Load, Traffic, run as offer};
use crate::parts::{load, wait_for_projections};
use crate::server::Server;
use crate::{Plan, accounts, machine};

const ACCOUNTS: usize = 10_000;
/// Half of the 5,000 transfers a second that the projections are to keep up with.
const HALF_LOAD: u64 = 2_500;
/// Each listens to as many accounts as one connection may.
const SOCKETS: usize = 10;
const ACCOUNTS_EACH: usize = 100;
/// One in so many transfers is listened to by itself.
const TRANSFERS_HEARD: usize = 64;
const IDLE: usize = 5_000;
/// Connections made at a time.
const OPENING: usize = 64;
/// More than any update takes.
const LAST_UPDATE: Duration = Duration::from_secs(5);

const ACTIVITY: &str = "subscription($id: ID!, $after: BigInt) { accountActivity(accountId: $id, after: $after) \
                        { position id transferId amount type balanceAfter counterparty bookedAt } }";
const UPDATES: &str = "subscription($id: ID!) { transferUpdated(id: $id) { id position status } }";

type Socket = WebSocketStream<TcpStream>;

pub async fn run(plan: &Plan) {
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { ..files });
    for rate in [HALF_LOAD, plan.rate / 2] {
        hearing(plan, rate).await;
    }
    println!("\n## {IDLE} idle subscribers of one process, each with a connection of its own");
    idle("WebSocket", async |server: &Server, account: &str| {
        Kept::Socket(idle_socket(server, account).await)
    })
    .await;
    idle("server-sent events", async |server: &Server, account: &str| {
        let (sender, events) = idle_events(server, account).await;
        Kept::Events(sender, events)
    })
    .await;
}

/// How soon subscribers hear, while transfers are offered at this rate.
async fn hearing(plan: &Plan, rate: u64) {
    println!(
        "\n## Accepted to subscriber by WebSocket, everything running, {rate} transfers/s offered, {} accounts listened to",
        SOCKETS * ACCOUNTS_EACH
    );
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path(), &["--log", "warn"]).await;
    let ids = accounts::open(&server, ACCOUNTS).await;
    let (mut listeners, arrivals) = (JoinSet::new(), Arrivals::default());
    for heard in ids.chunks(ACCOUNTS_EACH).take(SOCKETS) {
        let mut socket = socket(&server).await;
        for account in heard {
            subscribe(&mut socket, account, ACTIVITY, &json!({ "id": account })).await;
        }
        listeners.spawn(listen(socket, Arc::clone(&arrivals)));
    }
    wait_for_projections(&server).await;
    let traffic = Traffic { from: ids.as_slice().into(), to: ids.as_slice().into() };
    let steady =
        |name: &str, duration| Load { rate: Some(rate), ..load(&server, traffic.clone(), duration, name) };
    offer(steady("warm-up", Duration::from_secs(3))).await;

    let (told, accepted) = mpsc::unbounded_channel();
    let following = tokio::spawn(follow(socket(&server).await, accepted));
    let duration = plan.duration().min(Duration::from_secs(30));
    let before = machine::cpu(server.pid());
    let own = machine::own_cpu();
    let outcome = offer(Load { accepted: Some(told), ..steady("live", duration) }).await;
    let (cores, generator) =
        (machine::cpu(server.pid()).since(&before, outcome.seconds), machine::own_cpu() - own);
    let (accepted, updates) = following.await.unwrap();
    tokio::time::sleep(LAST_UPDATE).await;
    listeners.shutdown().await;
    println!(
        "  accepted {:>6.0}/s, 202 p50 {:.2} ms, p99 {:.2} ms   ({} refused)",
        outcome.rate(),
        outcome.ms(0.5),
        outcome.ms(0.99),
        outcome.refused
    );
    report(&accepted, &arrivals.lock());
    println!("  from the 202 to transferUpdated COMPLETED, subscribed to after the 202   {}", line(&updates));
    println!("  cores used: {cores}, load generator and subscribers {:.2}", generator / outcome.seconds);
    server.stop();
}

/// From a transfer's id to when it was due and when it was answered.
type Answers = HashMap<String, (Instant, Instant)>;

fn report(accepted: &Answers, arrivals: &[(Instant, String)]) {
    for side in ["DEBIT", "CREDIT"] {
        let (mut answered, mut due) = (histogram(), histogram());
        for (arrived, text) in arrivals {
            let message: Value = serde_json::from_str(text).unwrap();
            let entry = &message["payload"]["data"]["accountActivity"];
            assert!(entry["transferId"].is_string(), "no entry: {text}");
            if entry["type"] != side {
                continue;
            }
            // Those of the warm-up are not known.
            if let Some((due_at, answered_at)) = accepted.get(entry["transferId"].as_str().unwrap()) {
                record(&mut answered, arrived.saturating_duration_since(*answered_at));
                record(&mut due, arrived.saturating_duration_since(*due_at));
            }
        }
        println!("  from the 202 to the {side} in accountActivity   {}", line(&answered));
        println!("  … from when the request was due                {}", line(&due));
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new(3).unwrap()
}

fn record(histogram: &mut Histogram<u64>, time: Duration) {
    histogram.record(u64::try_from(time.as_micros()).unwrap()).unwrap();
}

fn line(times: &Histogram<u64>) -> String {
    let ms = |quantile| times.value_at_quantile(quantile) as f64 / 1e3;
    format!(
        "p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms   ({} of them)",
        ms(0.5),
        ms(0.99),
        ms(1.0),
        times.len()
    )
}

/// Notes the accepted transfers, and listens to some of them by themselves until they have ended.
async fn follow(
    socket: Socket,
    mut accepted: mpsc::UnboundedReceiver<Accepted>,
) -> (Answers, Histogram<u64>) {
    let (mut asks, mut hears) = socket.split();
    let (mut answers, mut times, mut open) = (Answers::new(), histogram(), HashMap::new());
    let (mut number, mut all) = (0_usize, false);
    while !all || !open.is_empty() {
        tokio::select! {
            told = accepted.recv(), if !all => {
                let Some(told) = told else {
                    all = true;
                    continue;
                };
                let answer: Value = serde_json::from_slice(&told.body).unwrap();
                let id = answer["transfer_id"].as_str().unwrap().to_owned();
                number += 1;
                // A connection has so many subscriptions and no more.
                if number.is_multiple_of(TRANSFERS_HEARD) && open.len() < ACCOUNTS_EACH {
                    subscribe(&mut asks, &id, UPDATES, &json!({ "id": id })).await;
                    open.insert(id.clone(), told.answered);
                }
                answers.insert(id, (told.due, told.answered));
            }
            message = tokio::time::timeout(LAST_UPDATE, hears.next()) => {
                let Some(Ok(Message::Text(text))) = message.expect("an update in time") else { continue };
                let message: Value = serde_json::from_str(&text).unwrap();
                let update = &message["payload"]["data"]["transferUpdated"];
                if update["status"] == "COMPLETED" {
                    let answered = open.remove(update["id"].as_str().unwrap()).unwrap();
                    record(&mut times, answered.elapsed());
                }
            }
        }
    }
    (answers, times)
}

/// What was heard, and when.
type Arrivals = Arc<Mutex<Vec<(Instant, String)>>>;

async fn listen(mut socket: Socket, arrivals: Arrivals) {
    while let Some(message) = socket.next().await {
        if let Message::Text(text) = message.unwrap() {
            arrivals.lock().push((Instant::now(), text.as_str().to_owned()));
        }
    }
}

/// A connection that has been let in.
async fn socket(server: &Server) -> Socket {
    let stream = TcpStream::connect(server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut request = format!("ws://{}/graphql", server.address).into_client_request().unwrap();
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, "graphql-transport-ws".parse().unwrap());
    request.headers_mut().insert(AUTHORIZATION, format!("Bearer {}", server.token).parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    socket.send(Message::text(r#"{"type":"connection_init"}"#)).await.unwrap();
    let answer = socket.next().await.unwrap().unwrap();
    assert!(answer.to_text().unwrap().contains("connection_ack"), "{answer}");
    socket
}

async fn subscribe(
    asks: &mut (impl SinkExt<Message, Error = impl std::fmt::Debug> + Unpin),
    id: &str,
    query: &str,
    variables: &Value,
) {
    let payload = json!({ "query": query, "variables": variables });
    let message = json!({ "id": id, "type": "subscribe", "payload": payload });
    asks.send(Message::text(message.to_string())).await.unwrap();
}

/// A subscriber that has been told everything and has nothing more to hear.
enum Kept {
    Socket(#[expect(dead_code, reason = "it is held open")] Box<Socket>),
    Events(
        #[expect(dead_code, reason = "it is held open")] http1::SendRequest<Full<Bytes>>,
        #[expect(dead_code, reason = "it is held open")] Incoming,
    ),
}

/// What so many subscribers cost, each to an account of its own. Each has heard the account's one entry: it is listened to.
async fn idle(name: &str, subscriber: impl AsyncFn(&Server, &str) -> Kept) {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path(), &["--http-connections", "8192", "--log", "warn"]).await;
    let ids = accounts::open(&server, IDLE).await;
    wait_for_projections(&server).await;
    // One comes and goes: what the first of them starts is not a subscriber's cost.
    drop(subscriber(&server, &ids[0]).await);
    let (before, _) = machine::memory(server.pid());
    let opening = Instant::now();
    let kept: Vec<Kept> =
        stream::iter(&ids).map(|id| subscriber(&server, id)).buffer_unordered(OPENING).collect().await;
    let seconds = opening.elapsed().as_secs_f64();
    let (after, peak) = machine::memory(server.pid());
    let cpu = machine::cpu(server.pid()).total();
    tokio::time::sleep(LAST_UPDATE).await;
    let idle = (machine::cpu(server.pid()).total() - cpu) / LAST_UPDATE.as_secs_f64();
    println!(
        "  {name}: resident memory {before} MiB before, {after} MiB with {} of them, {} MiB more ({:.1} KiB each), peak {peak} MiB; \
         opened in {seconds:.1} s; {idle:.3} cores while idle",
        kept.len(),
        after.saturating_sub(before),
        after.saturating_sub(before) as f64 * 1024.0 / kept.len() as f64,
    );
    drop(kept);
    server.stop();
}

async fn idle_socket(server: &Server, account: &str) -> Box<Socket> {
    let mut socket = socket(server).await;
    subscribe(&mut socket, "1", ACTIVITY, &json!({ "id": account, "after": "0" })).await;
    let entry = socket.next().await.unwrap().unwrap();
    assert!(entry.to_text().unwrap().contains("CREDIT"), "{entry}");
    Box::new(socket)
}

async fn idle_events(server: &Server, account: &str) -> (http1::SendRequest<Full<Bytes>>, Incoming) {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let body = json!({ "query": ACTIVITY, "variables": { "id": account, "after": "0" } }).to_string();
    let request = Request::post("/graphql")
        .header(HOST, server.address.to_string())
        .header(AUTHORIZATION, format!("Bearer {}", server.token))
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "text/event-stream")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let mut events = sender.send_request(request).await.unwrap().into_body();
    loop {
        let frame = events.frame().await.unwrap().unwrap();
        if frame.data_ref().is_some_and(|data| data.windows(6).any(|text| text == b"CREDIT")) {
            return (sender, events);
        }
    }
}
