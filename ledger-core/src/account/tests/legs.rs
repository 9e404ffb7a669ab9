//! The memory of legs.

use super::*;

#[test]
fn the_memory_of_legs_is_a_window_and_knows_how_far_it_reaches() {
    const FAR: u64 = 1 << 40;
    let mut state = given_account(&[opened(AccountKind::Checking, eur(0))]);
    state.settle(0, 10);
    state.evolve(&credited(1, eur(1), eur(1)));
    state.settle(1, 20);
    state.evolve(&credited(2, eur(1), eur(2)));
    assert!(state.remembers(0), "all of a young account is remembered");

    assert!(state.remembers(FAR));
    state.settle(2, FAR);
    assert!(!state.remembers(0) && !state.remembers(20), "the leg at 20 was let go");
    assert!(state.remembers(21));
    let answer = state.account.as_ref().unwrap().legs.answer(transfer(2), LegKind::Credit);
    assert_eq!(answer, Some(Ok(())));

    let (old, recent) = (credited(1, eur(1), eur(1)), credited(2, eur(1), eur(2)));
    let legs = [(&old, 1, 20), (&recent, 2, FAR)];
    state.remember(
        15,
        legs.into_iter().filter_map(|(event, revision, place)| BookedLeg::of(event, revision, place)),
    );
    assert!(state.remembers(15) && !state.remembers(14));
    state.when(&credit(1, eur(1))).then([]);
    assert_eq!(state.account.unwrap().legs.len(), 2, "a leg that was remembered anyway is not there twice");
}

#[test]
fn what_a_backlog_asks_about_is_not_let_go() {
    const FAR: u64 = 1 << 40;
    let mut state = given_account(&[opened(AccountKind::Checking, eur(0))]);
    state.evolve(&credited(1, eur(1), eur(1)));
    state.settle(1, 20);
    assert!(state.remembers(15), "a transfer requested at 15 is being driven");
    state.evolve(&credited(2, eur(1), eur(2)));
    state.settle(2, FAR);
    assert!(state.remembers(15));
    assert!(state.remembers(FAR), "the backlog is worked off");
    state.evolve(&credited(3, eur(1), eur(3)));
    state.settle(3, FAR);
    assert!(!state.remembers(15));
}

#[test]
fn a_leg_whose_append_is_under_way_is_never_let_go() {
    let mut state = given_account(&[opened(AccountKind::Checking, eur(0))]);
    state.settle(0, 10);
    state.evolve(&credited(1, eur(1), eur(1)));
    state.evolve(&credited(2, eur(1), eur(2)));
    state.settle(0, 1 << 40);
    assert_eq!(state.account.as_ref().unwrap().legs.len(), 2);
    assert!(state.remembers(0));
}

#[test]
fn a_question_that_nobody_repeats_is_forgotten() {
    const EACH: u64 = 64 * 1024;
    let mut state = given_account(&[opened(AccountKind::Checking, eur(0))]);
    assert!(state.remembers(1), "one credit came, and then the account only pays");
    for number in 1..=4_000 {
        state.evolve(&credited(number, eur(1), eur(number)));
        let revision = state.events - 1;
        state.settle(revision, revision * EACH);
    }
    let legs = &state.account.as_ref().unwrap().legs;
    assert!(legs.len() < 1_100, "{} legs: 64 MiB of log hold 1,024 of these", legs.len());
}
