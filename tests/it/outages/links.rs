//! The network between two parts is cut, loses answers, stalls, and is slow, under load.

use std::time::Duration;

use super::load::{Acknowledged, Load};
use super::rounds;
use crate::harness::{Daybook, Line, Proxy, Separate, Target};

/// How long answers are on their way when they are lost.
const ON_THE_WAY: Duration = Duration::from_millis(300);
/// How long nothing arrives: less than a call to the event store may take, so that nobody gives up.
const STALL: Duration = Duration::from_secs(2);
/// How late a node answers: more than a call to it may take, requests and answers together.
const LATE: Duration = Duration::from_secs(3);
/// How long it does.
const LATE_FOR: Duration = Duration::from_secs(12);

/// Everything that may befall a line, again and again.
async fn suffer(line: &Proxy, acknowledged: &Acknowledged) {
    for _ in 0..rounds(2) {
        acknowledged.more(40).await;
        line.cut().await;
        acknowledged.more(40).await;
        line.lose_answers(ON_THE_WAY).await;
        acknowledged.more(40).await;
        line.set(Line::Stalled);
        tokio::time::sleep(STALL).await;
        line.set(Line::Open);
        acknowledged.more(40).await;
        line.set(Line::Slow(Duration::from_millis(30)));
        acknowledged.more(40).await;
        line.cut().await;
    }
    acknowledged.more(40).await;
}

#[tokio::test]
async fn a_bad_line_between_clients_and_commands_loses_and_doubles_nothing() {
    let mut daybook = Daybook::start().await;
    let line = Proxy::to(Target::Tcp(daybook.url().replace("http://", "")));
    let bank = daybook.operator_through(&line, "load").await;
    let mut load = Load::prepare(&bank).await;
    load.through(std::slice::from_ref(&bank), async |acknowledged| {
        suffer(&line, acknowledged).await;
        assert!(acknowledged.unanswered() > 0, "no client noticed");
    })
    .await;
    load.ask_again(&bank).await;
    daybook.check().await;
    daybook.stop().await;
}

#[tokio::test]
async fn a_bad_line_between_commands_and_the_node_loses_and_doubles_nothing() {
    let mut daybook = Separate::start(2, 1).await;
    let banks = [daybook.operator("load", 0, 0).await, daybook.operator("load", 1, 0).await];
    let mut load = Load::prepare(&banks[0]).await;
    load.through(&banks, async |acknowledged| suffer(&daybook.to_node, acknowledged).await).await;
    daybook.ready().await;
    load.ask_again(&banks[1]).await;
    daybook.check().await;
    daybook.stop().await;
}

#[tokio::test]
async fn a_node_that_answers_too_late_loses_and_doubles_nothing() {
    let mut daybook = Separate::start(2, 1).await;
    let banks = [daybook.operator("load", 0, 0).await, daybook.operator("load", 1, 0).await];
    let mut load = Load::prepare(&banks[0]).await;
    load.through(&banks, async |acknowledged| {
        acknowledged.more(100).await;
        daybook.to_node.set(Line::Slow(LATE));
        tokio::time::sleep(LATE_FOR).await;
        assert!(acknowledged.unanswered() > 0, "clients heard nothing of it");
        daybook.to_node.set(Line::Open);
        acknowledged.more(100).await;
    })
    .await;
    daybook.ready().await;
    load.ask_again(&banks[1]).await;
    daybook.check().await;
    daybook.stop().await;
}

#[tokio::test]
async fn a_bad_line_between_the_projector_and_postgres_loses_and_doubles_no_row() {
    let mut daybook = Separate::start(1, 1).await;
    let bank = daybook.operator("load", 0, 0).await;
    let mut load = Load::prepare(&bank).await;
    load.through(std::slice::from_ref(&bank), async |acknowledged| {
        suffer(&daybook.to_database, acknowledged).await;
    })
    .await;
    daybook.ready().await;
    daybook.check().await;
    daybook.stop().await;
}
