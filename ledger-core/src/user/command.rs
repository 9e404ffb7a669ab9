//! What can be asked of a user.

use super::Sealed;
use crate::UserId;

/// Everything that can be asked of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserCommand {
    /// Register under an id that was just made, with encrypted details.
    Register(UserId, Sealed),
    /// Replace the details.
    ChangeDetails(Sealed),
    /// Record that the key was destroyed.
    Erase,
}
