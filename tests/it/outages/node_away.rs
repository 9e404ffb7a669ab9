//! The event store is gone for a while, under load, and comes back.

use std::time::Duration;

use super::load::Load;
use crate::harness::Separate;

/// How long the node is gone: the fault itself, nothing is waited for by it.
const OUTAGE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_node_killed_for_half_a_minute_under_load_loses_nothing() {
    let mut daybook = Separate::start(2, 1).await;
    let banks = [daybook.operator("load", 0, 0).await, daybook.operator("load", 1, 0).await];
    let mut load = Load::prepare(&banks[0]).await;

    load.through(&banks, async |acknowledged| {
        acknowledged.more(200).await;
        daybook.node.kill();
        tokio::time::sleep(OUTAGE).await;
        assert!(acknowledged.unanswered() > 0, "clients heard nothing of the outage");
        daybook.node.start().await;
        // Nobody restarts anything else.
        acknowledged.more(200).await;
    })
    .await;
    daybook.ready().await;
    load.ask_again(&banks[1]).await;
    daybook.check().await;
    daybook.stop().await;
}
