//! `kill -9`.

use super::load::Load;
use crate::harness::Daybook;

#[tokio::test]
async fn killed_under_load_twice_it_loses_and_doubles_nothing() {
    let mut daybook = Daybook::start().await;
    let mut load = Load::prepare(&daybook).await;

    load.until_the_end(&mut daybook, 200, |daybook| daybook.kill()).await;
    daybook.restart().await;
    load.holds(&daybook).await;

    load.until_the_end(&mut daybook, 300, |daybook| daybook.kill()).await;
    // Again as soon as it listens: while it recovers.
    daybook.launch().await;
    daybook.kill();
    daybook.restart().await;
    load.holds(&daybook).await;

    daybook.stop().await;
    daybook.restart().await;
    load.holds(&daybook).await;
    daybook.stop().await;
}
