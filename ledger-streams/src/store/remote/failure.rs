//! What the client's errors mean.

use std::sync::Arc;

use eventstore::Error;
use tonic::Code;

use crate::StoreError;

/// Why a call failed.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// The stream is not in the expected state.
    Conflict,
    /// There is no such stream, or no such place in the log.
    NotFound,
    /// It may work the next time; whether it worked this time is not known.
    Passing { reason: Arc<str>, connection: Connection },
    /// It will not work until somebody does something about it.
    Lasting(StoreError),
}

/// What a passing failure says of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connection {
    /// Nothing.
    Fine,
    /// Nothing comes through.
    Lost,
    /// The client has given up for good.
    Dead,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let passing = |connection| Self::Passing { reason: reason(&error), connection };
        let broken = |text: String| Self::Lasting(StoreError::Broken(text.into()));
        match &error {
            Error::WrongExpectedVersion { .. } => Self::Conflict,
            Error::ResourceNotFound => Self::NotFound,
            // The client goes to the leader it was told of by itself.
            Error::NotLeaderException(_) | Error::DeadlineExceeded => passing(Connection::Fine),
            // Our node's words; EventStoreDB stops when its disk is full.
            Error::ServerError(text) if text.contains("no space for the log") => {
                Self::Lasting(StoreError::Full(text.as_str().into()))
            }
            Error::ServerError(text) if text.contains("Too Busy") || text.contains("cannot be written") => {
                passing(Connection::Fine)
            }
            Error::ServerError(_) => passing(Connection::Lost),
            Error::ConnectionClosed
            | Error::GrpcConnectionError(_)
            | Error::InternalClientError
            | Error::InitializationError(_)
            | Error::IllegalStateError(_) => passing(Connection::Dead),
            Error::Grpc { code, message } => match code {
                Code::Aborted | Code::Cancelled | Code::Ok => passing(Connection::Fine),
                Code::InvalidArgument if message.contains("invalid position") => Self::NotFound,
                Code::InvalidArgument if is_size(message) => {
                    Self::Lasting(StoreError::TooLarge(message.as_str().into()))
                }
                Code::ResourceExhausted if message.contains("message") => {
                    Self::Lasting(StoreError::TooLarge(message.as_str().into()))
                }
                Code::ResourceExhausted => Self::Lasting(StoreError::Full(message.as_str().into())),
                _ => broken(format!("{code:?}: {message}")),
            },
            Error::AccessDenied => broken(
                "it denies access: check the user, the password and the rights (reading $all among them)"
                    .into(),
            ),
            Error::ResourceDeleted => broken("a stream of the ledger was deleted".into()),
            Error::UnsupportedFeature => broken("what answers is no EventStoreDB, or too old".into()),
            Error::InternalParsingError(_) | Error::ResourceAlreadyExists => broken(error.to_string()),
        }
    }
}

/// In words for people: the client prints a status with all its fields.
fn reason(error: &Error) -> Arc<str> {
    let text = error.to_string();
    let message = text.split_once("message: \"").and_then(|(_, rest)| rest.split_once('"'));
    match message.map_or(text.as_str(), |(message, _)| message) {
        // It says no more.
        "client error (Connect)" => "cannot connect: nobody listens there, or TLS fails".into(),
        message => message.into(),
    }
}

/// EventStoreDB's words, and our node's.
fn is_size(message: &str) -> bool {
    message.starts_with("Maximum Append") || message.ends_with("are allowed")
}
