//! What can be asked about parked transfers.

use super::{Resolution, TransferParked};
use crate::TransferId;

/// Everything that can be asked about parked transfers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadLetterCommand {
    /// Put a transfer aside, unless an operator has said something that its driver had not heard of when it tried.
    Park {
        /// What it came to.
        parked: TransferParked,
        /// Revision of the word on which it was tried; nothing before there was one.
        word: Option<u64>,
    },
    /// Try a parked one again.
    Retry {
        /// The transfer.
        transfer_id: TransferId,
        /// Why, in the operator's words.
        reason: Option<String>,
    },
    /// Say how a parked one is to end.
    Resolve {
        /// The transfer.
        transfer_id: TransferId,
        /// How.
        resolution: Resolution,
        /// Why, in the operator's words.
        reason: String,
    },
}
