//! An account: the consistency boundary. One stream, one balance, one decision at a time.

mod command;
mod decide;
mod event;
mod legs;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;

pub use command::{AccountCommand, Funds, Leg, OpenAccount, Question};
pub use decide::decide;
pub use event::{
    AccountClosed, AccountCredited, AccountDebited, AccountEvent, AccountFrozen, AccountKind, AccountOpened,
    AccountUnfrozen, CreditRefused, DebitRefused, DebitReversed, OverdraftLimitChanged, ReversalWaived,
};
pub use legs::{Answer, BookedLeg, LegKind, Legs};
pub use snapshot::{AccountSnapshot, SNAPSHOT_VERSION, SnapshotError};
pub use state::{Account, AccountState, AccountStatus, Unremembered};
