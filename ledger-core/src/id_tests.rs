use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

const NOW: u64 = EPOCH_MS + 1_000_000;

#[test]
fn ids_grow_whatever_the_clock_does() {
    let snowflakes = Snowflakes::try_new(3, 0).unwrap();
    let clock = [NOW, NOW, NOW - 500, NOW + 1, 0, NOW + 1, NOW - 1_000_000, NOW + 2];
    let ids: Vec<_> = clock.iter().map(|now| snowflakes.next(*now)).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    assert!(ids.iter().all(|id| *id > 0));
}

#[test]
fn an_id_knows_when_it_was_made() {
    let snowflakes = Snowflakes::try_new(WORKER_MAX, 0).unwrap();
    assert_eq!(WebhookId::generate(&snowflakes, NOW).made_at_ms(), NOW);
}

#[test]
fn more_ids_than_a_millisecond_has_borrow_from_the_next() {
    let snowflakes = Snowflakes::try_new(0, 0).unwrap();
    let ids: HashSet<_> = (0..20_000).map(|_| snowflakes.next(NOW)).collect();
    assert_eq!(ids.len(), 20_000);
}

#[test]
fn a_restart_with_the_clock_set_back_repeats_nothing() {
    let before = Snowflakes::try_new(1, 0).unwrap();
    let last = before.next(NOW);
    let after = Snowflakes::try_new(1, NOW).unwrap();
    assert!(after.next(NOW - 60_000) > last);
}

#[test]
fn two_workers_never_collide() {
    let (one, two) = (Snowflakes::try_new(1, 0).unwrap(), Snowflakes::try_new(2, 0).unwrap());
    let ids: HashSet<_> = (0..10_000).flat_map(|_| [one.next(NOW), two.next(NOW)]).collect();
    assert_eq!(ids.len(), 20_000);
}

#[test]
fn a_transfers_id_names_its_maker() {
    for worker in [0, 1, 1023] {
        let id = TransferId::generate(&Snowflakes::try_new(worker, 0).unwrap(), NOW);
        assert_eq!((id.as_i64() >> SEQUENCE_BITS) as u16 & WORKER_MAX, worker);
    }
}

#[test]
fn workers_go_to_1023() {
    assert!(Snowflakes::try_new(1023, 0).is_some());
    assert!(Snowflakes::try_new(1024, 0).is_none());
}

#[test]
fn an_id_has_one_text() {
    for text in ["", "0", "-1", "01", "+1", "1.0", " 1", "9223372036854775808", "abc"] {
        assert!(text.parse::<AccountId>().is_err(), "{text:?}");
    }
    let id: AccountId = "9223372036854775807".parse().unwrap();
    assert_eq!(id.to_string(), "9223372036854775807");
}

proptest! {
    #[test]
    fn text_comes_back(number in 1..=i64::MAX) {
        let id = TransferId::from_i64(number).unwrap();
        prop_assert_eq!(id.to_string().parse::<TransferId>().unwrap(), id);
        let json = serde_json::to_string(&id).unwrap();
        prop_assert_eq!(serde_json::from_str::<TransferId>(&json).unwrap(), id);
    }
}
