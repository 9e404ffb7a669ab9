//! The rules of a transfer.

use super::{
    RequestTransfer, TransferCommand, TransferCompleted, TransferEvent, TransferFailed, TransferRejected,
    TransferRequested, TransferState, TransferStatus,
};
use crate::Rejection;
use crate::mutation::{Rule, is_broken};

/// The greatest amount of one transfer, in minor units: ten trillion euros. Sums of thousands of such still fit into 64 bits.
pub const AMOUNT_MINOR_MAX: i64 = 1_000_000_000_000_000;

/// Decides a command: the events to append, none when the command has had its effect before, or the reason for saying no.
///
/// # Errors
/// The first [`Rejection`] that applies. A refused request leaves no trace; one that names accounts refusing it is recorded by
/// [`TransferCommand::Reject`], so that a repeated request gets the same answer.
pub fn decide(state: &TransferState, command: &TransferCommand) -> Result<Vec<TransferEvent>, Rejection> {
    match (command, &state.transfer) {
        (TransferCommand::Request(request), None) => self::request(request),
        (TransferCommand::Request(request), Some((first, _))) => repeat(first, request),
        (_, None) => Err(Rejection::TransferEnded),
        (TransferCommand::Reject(reason), Some((first, status))) => end(
            *status,
            TransferStatus::Rejected(*reason),
            TransferEvent::Rejected(TransferRejected { transfer_id: first.transfer_id, reason: *reason }),
        ),
        (TransferCommand::Complete, Some((first, status))) => end(
            *status,
            TransferStatus::Completed,
            TransferEvent::Completed(TransferCompleted { transfer_id: first.transfer_id }),
        ),
        (TransferCommand::Fail(reason), Some((first, status))) => end(
            *status,
            TransferStatus::Failed(*reason),
            TransferEvent::Failed(TransferFailed { transfer_id: first.transfer_id, reason: *reason }),
        ),
    }
}

fn request(request: &RequestTransfer) -> Result<Vec<TransferEvent>, Rejection> {
    if request.from == request.to {
        return Err(Rejection::SameAccount);
    }
    if request.amount.minor <= 0 || request.amount.minor > AMOUNT_MINOR_MAX {
        return Err(Rejection::InvalidAmount);
    }
    Ok(vec![TransferEvent::Requested(TransferRequested {
        transfer_id: request.transfer_id,
        from: request.from,
        to: request.to,
        amount: request.amount,
        description: request.description.clone(),
        reference: request.reference.clone(),
        already_booked: request.already_booked,
    })])
}

/// The same key again: fine for the same request, whatever has become of it; refused for another one.
fn repeat(first: &TransferRequested, again: &RequestTransfer) -> Result<Vec<TransferEvent>, Rejection> {
    let same = first.from == again.from
        && first.to == again.to
        && first.amount == again.amount
        && first.description == again.description
        && first.reference == again.reference
        && first.already_booked == again.already_booked;
    if same || is_broken(Rule::RepetitionIsTheSame) {
        Ok(vec![])
    } else {
        Err(Rejection::IdempotencyKeyReused)
    }
}

fn end(
    status: TransferStatus,
    wanted: TransferStatus,
    event: TransferEvent,
) -> Result<Vec<TransferEvent>, Rejection> {
    if status == wanted {
        return Ok(vec![]);
    }
    if status != TransferStatus::Pending {
        return Err(Rejection::TransferEnded);
    }
    Ok(vec![event])
}
