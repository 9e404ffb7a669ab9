use super::*;

/// How many tries fail with this error before the transfer is given up; nothing when there is no end of them.
fn tries_until_given_up(error: &StoreError) -> Option<usize> {
    let mut tries = Tries::default();
    (1..10_000).find(|_| tries.failed(error, DateTime::UNIX_EPOCH) == Next::GiveUp)
}

#[test]
fn a_store_that_is_away_is_waited_out() {
    assert_eq!(tries_until_given_up(&StoreError::Unavailable("away".into())), None);
    assert_eq!(tries_until_given_up(&StoreError::Full("no space".into())), None);
}

#[test]
fn what_fails_by_itself_or_is_missing_is_given_up() {
    for error in [StoreError::Broken("a bug".into()), StoreError::Missing("an account".into())] {
        assert_eq!(tries_until_given_up(&error), Some(DRIVE_TRIES_MAX));
    }
}

#[test]
fn lost_races_count_only_when_there_is_no_end_of_them() {
    let contended = StoreError::Contended("account-1".into());
    assert_eq!(tries_until_given_up(&contended), Some(CONTENDED_TRIES_MAX + DRIVE_TRIES_MAX));

    let mut tries = Tries::default();
    for _ in 0..CONTENDED_TRIES_MAX {
        assert_ne!(tries.failed(&contended, DateTime::UNIX_EPOCH), Next::GiveUp);
    }
    assert_eq!(tries.report(), (0, vec![]), "none of them is the transfer's");
}
