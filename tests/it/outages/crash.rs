//! `kill -9`.

use super::load::Load;
use crate::harness::Daybook;

#[tokio::test]
async fn killed_under_load_twice_it_loses_and_doubles_nothing() {
    let mut daybook = Daybook::start().await;
    let mut load = Load::prepare(&daybook.operator("load").await).await;

    let bank = daybook.operator("load").await;
    load.until_the_end(&bank, 200, || daybook.kill()).await;
    daybook.restart().await;
    load.holds(&daybook.operator("load").await).await;

    let bank = daybook.operator("load").await;
    load.until_the_end(&bank, 300, || daybook.kill()).await;
    // Again as soon as it listens: while it recovers.
    daybook.launch().await;
    daybook.kill();
    daybook.restart().await;
    load.holds(&daybook.operator("load").await).await;

    daybook.stop().await;
    daybook.restart().await;
    load.holds(&daybook.operator("load").await).await;
    daybook.stop().await;
}
