//! A user: the holder of accounts. What identifies a person reaches this crate only encrypted.

mod command;
mod decide;
mod event;
mod state;
#[cfg(test)]
mod tests;

pub use command::UserCommand;
pub use decide::decide;
pub use event::{Sealed, UserDetailsChanged, UserErased, UserEvent, UserRegistered};
pub use state::{UserState, UserStatus};
