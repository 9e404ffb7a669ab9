//! The rules of a user.

use super::{UserCommand, UserDetailsChanged, UserErased, UserEvent, UserRegistered, UserState, UserStatus};
use crate::Rejection;

/// Decides a command: the events to append, none when the command has had its effect before, or the reason for saying no.
///
/// # Errors
/// The [`Rejection`] that applies.
pub fn decide(state: &UserState, command: &UserCommand) -> Result<Vec<UserEvent>, Rejection> {
    match (command, state.status) {
        (UserCommand::Register(user_id, details), UserStatus::Unknown) => {
            Ok(vec![UserEvent::Registered(UserRegistered { user_id: *user_id, details: details.clone() })])
        }
        (UserCommand::Register(..), _) => Err(Rejection::UserExists),
        (_, UserStatus::Unknown) => Err(Rejection::UserNotFound),
        (UserCommand::ChangeDetails(_), UserStatus::Erased) => Err(Rejection::UserErased),
        (UserCommand::ChangeDetails(details), UserStatus::Active) => {
            Ok(vec![UserEvent::DetailsChanged(UserDetailsChanged { details: details.clone() })])
        }
        (UserCommand::Erase, UserStatus::Erased) => Ok(vec![]),
        (UserCommand::Erase, UserStatus::Active) => Ok(vec![UserEvent::Erased(UserErased {})]),
    }
}
