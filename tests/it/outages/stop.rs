//! SIGTERM.

use super::load::Load;
use crate::harness::Daybook;

#[tokio::test]
async fn stopped_under_load_it_ends_in_good_order_and_loses_nothing() {
    let mut daybook = Daybook::start().await;
    let mut load = Load::prepare(&daybook.operator("load").await).await;
    let bank = daybook.operator("load").await;
    load.until_the_end(&bank, 200, || daybook.terminate()).await;
    daybook.stopped().await;
    daybook.restart().await;
    load.holds(&daybook.operator("load").await).await;
    daybook.stop().await;
}
