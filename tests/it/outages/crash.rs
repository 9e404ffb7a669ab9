//! `kill -9` of the whole.

use super::load::Load;
use super::rounds;
use crate::harness::Daybook;

#[tokio::test]
async fn killed_under_load_again_and_again_it_loses_and_doubles_nothing() {
    let mut daybook = Daybook::start().await;
    let bank = daybook.operator("load").await;
    let mut load = Load::prepare(&bank).await;
    for round in 0..rounds(3) {
        load.through(std::slice::from_ref(&bank), async |acknowledged| {
            acknowledged.more(150 + 70 * (round % 3)).await;
            daybook.kill();
            if round % 3 == 1 {
                // Again as soon as it listens: while it recovers.
                daybook.launch().await;
                daybook.kill();
            }
            daybook.restart().await;
            acknowledged.more(20).await;
        })
        .await;
        daybook.check().await;
    }
    load.ask_again(&bank).await;
    daybook.stop().await;
    daybook.restart().await;
    daybook.check().await;
    daybook.stop().await;
}
