//! What a transfer's decisions need to know.

use super::{TransferEvent, TransferRequested};
use crate::Rejection;

/// Where a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferStatus {
    /// Money may be under way.
    Pending,
    /// Both legs are booked.
    Completed,
    /// The debit came back.
    Failed(Rejection),
    /// Refused before any money moved.
    Rejected(Rejection),
}

/// A transfer's state: nothing before it was requested.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransferState {
    /// What was asked for and where it stands.
    pub transfer: Option<(TransferRequested, TransferStatus)>,
    /// How many events were folded in.
    pub events: u64,
}

impl TransferState {
    /// Folds one event in.
    pub fn evolve(&mut self, event: &TransferEvent) {
        self.events = self.events.saturating_add(1);
        let status = match event {
            TransferEvent::Requested(requested) => {
                self.transfer = Some((requested.clone(), TransferStatus::Pending));
                return;
            }
            TransferEvent::Rejected(rejected) => TransferStatus::Rejected(rejected.reason),
            TransferEvent::Completed(_) => TransferStatus::Completed,
            TransferEvent::Failed(failed) => TransferStatus::Failed(failed.reason),
        };
        if let Some((_, current)) = &mut self.transfer {
            *current = status;
        }
    }
}
