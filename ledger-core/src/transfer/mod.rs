//! A transfer: a process across two account streams, with a stream of its own that starts it and ends it.

mod command;
mod decide;
mod event;
pub mod process;
mod state;
#[cfg(test)]
mod tests;

pub use command::{RequestTransfer, TransferCommand};
pub use decide::{AMOUNT_MINOR_MAX, decide};
pub use event::{TransferCompleted, TransferEvent, TransferFailed, TransferRejected, TransferRequested};
pub use state::{TransferState, TransferStatus};
