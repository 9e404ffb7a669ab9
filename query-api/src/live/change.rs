//! What an event changes that subscribers may want to know.

use ledger_core::account::AccountEvent;
use ledger_core::dead_letter::DeadLetterEvent;
use ledger_core::transfer::TransferEvent;
use ledger_core::{Event, TransferId, stream};
use ledger_streams::Recorded;

use crate::read_models::transaction::EntryPlace;

/// Something that a transfer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) transfer_id: TransferId,
    /// The entry it made, if it made one.
    pub(super) entry: Option<EntryPlace>,
}

impl Change {
    pub(super) fn of(recorded: &Recorded) -> Option<Self> {
        let (transfer_id, is_entry) = match &recorded.event {
            Event::Account(AccountEvent::Debited(event)) => (event.transfer_id, true),
            Event::Account(AccountEvent::Credited(event)) => (event.transfer_id, true),
            Event::Account(AccountEvent::DebitReversed(event)) => (event.transfer_id, true),
            Event::Account(AccountEvent::DebitRefused(event)) => (event.transfer_id, false),
            Event::Account(AccountEvent::CreditRefused(event)) => (event.transfer_id, false),
            Event::Account(AccountEvent::ReversalWaived(event)) => (event.transfer_id, false),
            Event::Transfer(TransferEvent::Requested(event)) => (event.transfer_id, false),
            Event::Transfer(TransferEvent::Rejected(event)) => (event.transfer_id, false),
            Event::Transfer(TransferEvent::Completed(event)) => (event.transfer_id, false),
            Event::Transfer(TransferEvent::Failed(event)) => (event.transfer_id, false),
            Event::DeadLetter(DeadLetterEvent::Parked(event)) => (event.transfer_id, false),
            Event::DeadLetter(DeadLetterEvent::Retried(event)) => (event.transfer_id, false),
            Event::DeadLetter(DeadLetterEvent::Resolved(event)) => (event.transfer_id, false),
            Event::Account(
                AccountEvent::Opened(_)
                | AccountEvent::OverdraftLimitChanged(_)
                | AccountEvent::Frozen(_)
                | AccountEvent::Unfrozen(_)
                | AccountEvent::Closed(_),
            )
            | Event::User(_)
            | Event::Reference(_)
            | Event::Statement(_)
            | Event::Webhook(_) => return None,
        };
        let account_id = stream::account_id(&recorded.stream).filter(|_| is_entry);
        let entry = account_id.map(|account_id| EntryPlace {
            account_id: account_id.as_i64(),
            revision: i64::try_from(recorded.revision).unwrap_or(i64::MAX),
            booked_at: recorded.metadata.booked_at,
        });
        Some(Self { transfer_id, entry })
    }
}
