//! Rebuilds of two databases from which somebody walks away: who watches, and who does the work.

use std::process::Output;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;

use crate::harness::{Client, Daybook, Divided, HeldRebuilds, Line, Live, Proxy, Target, begin_within, run};

/// No step takes longer.
const STEP_TIME_MAX: Duration = Duration::from_secs(60);
/// How long a command may take to end after Ctrl-C.
const LEAVES_IN: Duration = Duration::from_secs(5);
/// Runs a program whose words on both outputs come by one.
const TOGETHER: [&str; 3] = ["sh", "-c", r#"exec "$0" "$@" 2>&1"#];

/// Somebody who watches a rebuild of `accounts`.
struct Watching {
    command: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Watching {
    fn begin(urls: &[String]) -> Self {
        let arguments = ["rebuild", "accounts", "--json", "--database-url", &urls.join(",")];
        let mut command = begin_within(&TOGETHER.map(str::to_owned), &arguments);
        let said = BufReader::new(command.stdout.take().unwrap()).lines();
        Self { command, said }
    }

    /// Waits until it shows how the rebuild goes.
    async fn shows(&mut self) {
        let line = async {
            while let Some(line) = self.said.next_line().await.unwrap() {
                if line.starts_with('{') {
                    return;
                }
            }
            panic!("it has ended");
        };
        timeout(STEP_TIME_MAX, line).await.expect("it shows something");
    }

    /// Ctrl-C, which ends it soon and with its word.
    async fn leaves(mut self) {
        let pid = i32::try_from(self.command.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::INT).unwrap();
        let ended = timeout(LEAVES_IN, self.command.wait()).await.expect("it leaves soon").unwrap();
        let mut said = Vec::new();
        while let Some(line) = self.said.next_line().await.unwrap() {
            said.push(line);
        }
        assert_eq!(ended.code(), Some(130), "{said:?}");
        assert!(said.iter().any(|line| line.contains("the rebuild goes on")), "{said:?}");
    }
}

async fn rebuild(urls: &[String], arguments: &[&str]) -> Output {
    run(&[&["rebuild", "--json", "--database-url", &urls.join(",")], arguments].concat()).await
}

/// Both databases as they are while rebuilds are held.
struct Both([HeldRebuilds; 2]);

impl Both {
    async fn meet(&mut self) {
        for held in &mut self.0 {
            held.meets_one().await;
        }
    }

    async fn live(&mut self) -> [Live; 2] {
        let [first, second] = &mut self.0;
        [first.live().await, second.live().await]
    }

    async fn states(&mut self) -> [String; 2] {
        let [first, second] = &mut self.0;
        [first.state().await, second.state().await]
    }
}

/// What the bank has is as it was, and goes on.
async fn is_open(client: &Client, accounts: &[String]) {
    for account in accounts {
        assert_eq!(client.balance(account).await, "5.00");
    }
    client.open("EUR").await;
}

#[tokio::test]
async fn whoever_leaves_a_rebuild_of_two_databases_leaves_the_live_tables_alone() {
    let mut daybook = Daybook::start().await;
    let urls = [daybook.another_database("north").await, daybook.another_database("south").await];
    let mut divided = Divided::of(&daybook, "interrupted", &urls);
    divided.start().await;
    let client = divided.operator(&daybook).await;
    let mut accounts = Vec::new();
    // Enough that both have some.
    for _ in 0..12 {
        accounts.push(client.open_with_euros("5.00").await);
    }
    is_open(&client, &accounts).await;
    let mut both = Both([HeldRebuilds::of(&urls[0]).await, HeldRebuilds::of(&urls[1]).await]);
    let live = both.live().await;

    // Who watches leaves; the work goes on.
    let mut watching = Watching::begin(&urls);
    both.meet().await;
    watching.shows().await;
    watching.leaves().await;
    assert_eq!((both.live().await, both.states().await), (live, ["running", "running"].map(str::to_owned)));
    is_open(&client, &accounts).await;

    // Also when a database does not answer.
    let line = Proxy::to(Target::Unix(daybook.cluster().join(".s.PGSQL.5432")));
    let far = format!("postgres://daybook@{}/north?sslmode=disable", line.address());
    let mut watching = Watching::begin(&[far, urls[1].clone()]);
    watching.shows().await;
    line.set(Line::Stalled);
    watching.leaves().await;
    line.set(Line::Open);

    // Who does the work leaves in good order, and takes it up again when it is back.
    divided.projector.interrupt();
    divided.projector.stopped().await;
    assert_eq!((both.live().await, both.states().await), (live, ["running", "running"].map(str::to_owned)));
    divided.projector.start().await;
    is_open(&client, &accounts).await;

    // Stopped by somebody's wish.
    let stopped = rebuild(&urls, &["--stop"]).await;
    assert_eq!(stopped.status.code(), Some(1), "{stopped:?}");
    assert_eq!((both.live().await, both.states().await), (live, ["stopped", "stopped"].map(str::to_owned)));
    is_open(&client, &accounts).await;

    // Asked for again, it comes to its end.
    for held in &mut both.0 {
        held.let_go().await;
    }
    let done = rebuild(&urls, &["accounts"]).await;
    assert!(done.status.success(), "{done:?}");
    let said = String::from_utf8(done.stdout).unwrap();
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for number in [1, 2] {
        let done = lines.iter().rfind(|line| line["database"] == number).unwrap();
        let table = &done["report"]["tables"][0];
        assert_eq!((&done["state"], &table["live"]), (&"done".into(), &table["rebuilt"]), "{done}");
    }
    is_open(&client, &accounts).await;
    assert!(both.live().await.iter().all(|live| live.is_another), "they are exchanged");
    divided.stop().await;
    daybook.stop().await;
}
