//! The rules of parked transfers.

use super::{
    DeadLetter, DeadLetterCommand, DeadLetterEvent, DeadLetters, ParkedTransferResolved,
    ParkedTransferRetried, Resolution, Standing, TransferParked,
};
use crate::mutation::{Rule, is_broken};
use crate::{Rejection, TransferId};

/// Decides a command: the events to append, none when the command has had its effect before, or the reason for saying no.
///
/// # Errors
/// The first [`Rejection`] that applies.
pub fn decide(state: &DeadLetters, command: &DeadLetterCommand) -> Result<Vec<DeadLetterEvent>, Rejection> {
    match command {
        DeadLetterCommand::Park { parked, word } => Ok(park(state, parked, *word)),
        DeadLetterCommand::Retry { transfer_id, reason } => retry(state, *transfer_id, reason.as_deref()),
        DeadLetterCommand::Resolve { transfer_id, resolution, reason } => {
            resolve(state, *transfer_id, *resolution, reason)
        }
    }
}

/// A driver that slept may come with what was known before an operator's last word. That word stands: somebody acts on it.
fn park(state: &DeadLetters, parked: &TransferParked, word: Option<u64>) -> Vec<DeadLetterEvent> {
    match state.letters.get(&parked.transfer_id) {
        Some(letter) if letter.standing == Standing::Parked || letter.word > word => vec![],
        Some(_) | None => vec![DeadLetterEvent::Parked(parked.clone())],
    }
}

fn retry(
    state: &DeadLetters,
    transfer_id: TransferId,
    reason: Option<&str>,
) -> Result<Vec<DeadLetterEvent>, Rejection> {
    let letter = letter(state, transfer_id)?;
    match letter.standing {
        Standing::Retried => return Ok(vec![]),
        Standing::Resolved => return Err(Rejection::TransferNotParked),
        Standing::Parked => {}
    }
    // After this point, it is tried again.
    Ok(vec![DeadLetterEvent::Retried(ParkedTransferRetried {
        transfer_id,
        stream: letter.stream.clone(),
        resolution: letter.resolution,
        reason: reason.map(str::to_owned),
    })])
}

/// An operator's word on how a transfer ends stands: the accounts may have acted on it. It may be given again, when the transfer was parked
/// again on its way there.
fn resolve(
    state: &DeadLetters,
    transfer_id: TransferId,
    resolution: Resolution,
    reason: &str,
) -> Result<Vec<DeadLetterEvent>, Rejection> {
    let letter = letter(state, transfer_id)?;
    if letter.resolution.is_some_and(|first| first != resolution) && !is_broken(Rule::ResolutionStands) {
        return Err(Rejection::AlreadyResolved);
    }
    match letter.standing {
        Standing::Resolved => return Ok(vec![]),
        Standing::Retried => return Err(Rejection::TransferNotParked),
        Standing::Parked => {}
    }
    // After this point, the transfer ends like this.
    Ok(vec![DeadLetterEvent::Resolved(ParkedTransferResolved {
        transfer_id,
        stream: letter.stream.clone(),
        resolution,
        reason: reason.to_owned(),
    })])
}

fn letter(state: &DeadLetters, transfer_id: TransferId) -> Result<&DeadLetter, Rejection> {
    state.letters.get(&transfer_id).ok_or(Rejection::TransferNotParked)
}
