//! What a user's decisions need to know.

use super::UserEvent;

/// Where a user stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserStatus {
    /// Not registered.
    #[default]
    Unknown,
    /// Registered.
    Active,
    /// Registered once, personal data gone.
    Erased,
}

/// A user's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserState {
    /// Where the user stands.
    pub status: UserStatus,
    /// How many events were folded in.
    pub events: u64,
}

impl UserState {
    /// Folds one event in.
    pub fn evolve(&mut self, event: &UserEvent) {
        self.events = self.events.saturating_add(1);
        self.status = match event {
            UserEvent::Registered(_) => UserStatus::Active,
            UserEvent::DetailsChanged(_) => self.status,
            UserEvent::Erased(_) => UserStatus::Erased,
        };
    }
}
