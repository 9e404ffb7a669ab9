//! A rebuild whose connections to Postgres say nothing any more, as when the machine on the other side hangs. Everybody else goes on.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Client, Daybook, HeldRebuilds, cents, run, until};

/// How long it may take until a rebuild notices: more than an answer may take, and than it may stand still.
const NOTICE_TIME_MAX: Duration = Duration::from_secs(40);
/// No other step takes longer, with others at work on the machine.
const STEP_TIME_MAX: Duration = Duration::from_secs(60);

/// The session that looks for requests, and notes how it goes: it holds the right to rebuild.
const JOURNAL: &str = "
    select pid from pg_locks where locktype = 'advisory' and granted and classid = x'64617962'::int and objid = x'6f6f6b02'::int";
/// Those that wait for a word of the rebuild, once all others wait to be let go: one that came to that later would be at work for ever.
const IDLE: &str = "
    select array_agg(pid) filter (where state like 'idle%') from pg_stat_activity
    where application_name = 'daybook-rebuild' and pid <> all($1)
    having bool_and(state like 'idle%' or wait_event = 'advisory' and wait_event_type = 'Lock')";

/// Sessions of Postgres that are stopped; they go on when this ends.
struct Asleep(Vec<Pid>);

impl Asleep {
    fn these(sessions: &[i32]) -> Self {
        assert!(!sessions.is_empty());
        let asleep = Self(sessions.iter().map(|pid| Pid::from_raw(*pid).unwrap()).collect());
        for pid in &asleep.0 {
            kill_process(*pid, Signal::STOP).unwrap();
        }
        asleep
    }
}

impl Drop for Asleep {
    fn drop(&mut self) {
        for pid in &self.0 {
            let _ = kill_process(*pid, Signal::CONT);
        }
    }
}

async fn begin(daybook: &Daybook, held: &mut HeldRebuilds) -> Vec<i32> {
    let place = daybook.dir().to_str().unwrap();
    let asked = run(&["rebuild", "accounts", "--no-wait", "--data-dir", place]).await;
    assert!(asked.status.success(), "{asked:?}");
    held.meets_one().await;
    sqlx::query_scalar(JOURNAL).fetch_all(&mut held.db).await.unwrap()
}

/// Waits until the rebuild has given up for now; nothing else has, nor has anything of the live ones changed.
async fn gives_up(daybook: &Daybook, held: &mut HeldRebuilds, bank: &Client, account: &str, why: &str) {
    let (said_before, live) = (daybook.said().len(), held.live().await);
    // Something that the rebuild has not seen yet, so that it is held when it is taken up again.
    bank.deposit(account, "1.00").await;
    until("the rebuild gives up", NOTICE_TIME_MAX, async || {
        let said = daybook.said().split_off(said_before);
        let told = |line: &str| line.contains("a rebuild's database or log is") && line.contains(why);
        said.lines().any(told).then_some(())
    })
    .await;
    assert_eq!((held.live().await, held.state().await.as_str()), (live, "running"));
    let on_it = cents(&bank.balance(account).await);
    bank.deposit(account, "1.00").await;
    assert_eq!(cents(&bank.balance(account).await), on_it + 100);
}

#[tokio::test]
async fn a_rebuild_that_hears_nothing_gives_up_in_time_and_goes_on_later() {
    let mut daybook = Daybook::start_with(&["--log", "info,projector=debug"]).await;
    let bank = daybook.operator("silent").await;
    let account = bank.open_with_euros("5.00").await;
    assert_eq!(bank.balance(&account).await, "5.00");
    let mut held = HeldRebuilds::of(&daybook.database_url()).await;

    // Nobody answers what it asks by the way.
    let journal = begin(&daybook, &mut held).await;
    let asleep = Asleep::these(&journal);
    gives_up(&daybook, &mut held, &bank, &account, "timed out").await;
    drop(asleep);
    ends(&mut held).await;

    // Nobody answers what it does in between: who writes has come to its end, and there it stays.
    let mut held = HeldRebuilds::of(&daybook.database_url()).await;
    let journal = begin(&daybook, &mut held).await;
    let idle: Vec<i32> = until("everybody waits", STEP_TIME_MAX, async || {
        let idle = sqlx::query_scalar::<_, Option<Vec<i32>>>(IDLE).bind(&journal);
        idle.fetch_optional(&mut held.db).await.unwrap().flatten()
    })
    .await;
    let asleep = Asleep::these(&idle);
    held.let_go().await;
    held.hold().await;
    gives_up(&daybook, &mut held, &bank, &account, "nothing comes any more").await;
    drop(asleep);
    ends(&mut held).await;
    daybook.check().await;
    daybook.stop().await;
}

/// The rebuild is taken up again, and comes to its end.
async fn ends(held: &mut HeldRebuilds) {
    held.let_go().await;
    until("the rebuild ends", STEP_TIME_MAX, async || (held.state().await == "done").then_some(())).await;
}
