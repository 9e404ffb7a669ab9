//! An account from a snapshot and what follows it decides as one from its whole stream.

use super::*;
use crate::UserId;

const EVENT_ID: &str = "6a2f41a3-c54c-5f41-8f49-a7ac0b2f3bd1";

/// As written by version 1.
const VERSION_1: &str = r#"{"version":1,"revision":1,"event_id":"6a2f41a3-c54c-5f41-8f49-a7ac0b2f3bd1","account":{"id":"1","user_id":"7","kind":"savings","status":"frozen","balance":{"amount":"-2.00","currency":"EUR"},"overdraft_limit":{"amount":"5.00","currency":"EUR"}}}"#;

/// Where the event of a revision stands in the log of these tests.
const fn position(revision: u64) -> u64 {
    (revision + 1) * 10
}

fn settled(history: &[AccountEvent]) -> AccountState {
    let mut state = given_account(history);
    (0..state.events).for_each(|revision| state.settle(revision, position(revision)));
    state
}

/// The state after `cut` events, written down, read again, and evolved by the rest.
fn by_snapshot(history: &[AccountEvent], cut: usize) -> AccountState {
    let snapshot = AccountSnapshot::of(&given_account(&history[..cut]), EVENT_ID.into()).unwrap();
    let read = AccountSnapshot::decode(&snapshot.encode().unwrap()).unwrap();
    assert_eq!((read.revision(), read.event_id()), (cut as u64 - 1, EVENT_ID));
    let mut state = read.restore(position(cut as u64 - 1));
    for event in &history[cut..] {
        let revision = state.events;
        state.evolve(event);
        state.settle(revision, position(revision));
    }
    state
}

/// The legs of a stream at or after a position.
fn legs(history: &[AccountEvent], since: u64) -> impl DoubleEndedIterator<Item = BookedLeg> {
    let places: Vec<_> = (0..).zip(history).collect();
    let legs: Vec<_> = places
        .into_iter()
        .filter_map(|(revision, event)| BookedLeg::of(event, revision, position(revision)))
        .filter(|leg| leg.position >= since)
        .collect();
    legs.into_iter()
}

/// What is done before a transfer that was requested at `since` is decided about.
fn remembering(mut state: AccountState, since: u64, history: &[AccountEvent]) -> AccountState {
    if !state.remembers(since) {
        state.remember(since, legs(history, since));
    }
    state
}

/// The same when everything since would be too much.
fn recalling(mut state: AccountState, question: Question, history: &[AccountEvent]) -> AccountState {
    if !state.remembers(question.since) {
        let Unremembered { before_position, before_revision } = state.unremembered();
        let missing = legs(history, question.since)
            .filter(|leg| leg.position < before_position && leg.revision < before_revision);
        state.recall(missing.filter(|leg| leg.transfer_id == question.transfer_id).collect());
    }
    state
}

fn transfer_of(event: &AccountEvent) -> Option<TransferId> {
    match event {
        AccountEvent::Debited(debited) => Some(debited.transfer_id),
        AccountEvent::Credited(credited) => Some(credited.transfer_id),
        AccountEvent::DebitReversed(reversed) => Some(reversed.transfer_id),
        AccountEvent::DebitRefused(refused) => Some(refused.transfer_id),
        AccountEvent::CreditRefused(refused) => Some(refused.transfer_id),
        AccountEvent::ReversalWaived(waived) => Some(waived.transfer_id),
        _ => None,
    }
}

fn leg_mut(command: &mut AccountCommand) -> Option<&mut Leg> {
    match command {
        AccountCommand::Debit(leg, _)
        | AccountCommand::Credit(leg)
        | AccountCommand::ReverseDebit(leg, _)
        | AccountCommand::RefuseDebit(leg, _)
        | AccountCommand::RefuseCredit(leg, _)
        | AccountCommand::WaiveReversal(leg)
        | AccountCommand::ForceCredit(leg) => Some(leg),
        _ => None,
    }
}

/// The everyday commands, and what is asked on an operator's word.
fn any_command_of_all() -> impl Strategy<Value = AccountCommand> {
    let leg = (1..8_i64, 1..900_i64).prop_map(|(number, amount)| leg(number, eur(amount)));
    let resolving = prop_oneof![
        leg.clone().prop_map(|leg| AccountCommand::RefuseDebit(leg, Rejection::ResolvedByOperator)),
        leg.clone().prop_map(|leg| AccountCommand::RefuseCredit(leg, Rejection::ResolvedByOperator)),
        leg.clone().prop_map(AccountCommand::WaiveReversal),
        leg.prop_map(AccountCommand::ForceCredit),
    ];
    prop_oneof![3 => any_command(), 1 => resolving]
}

#[test]
fn an_account_that_was_never_opened_has_no_snapshot() {
    assert_eq!(AccountSnapshot::of(&AccountState::default(), EVENT_ID.into()), None);
}

#[test]
fn a_snapshot_says_all_but_the_legs() {
    let mut state = given_account(&[
        AccountEvent::Opened(AccountOpened {
            account_id: account(1),
            user_id: UserId::from_i64(7),
            kind: AccountKind::Savings,
            currency: eur(0).currency,
            reference: Some("not needed for decisions".into()),
            overdraft_limit: eur(500),
        }),
        debited(1, eur(200), eur(-200)),
    ]);
    state.account.as_mut().unwrap().status = AccountStatus::Frozen;
    let snapshot = AccountSnapshot::of(&state, EVENT_ID.into()).unwrap();
    assert_eq!(String::from_utf8(snapshot.encode().unwrap()).unwrap(), VERSION_1);
    let restored = AccountSnapshot::decode(VERSION_1.as_bytes()).unwrap().restore(position(1));
    assert_eq!(restored.account.as_ref().unwrap().summary(), state.account.as_ref().unwrap().summary());
    assert_eq!(restored.events, 2);
    assert!(restored.account.unwrap().legs.is_empty());
}

#[test]
fn a_snapshot_of_another_version_or_shape_is_none() {
    for version in [0, 2, 65_535] {
        let other = VERSION_1.replace(r#""version":1"#, &format!(r#""version":{version}"#));
        let error = AccountSnapshot::decode(other.as_bytes()).unwrap_err();
        assert!(matches!(error, SnapshotError::UnknownVersion(found) if found == version), "{error}");
    }
    let of_the_future = r#"{"version":9,"compressed":"0a9b"}"#;
    let error = AccountSnapshot::decode(of_the_future.as_bytes()).unwrap_err();
    assert!(matches!(error, SnapshotError::UnknownVersion(9)), "{error}");
    for torn in [
        "",
        "{",
        "null",
        "7",
        &VERSION_1[..80],
        &VERSION_1.replace("frozen", "melted"),
        &VERSION_1.replace("EUR", "XXX"),
    ] {
        let error = AccountSnapshot::decode(torn.as_bytes()).unwrap_err();
        assert!(matches!(error, SnapshotError::Malformed(_)), "{torn}");
    }
}

#[test]
fn memory_of_legs_begins_after_the_snapshots_event() {
    let history = with_ten_euros_and(debited(1, eur(100), eur(900)));
    let mut state = by_snapshot(&history, 2);
    assert!(!state.remembers(0) && !state.remembers(position(1)));
    assert!(state.remembers(position(1) + 1));
    let legs = &state.account.as_ref().unwrap().legs;
    assert_eq!((legs.answer(transfer(1), LegKind::Debit), legs.len()), (Some(Ok(())), 1));
}

#[test]
fn no_leg_from_before_a_snapshot_is_booked_twice() {
    let history = with_ten_euros_and(debited(1, eur(100), eur(900)));
    let history = [history, vec![frozen(), credit_refused(2, eur(1), Rejection::AccountFrozen)]].concat();
    let thawed = [history, vec![AccountEvent::Unfrozen(AccountUnfrozen {})]].concat();
    for cut in 1..=thawed.len() {
        let state = remembering(by_snapshot(&thawed, cut), 0, &thawed);
        state.when(&debit(1, eur(100))).then([]);
        state.when(&credit(100, eur(1_000))).then([]);
        state.when(&credit(2, eur(1))).refused(Rejection::AccountFrozen);
        assert_eq!(state.account.as_ref().unwrap().legs.len(), 3, "each leg is there once");
    }
}

#[test]
fn what_is_recalled_is_one_transfers_and_leaves_the_window_as_it_is() {
    let history = with_ten_euros_and(debited(1, eur(100), eur(900)));
    let question = |number| Question { transfer_id: transfer(number), since: 0 };
    let state = recalling(by_snapshot(&history, 3), question(1), &history);
    state.when(&debit(1, eur(100))).then([]);
    let mut state = recalling(state, question(100), &history);
    state.when(&credit(100, eur(1_000))).then([]);
    let known = &state.account.as_ref().unwrap().legs;
    assert_eq!((known.answer(transfer(1), LegKind::Debit), known.len()), (None, 0));
    assert!(!state.remembers(position(2)), "whoever asks about the other one has to look again");
}

proptest! {
    #[test]
    fn a_snapshot_anywhere_changes_no_decision(
        commands in prop::collection::vec(any_command_of_all(), 1..40),
        cut in any::<prop::sample::Index>(),
        then in prop::collection::vec(any_command_of_all(), 1..8),
    ) {
        let mut history = vec![opened(AccountKind::Checking, eur(100))];
        let mut state = given_account(&history);
        for command in &commands {
            let events = decide(&state, command).unwrap_or_default();
            events.iter().for_each(|event| state.evolve(event));
            history.extend(events);
        }
        let cut = 1 + cut.index(history.len());
        for mut command in then {
            if let Some(leg) = leg_mut(&mut command) {
                // The request lies before every leg of its transfer.
                let first = history.iter().position(|event| transfer_of(event) == Some(leg.transfer_id));
                leg.since = Some(position(first.unwrap_or(history.len()) as u64) - 1);
            }
            let restored = by_snapshot(&history, cut);
            let (restored, recalled) = match command.question() {
                Some(question) => (
                    remembering(restored.clone(), question.since, &history),
                    recalling(restored, question, &history),
                ),
                None => (restored.clone(), restored),
            };
            let decided = decide(&settled(&history), &command);
            prop_assert_eq!(&decide(&restored, &command), &decided);
            prop_assert_eq!(&decide(&recalled, &command), &decided);
        }
    }
}
