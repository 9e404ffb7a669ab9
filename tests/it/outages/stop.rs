//! SIGTERM.

use super::load::Load;
use crate::harness::Daybook;

#[tokio::test]
async fn stopped_under_load_it_ends_in_good_order_and_loses_nothing() {
    let mut daybook = Daybook::start().await;
    let bank = daybook.operator("load").await;
    let mut load = Load::prepare(&bank).await;
    load.through(std::slice::from_ref(&bank), async |acknowledged| {
        acknowledged.more(200).await;
        daybook.terminate();
        daybook.stopped().await;
        daybook.restart().await;
        acknowledged.more(20).await;
    })
    .await;
    load.ask_again(&bank).await;
    daybook.check().await;
    daybook.stop().await;
}
