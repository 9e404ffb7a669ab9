//! `kill -9` in the middle.

use std::time::Duration;

use super::bank::Bank;
use super::{all, archive, connect, old_rows, outcomes, report, same};
use crate::harness::{Daybook, begin};

#[tokio::test]
async fn a_run_that_is_cut_off_anywhere_goes_on() {
    let mut daybook = Daybook::start().await;
    let bank = Bank::found(&daybook).await;
    let mut db = connect(&daybook).await;
    let before = bank.answers().await;
    let rows = old_rows(&mut db).await;
    let dir = daybook.dir().to_str().unwrap().to_owned();
    for millis in [150, 400, 1_000, 10_400] {
        let mut run = begin(&["archive", "run", "--older-than", "13M", "--json", "--data-dir", &dir]);
        // It is to be killed wherever it is then, or after its end.
        let _ = tokio::time::timeout(Duration::from_millis(millis), run.wait()).await;
        let _ = run.start_kill();
        run.wait().await.unwrap();
        same(&before, &bank.answers().await);
    }
    let ended = archive(&daybook, &["run", "--older-than", "13M"]).await;
    let left = outcomes(&report(&ended));
    assert!(left.iter().all(|month| all("archived").contains(month)), "{left:?}");
    let listed = report(&archive(&daybook, &["list"]).await);
    let months = listed.as_array().unwrap();
    let archived: i64 = months.iter().map(|month| month["rows"].as_i64().unwrap()).sum();
    assert_eq!((months.len(), archived, old_rows(&mut db).await), (3, rows, 0));
    same(&before, &bank.answers().await);

    for millis in [150, 400] {
        let mut restore = begin(&["archive", "restore", "2024-02", "--data-dir", &dir]);
        let _ = tokio::time::timeout(Duration::from_millis(millis), restore.wait()).await;
        let _ = restore.start_kill();
        restore.wait().await.unwrap();
        same(&before, &bank.answers().await);
    }
    // Whatever was left of it.
    let ended = report(&archive(&daybook, &["run", "--older-than", "13M"]).await);
    assert!(outcomes(&ended).iter().all(|(_, outcome)| outcome == "archived"), "{ended}");
    assert_eq!(old_rows(&mut db).await, 0);
    same(&before, &bank.answers().await);
    daybook.stop().await;
}
