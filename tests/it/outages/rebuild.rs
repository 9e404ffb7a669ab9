//! Rebuilding projections while the bank goes on: killed in the middle, compared, switched, switched back.

use std::process::Output;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::load::Load;
use crate::harness::{Client, Daybook, POSITION, months, run, text, until};

/// How long a step of a rebuild may take, with others at work on the machine.
const STEP_TIME_MAX: Duration = Duration::from_secs(60);

/// Makes one table of a build so slow that it can be met in the middle; the live one is as fast as ever.
const SLOW_BUILD: &str = "
    create function is_booked(place oid) returns boolean language plpgsql as $$
    begin
        if (select relnamespace::regnamespace::text from pg_class where oid = place) = 'rebuild' then
            perform pg_sleep(2);
        end if;
        return true;
    end $$;
    alter table trial_balance add constraint is_booked check (is_booked(tableoid)) not valid;";
const FAST_BUILD: &str = "
    create or replace function is_booked(place oid) returns boolean language sql as 'select true'";

async fn database(daybook: &Daybook) -> PgConnection {
    PgConnection::connect(&daybook.database_url()).await.unwrap()
}

async fn rebuild(daybook: &Daybook, arguments: &[&str]) -> Output {
    let place = daybook.dir().to_str().unwrap();
    run(&[&["rebuild", "--data-dir", place], arguments].concat()).await
}

/// What it prints in the end, as JSON, when it does what it should.
async fn rebuilt(daybook: &Daybook, arguments: &[&str]) -> Value {
    let output = rebuild(daybook, &[arguments, &["--json"]].concat()).await;
    assert!(output.status.success(), "{output:?}\n{}", daybook.said());
    let said = String::from_utf8(output.stdout).unwrap();
    let last = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert!(said.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{said}");
    last
}

/// All rows of all tables were compared, and are equal.
fn is_equal(rebuilt: &Value) {
    let tables = rebuilt["report"]["tables"].as_array().unwrap();
    for table in tables {
        assert_eq!(table["live"], table["rebuilt"], "{table}");
    }
    let rows =
        |name: &str| tables.iter().find(|table| table["table"] == name).unwrap()["live"]["rows"].as_i64();
    for table in ["accounts", "transfers", "transactions", "monthly_totals", "trial_balance"] {
        assert!(rows(table) > Some(0), "{table}: {rebuilt}");
    }
}

/// The live table's months.
async fn live_months(daybook: &Daybook) -> Vec<String> {
    months(&mut database(daybook).await, "public").await
}

/// Has them all, each with its indexes, and nothing that was only for the time of building.
async fn has_months(daybook: &Daybook, expected: &[&str]) {
    let mut db = database(daybook).await;
    let expected: Vec<_> = expected.iter().map(|month| format!("transactions_{month}")).collect();
    until("the months are those of what was imported", STEP_TIME_MAX, async || {
        let mut found = months(&mut db, "public").await;
        // Beside the month of the load.
        found.retain(|name| name.as_str() < "transactions_2000");
        (found == expected).then_some(())
    })
    .await;
    let as_built: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_inherits join pg_class on pg_class.oid = inhrelid
         where inhparent = 'transactions'::regclass
           and (reloptions is not null or (select count(*) from pg_index where indrelid = inhrelid and indisvalid) <> 2)",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    assert!(as_built.is_empty(), "{as_built:?}");
}

/// Reads on and on, each answer as it should be; how many there were.
fn reads(bank: &Client, account: &str, enough: &CancellationToken) -> JoinHandle<usize> {
    let (bank, account, enough) = (bank.clone(), account.to_owned(), enough.clone());
    tokio::spawn(async move {
        let mut answers = 0;
        while !enough.is_cancelled() {
            assert_eq!(bank.balance(&account).await, "7.00");
            assert_eq!(bank.entries(&account).await.len(), 1);
            bank.trial_balance().await;
            answers += 3;
        }
        answers
    })
}

#[tokio::test]
async fn a_rebuild_under_load_is_killed_goes_on_and_no_reader_notices() {
    let mut daybook = Daybook::start().await;
    let bank = daybook.operator("load").await;
    let still = bank.open_with_euros("7.00").await;
    bank.import("months", 2, &["1993-01-01", "1993-02-01", "1993-02-28"]).await;
    let mut load = Load::prepare(&bank).await;
    load.through(std::slice::from_ref(&bank), async |acknowledged| {
        acknowledged.more(100).await;
        let mut db = database(&daybook).await;
        db.execute(SLOW_BUILD).await.unwrap();
        let output = rebuild(&daybook, &["--all", "--no-wait"]).await;
        assert!(output.status.success(), "{output:?}");
        until("one worker writes slowly, and the others are done", STEP_TIME_MAX, async || {
            // On one core there is one worker.
            let workers = std::thread::available_parallelism().unwrap().get();
            let sleeps = "select exists (select from pg_stat_activity where wait_event = 'PgSleep')";
            let moved = "select exists (select from rebuild.checkpoints where position > 0)";
            let is_slow: bool = sqlx::query_scalar(sleeps).fetch_one(&mut db).await.unwrap();
            let is_done = workers == 1 || sqlx::query_scalar(moved).fetch_one(&mut db).await.unwrap_or(false);
            (is_slow && is_done).then_some(())
        })
        .await;
        drop(db);
        daybook.kill();
        daybook.restart().await;
        acknowledged.more(20).await;
        has_months(&daybook, &["1993_01", "1993_02"]).await;

        // It goes on by itself; asked for again, it is the same one if it has not ended yet.
        database(&daybook).await.execute(FAST_BUILD).await.unwrap();
        let enough = CancellationToken::new();
        let reader = reads(&bank, &still, &enough);
        is_equal(&rebuilt(&daybook, &["--all"]).await);
        let first: (String, String) =
            sqlx::query_as("select state, requested_by from rebuilds where rebuild_id = 1")
                .fetch_one(&mut database(&daybook).await)
                .await
                .unwrap();
        assert_eq!(first, ("done".to_owned(), "operator".to_owned()));
        has_months(&daybook, &["1993_01", "1993_02"]).await;
        bank.import("months", 1, &["1993-03-01"]).await;
        acknowledged.more(20).await;
        has_months(&daybook, &["1993_01", "1993_02", "1993_03"]).await;

        let back = rebuilt(&daybook, &["--switch-back", "--all"]).await;
        assert_eq!((&back["kind"], &back["state"]), (&"switch_back".into(), &"done".into()));
        has_months(&daybook, &["1993_01", "1993_02", "1993_03"]).await;
        bank.import("months", 1, &["1993-04-01"]).await;
        acknowledged.more(20).await;
        is_equal(
            &rebuilt(&daybook, &["accounts", "transfers", "transactions", "monthly_totals", "trial_balance"])
                .await,
        );
        has_months(&daybook, &["1993_01", "1993_02", "1993_03", "1993_04"]).await;
        acknowledged.more(20).await;
        enough.cancel();
        assert!(reader.await.unwrap() > 0);
    })
    .await;
    daybook.check().await;
    rebuilt(&daybook, &["--drop-previous"]).await;
    let output = rebuild(&daybook, &["--switch-back", "accounts"]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing to switch back to"), "{output:?}");
    daybook.check().await;
    daybook.stop().await;
}

#[tokio::test]
async fn rows_that_are_wrong_are_found_and_shown_and_made_right_when_wanted() {
    let mut daybook = Daybook::start().await;
    let bank = daybook.operator("wrong").await;
    let (right, wrong) = (bank.open_with_euros("5.00").await, bank.open_with_euros("8.00").await);
    assert_eq!((bank.balance(&wrong).await, bank.balance(&right).await), ("8.00".into(), "5.00".into()));
    let update = sqlx::query("update accounts set balance = 801 where account_id = $1");
    let id: i64 = wrong.parse().unwrap();
    update.bind(id).execute(&mut database(&daybook).await).await.unwrap();
    assert_eq!(bank.balance(&wrong).await, "8.01");

    let output = rebuild(&daybook, &["accounts"]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("DIFFER"), "{said}");
    let differing: Vec<&str> = said.lines().filter(|line| line.contains(r#""account_id""#)).collect();
    let [live, new] = differing[..] else { panic!("one row differs: {said}") };
    assert!(live.contains("live:") && live.contains(&wrong) && live.contains(r#""balance":801"#), "{said}");
    assert!(new.contains("new:") && new.contains(&wrong) && new.contains(r#""balance":800"#), "{said}");
    assert_eq!(bank.balance(&wrong).await, "8.01", "nothing was exchanged");

    let made = async || {
        let made = "select to_regclass('rebuild.accounts') is not null";
        sqlx::query_scalar::<_, bool>(made).fetch_one(&mut database(&daybook).await).await.unwrap()
    };
    assert!(made().await);
    // A session that an earlier attempt has left at work is ended first.
    let options = daybook.database_url().parse::<PgConnectOptions>().unwrap();
    let options = options.application_name("daybook-rebuild");
    let mut left = PgConnection::connect_with(&options).await.unwrap();
    left.execute("begin; lock table rebuild.accounts in share mode").await.unwrap();
    rebuilt(&daybook, &["--drop-unfinished"]).await;
    assert!(!made().await);
    left.execute("select 1").await.unwrap_err();
    assert_eq!(bank.balance(&wrong).await, "8.01");

    let output = rebuild(&daybook, &["accounts", "--accept-differences"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!((bank.balance(&wrong).await, bank.balance(&right).await), ("8.00".into(), "5.00".into()));
    // The new table is written to as the old one was.
    bank.deposit(&wrong, "1.00").await;
    assert_eq!(bank.balance(&wrong).await, "9.00");
    // Not checked against the log: what was answered in between was wrong.
    daybook.stop().await;
}

#[tokio::test]
async fn rows_of_an_older_version_are_made_anew_at_the_start_while_they_are_read() {
    let mut daybook = Daybook::start().await;
    let bank = daybook.operator("version").await;
    let account = bank.open_with_euros("5.00").await;
    bank.import("months", 1, &["1993-01-01", "1993-02-01"]).await;
    bank.trial_balance().await;
    let months = live_months(&daybook).await;
    assert_eq!(months.len(), 3);
    let older =
        "update checkpoints set version = version - 1 where projection in ('accounts', 'transactions')";
    database(&daybook).await.execute(older).await.unwrap();
    daybook.stop().await;
    // Ready, though its rows are not those it would write.
    daybook.restart().await;
    let bank = daybook.operator("version").await;
    bank.deposit(&account, "1.00").await;
    assert_eq!(bank.balance(&account).await, "6.00");
    let (by, state): (String, String) = sqlx::query_as("select requested_by, state from rebuilds")
        .fetch_one(&mut database(&daybook).await)
        .await
        .unwrap();
    assert_eq!((by.as_str(), state.as_str()), ("start-up", "done"));
    let status = rebuilt(&daybook, &["--status"]).await;
    assert_eq!(text(&status["report"]["other_version"].to_string().into()), "true");
    assert_eq!(live_months(&daybook).await, months);
    daybook.check().await;
    daybook.stop().await;
}

/// As the table was before it had months.
const UNDIVIDED: &str = "
    alter table transactions rename to divided;
    alter table divided rename constraint transactions_pkey to divided_pkey;
    drop index transactions_recorded;
    create table transactions (like divided including all excluding indexes);
    alter table transactions add primary key (account_id, month, revision);
    create index transactions_recorded on transactions (account_id, recorded_at, revision);
    insert into transactions select * from divided;
    drop table divided;
    drop function transactions_month;
    delete from _sqlx_migrations where version = 21;";

#[tokio::test]
async fn entries_from_before_there_were_months_are_divided_by_themselves_while_they_are_read() {
    let mut daybook = Daybook::start().await;
    let bank = daybook.operator("undivided").await;
    let account = bank.open_with_euros("7.00").await;
    bank.import("months", 2, &["1993-01-01", "1993-02-01"]).await;
    bank.trial_balance().await;
    let months = live_months(&daybook).await;
    assert_eq!(months.len(), 3);
    let mut undivided = database(&daybook).await;
    let mut transaction = undivided.begin().await.unwrap();
    transaction.execute(UNDIVIDED).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(live_months(&daybook).await.is_empty());
    daybook.kill();
    daybook.restart().await;
    let bank = daybook.operator("undivided").await;
    let enough = CancellationToken::new();
    let reader = reads(&bank, &account, &enough);
    until("the months are there", STEP_TIME_MAX, async || {
        (live_months(&daybook).await == months).then_some(())
    })
    .await;
    bank.import("months", 2, &["1993-03-01"]).await;
    bank.trial_balance().await;
    has_months(&daybook, &["1993_01", "1993_02", "1993_03"]).await;
    enough.cancel();
    assert!(reader.await.unwrap() > 0);
    let status = rebuilt(&daybook, &["--status"]).await;
    assert_eq!((&status["state"], &status["projections"][0]), (&"done".into(), &"transactions".into()));
    assert_eq!(&status["kind"], "divide", "no older program would have taken it");
    daybook.check().await;
    // Back to the undivided ones, and on.
    rebuilt(&daybook, &["--switch-back", "transactions"]).await;
    let lump = live_months(&daybook).await.concat();
    assert!(lump.starts_with("transactions_before_"), "{lump}");
    bank.import("months", 2, &["1993-04-01"]).await;
    daybook.check().await;
    daybook.stop().await;
}

#[tokio::test]
async fn who_has_to_wait_for_a_newer_version_is_told_so() {
    let mut daybook = Daybook::start().await;
    let bank = daybook.operator("newer").await;
    let account = bank.open_with_euros("5.00").await;
    assert_eq!(bank.balance(&account).await, "5.00");
    // Of a version that nobody here has, so that it stays as it is.
    let newer = "insert into rebuilds (kind, projections, versions, requested_by, progress)
        values ('rebuild', '{accounts}', '{99}', 'start-up', '{\"phase\": \"loading\", \"percent\": 42.4}')";
    database(&daybook).await.execute(newer).await.unwrap();
    let far = bank.request(Method::GET, &format!("/api/v1/accounts/{account}")).header(POSITION, u32::MAX);
    let behind = bank.send(far).await.refuses(503, "projection_behind");
    let told = "accounts is being rebuilt for a newer version, 42 % done, and stands still meanwhile";
    assert!(text(&behind["detail"]).contains(told), "{behind}");
    let query = "{ projections { name rebuilding { phase percent eventsPerSecond secondsLeft } } }";
    let data = bank.graphql(query, Value::Null).await;
    let projections = data["projections"].as_array().unwrap();
    for projection in projections {
        let rebuilding = &projection["rebuilding"];
        if projection["name"] == "accounts" {
            assert_eq!((&rebuilding["phase"], &rebuilding["percent"]), (&"LOADING".into(), &42.4.into()));
        } else {
            assert!(rebuilding.is_null(), "{projection}");
        }
    }
    let place = daybook.dir().to_str().unwrap();
    let status = run(&["status", "--data-dir", place, "--url", &daybook.url()]).await;
    assert_eq!(status.status.code(), Some(0), "{status:?}");
    let said = String::from_utf8(status.stdout).unwrap();
    assert!(said.contains("rebuild: loading, 42.4 %"), "{said}");
    database(&daybook).await.execute("delete from rebuilds").await.unwrap();
    daybook.stop().await;
}
