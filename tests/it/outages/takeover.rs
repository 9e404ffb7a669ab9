//! One of several command processes dies, or is stopped for a while and wakes up later. The others take its transfers to their end.

use std::time::{Duration, Instant};

use super::load::Load;
use super::rounds;
use crate::checker::Watch;
use crate::harness::{Client, Program, Separate, until};

const PROCESSES: usize = 3;
/// How long the others may take; how long they do take, `make bench` says.
const TAKEOVER_TIME_MAX: Duration = Duration::from_secs(15);
/// A process that is struck between two transfers proves nothing: so often it is tried.
const STRIKES_MAX: usize = 20;

/// Strikes one process after the other under load, each until transfers were under way when it was struck, and sees them end without it.
async fn strike(daybook: &mut Separate, how: impl Fn(&mut Program), mend: impl AsyncFn(&mut Program)) {
    let mut banks: Vec<Client> = Vec::new();
    for process in 0..PROCESSES {
        banks.push(daybook.operator("load", process, 0).await);
    }
    let mut load = Load::prepare(&banks[0]).await;
    let mut watch = Watch::over(daybook.log());
    for round in 0..rounds(2) {
        let victim = round % PROCESSES;
        load.through(&banks, async |acknowledged| {
            for strike in 1.. {
                acknowledged.more(60).await;
                how(&mut daybook.commands[victim]);
                let struck = Instant::now();
                let mut left = watch.under_way().await;
                let count = left.len();
                until("all that was under way has ended", TAKEOVER_TIME_MAX, async || {
                    let under_way = watch.under_way().await;
                    left.retain(|id| under_way.contains(id));
                    left.is_empty().then_some(())
                })
                .await;
                eprintln!("{count} transfers ended {:?} after process {victim} was struck", struck.elapsed());
                mend(&mut daybook.commands[victim]).await;
                if count > 0 {
                    break;
                }
                assert!(strike < STRIKES_MAX, "nothing was ever under way");
            }
            acknowledged.more(60).await;
        })
        .await;
        daybook.ready().await;
        daybook.check().await;
    }
    daybook.check().await;
    daybook.stop().await;
}

#[tokio::test]
async fn when_a_process_that_drives_transfers_is_killed_others_take_them_to_their_end() {
    let mut daybook = Separate::start(PROCESSES, 1).await;
    strike(&mut daybook, Program::kill, async |program| program.start().await).await;
}

#[tokio::test]
async fn a_process_that_was_stopped_while_others_took_over_does_no_harm_when_it_wakes_up() {
    let mut daybook = Separate::start(PROCESSES, 1).await;
    strike(&mut daybook, |program| program.pause(), async |program| program.wake()).await;
}
