//! One daybook for each data directory, one log for each database.

use crate::harness::{Daybook, run};

#[tokio::test]
async fn a_second_daybook_on_the_same_data_directory_is_refused() {
    let mut daybook = Daybook::start().await;
    let dir = daybook.dir().to_str().unwrap().to_owned();
    let second = run(&["up", "--data-dir", &dir, "--http", "127.0.0.1:0"]).await;
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    assert!(second.stdout.is_empty(), "{second:?}");
    let said = String::from_utf8(second.stderr).unwrap();
    let first = format!("another daybook (process {}) runs on ", daybook.pid());
    assert!(said.contains(&first) && said.contains("--data-dir"), "{said}");

    // The first one does not mind, and afterwards the place is free.
    let bank = daybook.operator("locks").await;
    let account = bank.open_with_euros("1.00").await;
    daybook.stop().await;
    daybook.restart().await;
    let bank = daybook.operator("locks").await;
    assert_eq!(bank.balance(&account).await, "1.00");
    daybook.stop().await;
}
