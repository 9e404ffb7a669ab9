//! The event store goes away from under everybody, in the middle of work.

use super::load::Load;
use crate::harness::Separate;

#[tokio::test]
async fn a_node_killed_under_load_loses_nothing_and_everybody_comes_back_by_themselves() {
    let mut daybook = Separate::start(1, 1).await;
    let mut load = Load::prepare(&daybook).await;
    load.until_the_end(&mut daybook, 200, |daybook| daybook.node.kill()).await;
    daybook.not_ready().await;
    daybook.node.start().await;
    daybook.ready().await;
    load.holds(&daybook).await;
    daybook.stop().await;
}
