//! The order in which events must come.

use std::borrow::Cow;

use chrono::DateTime;
use ledger_core::user::{UserErased, UserEvent};
use ledger_core::{Event, Metadata};
use ledger_streams::{Batch, Recorded};
use uuid::Uuid;

use super::check_order;

fn batch(positions: &[u64], position: u64) -> Batch {
    let recorded = |position: &u64| Recorded {
        id: Uuid::nil(),
        stream: "user-1".into(),
        revision: 0,
        position: *position,
        recorded_at: DateTime::UNIX_EPOCH,
        metadata: Metadata {
            correlation_id: Cow::Borrowed("user-1"),
            causation_id: None,
            actor: Cow::Borrowed("operator:test"),
            booked_at: DateTime::UNIX_EPOCH,
            version: 1,
        },
        event: Event::User(UserEvent::Erased(UserErased {})),
    };
    Batch { events: positions.iter().map(recorded).collect(), position, caught_up: false }
}

#[test]
fn events_that_follow_each_other_are_taken() {
    assert!(check_order(10, &batch(&[11, 20, 21], 21)).is_ok());
    assert!(check_order(10, &batch(&[11], 40)).is_ok(), "others' events were read after it");
    assert!(check_order(10, &batch(&[], 40)).is_ok());
}

#[test]
fn an_event_that_comes_again_is_not_taken() {
    for (positions, position) in
        [(&[10, 20][..], 20), (&[11, 20, 11, 20], 20), (&[11, 11], 11), (&[11, 30], 20), (&[], 10)]
    {
        assert!(check_order(10, &batch(positions, position)).is_err(), "{positions:?}");
    }
}
