//! SIGTERM.

use super::load::Load;
use crate::harness::Daybook;

#[tokio::test]
async fn stopped_under_load_it_ends_in_good_order_and_loses_nothing() {
    let mut daybook = Daybook::start().await;
    let mut load = Load::prepare(&daybook).await;
    load.until_the_end(&mut daybook, 200, |daybook| daybook.terminate()).await;
    daybook.stopped().await;
    daybook.restart().await;
    load.holds(&daybook).await;
    daybook.stop().await;
}
