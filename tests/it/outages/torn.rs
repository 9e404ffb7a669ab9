//! The log's last bytes are not as they were written: what nobody was told of may be lost, anything else is refused.

use serde_json::Value;

use super::load::Load;
use super::rounds;
use super::tail::{Damage, Record, Segment};
use crate::harness::{Daybook, text};

/// A kill seldom comes between the write of a group and its sync: so often it is tried for each damage.
const KILLS_MAX: usize = 60;

/// How far read models have come that live in this daybook's Postgres.
async fn projected(database: &Daybook) -> u64 {
    let data = database.operator("torn").await.graphql("{ projections { position } }", Value::Null).await;
    let positions = data["projections"].as_array().unwrap().iter();
    positions.map(|projection| text(&projection["position"]).parse().unwrap()).max().unwrap()
}

#[tokio::test]
async fn whatever_a_power_cut_leaves_of_a_group_that_nobody_was_told_of_nothing_else_is_lost() {
    // Read models that outlive the kill tell how much of the log was shown.
    let mut database = Daybook::start_with(&["--roles", "query"]).await;
    let mut daybook = Daybook::start_with(&["--database-url", &database.database_url()]).await;
    let bank = daybook.operator("load").await;
    let mut load = Load::prepare(&bank).await;
    let wanted = Damage::ALL.len() * rounds(1);
    let (mut done, mut kills) = (0, 0);
    while done < wanted {
        kills += 1;
        assert!(kills <= KILLS_MAX * wanted, "of {kills} kills only {done} left a group that was not synced");
        load.through(std::slice::from_ref(&bank), async |acknowledged| {
            acknowledged.more(30 + kills % 7).await;
            daybook.kill();
            let told = daybook.witness().acknowledged().max(projected(&database).await);
            let segment = Segment::first(daybook.dir());
            let records = segment.records();
            let Record { place, group_start, lot } = records.last().unwrap().clone();
            if told < group_start {
                segment.damage(group_start..place.end, Damage::ALL[done % Damage::ALL.len()], lot);
                done += 1;
            }
            daybook.restart().await;
            acknowledged.more(5).await;
        })
        .await;
        daybook.check().await;
    }
    eprintln!("{done} groups damaged in {kills} kills");
    load.ask_again(&bank).await;
    daybook.check().await;
    daybook.stop().await;
    database.stop().await;
}

#[tokio::test]
async fn damage_to_what_was_acknowledged_is_refused_with_file_and_offset() {
    let mut daybook = Daybook::start().await;
    let bank = daybook.operator("load").await;
    let mut load = Load::prepare(&bank).await;
    load.through(std::slice::from_ref(&bank), async |acknowledged| {
        acknowledged.more(100).await;
        daybook.kill();
        let segment = Segment::first(daybook.dir());
        let records = segment.records();
        let last = records.last().unwrap();
        // The group before the last: the last one proves that it was synced.
        let acknowledged_group: Vec<_> =
            records.iter().filter(|record| record.place.end <= last.group_start).collect();
        let in_question = acknowledged_group[acknowledged_group.len() - 1];
        for damage in [Damage::Zeroed, Damage::Torn, Damage::Hole, Damage::Flipped] {
            let Record { place, lot, .. } = in_question;
            let before = segment.damage(place.clone(), damage, *lot);
            let refused = daybook.refuses_to_start().await;
            let named = format!("{}", segment.path.display());
            let offset = format!("{}", place.start);
            assert!(
                refused.contains(&named) && refused.contains(&offset),
                "{damage:?} at {place:?}: {refused}"
            );
            segment.write(place.start, &before);
        }
        daybook.restart().await;
        acknowledged.more(20).await;
    })
    .await;
    load.ask_again(&bank).await;
    daybook.check().await;
    daybook.stop().await;
}
