//! Two query processes read a month while it leaves the database. One of them is far from it, and acts on what it heard of it seconds ago.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::bank::Bank;
use crate::harness::{Daybook, Line, Program, Proxy, Target, free_address};

/// How late a question arrives at the far one's database, and the answer once more.
const LATE: Duration = Duration::from_millis(150);
/// Between two reads.
const PAUSE: Duration = Duration::from_millis(10);

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
    let readers = clients.map(|client| {
        let (path, expected, enough) = (path.clone(), expected.clone(), enough.clone());
        tokio::spawn(async move {
            let mut reads = 0;
            while !enough.is_cancelled() {
                let answer = client.get(&path).await;
                if answer.status == 503 {
                    // It needed another connection, which took too long from so far away.
                    answer.refuses(503, "database_unavailable");
                    continue;
                }
                assert_eq!(answer.is(200), expected, "after {reads} reads");
                reads += 1;
                tokio::time::sleep(PAUSE).await;
            }
            reads
        })
    });
    let done = during.await;
    enough.cancel();
    for reader in readers {
        let reads = reader.await.unwrap();
        assert!(reads > 3, "{reads} reads say little");
    }
    far.line.set(Line::Open);
    far.query.stop().await;
    done
}
