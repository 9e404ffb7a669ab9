//! Given these events, when this command, then those events or that rejection: the specification, as tests read it.

use std::fmt::Debug;

use crate::Rejection;
use crate::account::{self, AccountCommand, AccountEvent, AccountState};
use crate::dead_letter::{self, DeadLetterCommand, DeadLetterEvent, DeadLetters};
use crate::transfer::{self, TransferCommand, TransferEvent, TransferState};
use crate::user::{self, UserCommand, UserEvent, UserState};
use crate::webhook::{self, WebhookCommand, WebhookEvent, WebhookState};

/// What a decision came to, waiting to be compared.
#[derive(Debug)]
#[must_use]
pub struct Outcome<E>(Result<Vec<E>, Rejection>);

impl<E: Debug + PartialEq> Outcome<E> {
    /// The command led to exactly these events.
    #[track_caller]
    pub fn then(self, events: impl IntoIterator<Item = E>) {
        assert_eq!(self.0, Ok(events.into_iter().collect()));
    }

    /// The command was refused for this reason.
    #[track_caller]
    pub fn refused(self, reason: Rejection) {
        assert_eq!(self.0, Err(reason));
    }
}

/// The history of an account.
#[must_use]
pub fn given_account<'a>(history: impl IntoIterator<Item = &'a AccountEvent>) -> AccountState {
    let mut state = AccountState::default();
    history.into_iter().for_each(|event| state.evolve(event));
    state
}

/// The history of a transfer.
#[must_use]
pub fn given_transfer<'a>(history: impl IntoIterator<Item = &'a TransferEvent>) -> TransferState {
    let mut state = TransferState::default();
    history.into_iter().for_each(|event| state.evolve(event));
    state
}

/// The history of a user.
#[must_use]
pub fn given_user<'a>(history: impl IntoIterator<Item = &'a UserEvent>) -> UserState {
    let mut state = UserState::default();
    history.into_iter().for_each(|event| state.evolve(event));
    state
}

/// The history of a webhook.
#[must_use]
pub fn given_webhook<'a>(history: impl IntoIterator<Item = &'a WebhookEvent>) -> WebhookState {
    let mut state = WebhookState::default();
    history.into_iter().for_each(|event| state.evolve(event));
    state
}

/// The history of parked transfers.
#[must_use]
pub fn given_dead_letters<'a>(history: impl IntoIterator<Item = &'a DeadLetterEvent>) -> DeadLetters {
    let mut state = DeadLetters::default();
    history.into_iter().for_each(|event| state.evolve(event));
    state
}

impl DeadLetters {
    /// Decides a command on this history.
    pub fn when(&self, command: &DeadLetterCommand) -> Outcome<DeadLetterEvent> {
        Outcome(dead_letter::decide(self, command))
    }
}

impl AccountState {
    /// Decides a command on this history.
    pub fn when(&self, command: &AccountCommand) -> Outcome<AccountEvent> {
        Outcome(account::decide(self, command))
    }
}

impl TransferState {
    /// Decides a command on this history.
    pub fn when(&self, command: &TransferCommand) -> Outcome<TransferEvent> {
        Outcome(transfer::decide(self, command))
    }
}

impl UserState {
    /// Decides a command on this history.
    pub fn when(&self, command: &UserCommand) -> Outcome<UserEvent> {
        Outcome(user::decide(self, command))
    }
}

impl WebhookState {
    /// Decides a command on this history.
    pub fn when(&self, command: &WebhookCommand) -> Outcome<WebhookEvent> {
        Outcome(webhook::decide(self, command))
    }
}
