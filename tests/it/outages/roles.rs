//! `kill -9` of each process that a daybook may be divided into, under load, in turn; and of two at once.

use super::load::Load;
use super::rounds;
use crate::harness::{Program, Separate};

/// Kills these, starts them again, and waits until all is as before.
async fn die(daybook: &mut Separate, victims: impl Fn(&mut Separate) -> Vec<&mut Program>) {
    for victim in victims(daybook) {
        victim.kill();
    }
    for victim in victims(daybook) {
        victim.launch().await;
    }
    daybook.ready().await;
}

#[tokio::test]
async fn whichever_process_is_killed_under_load_nothing_is_lost_or_doubled() {
    let mut daybook = Separate::start(2, 1).await;
    let banks = [daybook.operator("load", 0, 0).await, daybook.operator("load", 1, 0).await];
    let mut load = Load::prepare(&banks[0]).await;
    for _ in 0..rounds(1) {
        load.through(&banks, async |acknowledged| {
            acknowledged.more(50).await;
            die(&mut daybook, |daybook| vec![&mut daybook.node]).await;
            acknowledged.more(50).await;
            die(&mut daybook, |daybook| vec![&mut daybook.commands[0]]).await;
            acknowledged.more(50).await;
            die(&mut daybook, |daybook| vec![&mut daybook.projector]).await;
            acknowledged.more(50).await;
        })
        .await;
        daybook.check().await;
        load.through(&banks, async |acknowledged| {
            acknowledged.more(50).await;
            die(&mut daybook, |daybook| vec![&mut daybook.queries[0]]).await;
            acknowledged.more(50).await;
            die(&mut daybook, |daybook| vec![&mut daybook.node, &mut daybook.commands[1]]).await;
            acknowledged.more(50).await;
            die(&mut daybook, |daybook| daybook.commands.iter_mut().collect()).await;
            acknowledged.more(50).await;
        })
        .await;
        daybook.check().await;
    }
    load.ask_again(&banks[1]).await;
    daybook.check().await;
    daybook.stop().await;
}
