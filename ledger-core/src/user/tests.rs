//! The rule book of users.

use super::*;
use crate::testing::given_user;
use crate::{Rejection, UserId};

fn user_id() -> UserId {
    UserId::from_i64(1).unwrap()
}

fn registered() -> UserEvent {
    UserEvent::Registered(UserRegistered { user_id: user_id(), details: Sealed("one".into()) })
}

fn erased() -> UserEvent {
    UserEvent::Erased(UserErased {})
}

#[test]
fn a_user_is_registered_once() {
    let command = UserCommand::Register(user_id(), Sealed("one".into()));
    given_user(&[]).when(&command).then([registered()]);
    given_user(&[registered()]).when(&command).refused(Rejection::UserExists);
}

#[test]
fn details_change_until_they_are_erased() {
    let command = UserCommand::ChangeDetails(Sealed("two".into()));
    let changed = UserEvent::DetailsChanged(UserDetailsChanged { details: Sealed("two".into()) });
    given_user(&[]).when(&command).refused(Rejection::UserNotFound);
    given_user(&[registered()]).when(&command).then([changed]);
    given_user(&[registered(), erased()]).when(&command).refused(Rejection::UserErased);
}

#[test]
fn erasing_twice_is_erasing_once() {
    given_user(&[]).when(&UserCommand::Erase).refused(Rejection::UserNotFound);
    given_user(&[registered()]).when(&UserCommand::Erase).then([erased()]);
    given_user(&[registered(), erased()]).when(&UserCommand::Erase).then([]);
}
