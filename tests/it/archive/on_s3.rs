//! The archive on S3, of read models in two databases.

use std::process::Output;
use std::time::Duration;

use serde_json::Value;

use super::bank::Bank;
use super::{RUN, all, archived_files, connect, noted, old_rows, outcomes, report, same};
use crate::harness::{Client, Daybook, Divided, S3, begin_within, last_event, run_within, text, until};

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

    async fn run(&self, arguments: &[&str]) -> Output {
        run_within(&self.s3.environment(), &self.arguments(arguments)).await
    }
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
    let dir = daybook.dir().to_str().unwrap().to_owned();
    let (databases, files) = (urls.join(","), S3::url());
    let place = ["--json", "--data-dir", &dir, "--database-url", &databases, "--files-url", &files];
    let archived = Archived { s3: &s3, place: place.map(str::to_owned).into() };

    // Killed when the files are there, and nothing says so yet.
    s3.holds(Some("/manifests/"));
    let open = [&RUN[..], &["--even-if-not-closed"]].concat();
    let mut running = begin_within(&s3.environment(), &archived.arguments(&open));
    until("a manifest is sent", STEP_TIME_MAX, async || (s3.held() > 0).then_some(())).await;
    running.kill().await.unwrap();
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
    same(&before, &bank.answers(&several).await);

    let restored = report(&archived.run(&["restore", "2024-02"]).await);
    assert_eq!(restored["written"], ran["months"][1]["rows"]);
    same(&before, &bank.answers(&several).await);
    assert_eq!(archived_files(&s3.file("")).1.len(), 2);

    // One of two databases is not enough.
    let alone = ["archive", "list", "--data-dir", &dir, "--database-url", &urls[0], "--files-url", &files];
    let refused = run_within(&s3.environment(), &alone).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("give all of them"), "{refused:?}");
    divided.stop().await;
    daybook.stop().await;
}
