//! `daybook status --watch` goes on while the daybook is away, and ends when it is asked to.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::ChildStdout;
use tokio::time::timeout;

use crate::harness::{Daybook, begin};

/// How long it may take to see what happened.
const NOTICE_TIME_MAX: Duration = Duration::from_secs(60);

/// Reads on until a line has this in it.
async fn says(lines: &mut Lines<BufReader<ChildStdout>>, wanted: &str) -> String {
    let found = timeout(NOTICE_TIME_MAX, async {
        loop {
            let line = lines.next_line().await.unwrap().expect("it goes on");
            if line.contains(wanted) {
                return line;
            }
        }
    });
    found.await.unwrap_or_else(|_| panic!("it never says {wanted}"))
}

#[tokio::test]
async fn a_watcher_goes_on_while_the_daybook_is_away() {
    let mut daybook = Daybook::start().await;
    let (place, url) = (daybook.dir().to_str().unwrap().to_owned(), daybook.url());
    let mut watcher = begin(&["status", "--watch", "1", "--data-dir", &place, "--url", &url]);
    let mut lines = BufReader::new(watcher.stdout.take().unwrap()).lines();
    let line = says(&mut lines, "all is well").await;
    assert!(line.contains("0 stuck, 0 dead letters"), "{line}");
    // No words for a terminal where there is none.
    assert!(!line.contains('\x1b'), "{line}");
    daybook.kill();
    says(&mut lines, "needs attention").await;
    says(&mut lines, &format!("! {url}: no answer: ")).await;
    daybook.restart().await;
    says(&mut lines, "all is well").await;
    let pid = Pid::from_raw(watcher.id().unwrap().cast_signed()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let ended = timeout(NOTICE_TIME_MAX, watcher.wait()).await.expect("it ends").unwrap();
    assert_eq!(ended.code(), Some(0));
    daybook.stop().await;
}
