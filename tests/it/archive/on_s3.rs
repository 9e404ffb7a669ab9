//! The archive on S3, of read models in two databases.

use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection, Executor};
use tokio::process::Child;

use super::bank::Bank;
use super::cut_off::{killed, somebody_waits};
use super::{RUN, all, archived_files, connect, noted, old_partitions, old_rows, outcomes, report, same};
use crate::harness::{
    Client, Daybook, Divided, S3, begin_within, last_event, months, run_within, text, until,
};

/// No step takes longer.
const STEP_TIME_MAX: Duration = Duration::from_secs(60);

/// The databases of the read models, and where their archive is.
struct Archived<'a> {
    s3: &'a S3,
    place: Vec<String>,
}

impl Archived<'_> {
    fn arguments<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let place = self.place.iter().map(String::as_str);
        ["archive"].into_iter().chain(arguments.iter().copied()).chain(place).collect()
    }

    fn begin(&self, arguments: &[&str]) -> Child {
        begin_within(&self.s3.environment(), &self.arguments(arguments))
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        run_within(&self.s3.environment(), &self.arguments(arguments)).await
    }
}

/// The old months as one partition.
const LUMP: &str = "
    alter table transactions detach partition transactions_2024_01;
    alter table transactions detach partition transactions_2024_02;
    alter table transactions detach partition transactions_2024_03;
    create table transactions_before_2024_04 (like transactions including all excluding indexes);
    insert into transactions_before_2024_04
    select * from transactions_2024_01 union all select * from transactions_2024_02 union all select * from transactions_2024_03;
    drop table transactions_2024_01, transactions_2024_02, transactions_2024_03;
    alter table transactions attach partition transactions_before_2024_04 for values from (minvalue) to ('2024-04-01');";

/// Brings February back. Is killed where that is half done: when one database has committed, and when both have and the files are still there.
async fn restoring(archived: &Archived<'_>, urls: &[String; 2], is_the_same: impl AsyncFn()) {
    let (mut first, mut second) = (connect(&urls[0]).await, connect(&urls[1]).await);
    let late = [old_rows(&mut first).await, old_rows(&mut second).await];
    let listed = report(&archived.run(&["list"]).await);
    let month = &listed[1];
    assert_eq!(month["month"], "2024-02");

    // The second database must not forget the month yet.
    let mut holder = connect(&urls[1]).await;
    holder.execute("begin; lock table archived_months in share mode").await.unwrap();
    let mut looks = connect(&urls[1]).await;
    let waits = async || somebody_waits(&mut looks, "archived_months").await;
    killed(archived.begin(&["restore", "2024-02"]), "it is about to forget the month", waits).await;
    holder.execute("rollback").await.unwrap();
    assert_eq!([noted(&mut first).await, noted(&mut second).await], [2, 3]);
    let here = old_rows(&mut first).await - late[0];
    assert!(here > 0 && old_rows(&mut second).await == late[1], "one database has its rows again: {here}");
    is_the_same().await;

    // Nothing may be removed yet.
    let held = archived.s3.held();
    archived.s3.holds(Some("?delete"));
    let removes = async || (archived.s3.held() > held).then_some(());
    killed(archived.begin(&["restore", "2024-02"]), "it removes files", removes).await;
    archived.s3.holds(None);
    assert_eq!([noted(&mut first).await, noted(&mut second).await], [2, 2]);
    let there = old_rows(&mut second).await - late[1];
    assert_eq!(json!(here + there), month["rows"]);
    assert_eq!(archived_files(&archived.s3.file("")).1.len(), 3);
    is_the_same().await;

    // Whose the files are is not known: they go when that is said; then there is nothing to do.
    let left = archived.run(&["restore", "2024-02"]).await;
    assert!(String::from_utf8_lossy(&left.stderr).contains("--left-files removes them"), "{left:?}");
    assert_eq!(archived_files(&archived.s3.file("")).1.len(), 3);
    let restored = report(&archived.run(&["restore", "2024-02", "--left-files"]).await);
    assert_eq!((&restored["digest"], &restored["rows"]), (&month["digest"], &month["rows"]));
    assert_eq!(restored["written"], 0);
    assert_eq!(archived_files(&archived.s3.file("")).1.len(), 2);
    is_the_same().await;
    let again = archived.run(&["restore", "2024-02", "--left-files"]).await;
    assert!(String::from_utf8_lossy(&again.stderr).contains("2024-02: it is not archived"), "{again:?}");
}

/// Waits until the read models behind this client have come to the log's end.
async fn catch_up(daybook: &Daybook, client: &Client) {
    let end = last_event(daybook.log()).await;
    until("they have caught up", STEP_TIME_MAX, async || {
        let position = client.graphql("{ position }", Value::Null).await["position"].take();
        (text(&position).parse::<u64>().unwrap() >= end).then_some(())
    })
    .await;
}

#[tokio::test]
async fn two_databases_answer_from_s3_as_one_does_that_has_all() {
    let mut daybook = Daybook::start().await;
    let bank = Bank::found(&daybook).await;
    let s3 = S3::start().await;
    let urls = [daybook.another_database("first").await, daybook.another_database("second").await];
    let mut divided = Divided::of(&daybook, "archived", &urls).with_files(&S3::url(), &s3.environment());
    divided.start().await;
    let several = divided.operator(&daybook).await;
    catch_up(&daybook, &several).await;
    let before = bank.answers(&bank.client).await;
    same(&before, &bank.answers(&several).await);

    let (mut first, mut second) = (connect(&urls[0]).await, connect(&urls[1]).await);
    let rows = [old_rows(&mut first).await, old_rows(&mut second).await];
    assert!(rows[0] > 0 && rows[1] > 0, "each has some: {rows:?}");
    // One of them is from before there were months.
    let mut transaction = second.begin().await.unwrap();
    transaction.execute(LUMP).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(old_partitions(&mut second).await, [""; 0]);
    same(&before, &bank.answers(&several).await);
    let dir = daybook.dir().to_str().unwrap().to_owned();
    let (databases, files) = (urls.join(","), S3::url());
    let place = ["--json", "--data-dir", &dir, "--database-url", &databases, "--files-url", &files];
    let archived = Archived { s3: &s3, place: place.map(str::to_owned).into() };

    // Killed when the files are there, and nothing says so yet.
    s3.holds(Some("/manifests/"));
    let open = [&RUN[..], &["--even-if-not-closed"]].concat();
    killed(archived.begin(&open), "a manifest is sent", async || (s3.held() > 0).then_some(())).await;
    let (parts, manifests) = archived_files(&s3.file(""));
    let [left] = &parts[..] else { panic!("one part: {parts:?}") };
    assert_eq!((manifests, noted(&mut first).await), (vec![], 0));
    same(&before, &bank.answers(&several).await);

    s3.holds(None);
    let ran = report(&archived.run(&open).await);
    assert_eq!(outcomes(&ran), all("archived"));
    assert!(!left.exists(), "what was left of the first run is swept");
    let (parts, manifests) = archived_files(&s3.file(""));
    assert_eq!((parts.len(), manifests.len()), (3, 3));
    assert_eq!([old_rows(&mut first).await, old_rows(&mut second).await], [0, 0]);
    assert_eq!(old_partitions(&mut first).await, [""; 0]);
    assert!(months(&mut second, "public").await.contains(&"transactions_before_2024_04".to_owned()));
    same(&before, &bank.answers(&several).await);

    // What comes late is beside the archive, in a partition of its own or in the old lump.
    bank.comes_late("late").await;
    catch_up(&daybook, &several).await;
    let with_late = bank.answers(&bank.client).await;
    same(&with_late, &bank.answers(&several).await);
    assert_eq!(old_rows(&mut first).await + old_rows(&mut second).await, 2);

    restoring(&archived, &urls, async || same(&with_late, &bank.answers(&several).await)).await;
    let restored = report(&archived.run(&["restore", "2024-03"]).await);
    assert_eq!(restored["written"], ran["months"][2]["rows"]);
    same(&with_late, &bank.answers(&several).await);
    assert_eq!(
        (archived_files(&s3.file("")).1.len(), noted(&mut first).await, noted(&mut second).await),
        (1, 1, 1)
    );

    // One of two databases is not enough.
    let alone = ["archive", "list", "--data-dir", &dir, "--database-url", &urls[0], "--files-url", &files];
    let refused = run_within(&s3.environment(), &alone).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("give all of them"), "{refused:?}");
    divided.stop().await;
    daybook.stop().await;
}
