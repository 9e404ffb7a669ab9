//! Two query processes read a month while it leaves the database. One of them is far from it, and acts on what it heard of it seconds ago.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::bank::Bank;
use crate::harness::{Daybook, Line, Program, Proxy, Target, free_address, until};

/// How late a question arrives at the far one's database, and the answer once more.
const LATE: Duration = Duration::from_millis(150);
/// Between two reads.
const PAUSE: Duration = Duration::from_millis(10);
/// Fewer reads say little.
const READS_MIN: usize = 4;
/// How long they may take.
const READS_TIME_MAX: Duration = Duration::from_secs(60);

/// What a far query process and its line are.
struct Far {
    line: Proxy,
    query: Program,
}

impl Far {
    async fn start(daybook: &Daybook) -> Self {
        let line = Proxy::to(Target::Unix(daybook.cluster().join(".s.PGSQL.5432")));
        let database = format!("postgres://daybook@{}/daybook?sslmode=disable", line.address());
        let (place, http, log) = (daybook.dir().to_str().unwrap(), free_address(), daybook.log());
        let arguments = ["serve", "query", "--http", &http, "--event-store", log, "--data-dir", place];
        let arguments = [&arguments[..], &["--database-url", &database]].concat();
        let mut query = Program::new(&arguments, daybook.dir().join("far.log"));
        query.start().await;
        Self { line, query }
    }
}

/// Both read a month of an account again and again for as long as something goes on; whatever they are answered is the same every time.
pub(super) async fn the_same_all_the_while<T>(
    daybook: &Daybook,
    bank: &Bank,
    month: &str,
    during: impl Future<Output = T>,
) -> T {
    let mut far = Far::start(daybook).await;
    let path = format!("/api/v1/transactions/{}/month/{month}?first=100", bank.accounts[0]);
    let expected = bank.client.get(&path).await.is(200);
    // Neither has written anything that a read would wait for.
    let clients = [daybook.operator("near").await, far.query.operator(daybook.dir()).await];
    for client in &clients {
        assert_eq!(client.get(&path).await.is(200), expected);
    }
    far.line.set(Line::Slow(LATE));
    let enough = CancellationToken::new();
    let counts = [0, 0].map(|none| Arc::new(AtomicUsize::new(none)));
    let readers = clients.into_iter().zip(&counts).map(|(client, reads)| {
        let (path, expected, enough, reads) = (path.clone(), expected.clone(), enough.clone(), reads.clone());
        tokio::spawn(async move {
            while !enough.is_cancelled() {
                tokio::time::sleep(PAUSE).await;
                let answer = client.get(&path).await;
                if answer.status == 503 {
                    // It needed another connection, which took too long from so far away.
                    answer.refuses(503, "database_unavailable");
                    continue;
                }
                assert_eq!(answer.is(200), expected, "after {reads:?} reads");
                reads.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    let done = during.await;
    until("both have read often enough", READS_TIME_MAX, async || {
        let reads = counts.iter().map(|reads| reads.load(Ordering::Relaxed)).min();
        (reads >= Some(READS_MIN) || readers.iter().any(JoinHandle::is_finished)).then_some(())
    })
    .await;
    enough.cancel();
    for reader in readers {
        reader.await.unwrap();
    }
    far.line.set(Line::Open);
    far.query.stop().await;
    done
}
