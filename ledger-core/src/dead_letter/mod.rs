//! Dead letters: transfers that were parked because they cannot go on by themselves, and what operators make of them.
//!
//! A parked transfer has not ended: its money may be in transit. It is out of the way of all others until an operator has it tried again or
//! says how it is to end. Either is an event with who and why, and the process manager acts on it.

mod command;
mod decide;
mod event;
mod state;
#[cfg(test)]
mod tests;

pub use command::DeadLetterCommand;
pub use decide::decide;
pub use event::{
    DeadLetterEvent, FailedAttempt, ParkedTransferResolved, ParkedTransferRetried, Resolution, StepName,
    TransferParked,
};
pub use state::{DeadLetter, DeadLetters, Standing};
