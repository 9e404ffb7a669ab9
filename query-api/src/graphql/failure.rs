//! Failures as GraphQL writes them: a message, and `extensions.code` for programs.

use std::sync::Arc;

use async_graphql::{Error, ErrorExtensionValues, ErrorExtensions, Response, ServerError};

use crate::problem::Problem;

/// Why a field has no value.
///
/// Not an error by trait: async-graphql turns whatever displays itself into an answer, and not every error's text is for clients.
/// Only what has become a [`Problem`] gets out.
#[derive(Clone, Debug)]
pub(crate) struct Failure(pub(crate) Problem);

impl<E: Into<Problem>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl Failure {
    /// The code of GraphQL errors. Coarser than a problem's: the field's path says what the rest of it would.
    fn code(&self) -> &'static str {
        match self.0 {
            Problem::InvalidId(_)
            | Problem::InvalidMonth(_)
            | Problem::InvalidPage(_)
            | Problem::InvalidQuery(_)
            | Problem::InvalidPath
            | Problem::InvalidPosition
            | Problem::InvalidEventId
            | Problem::InvalidArgument(_)
            | Problem::DownloadTooLarge(_) => BAD_USER_INPUT,
            Problem::AccountNotFound
            | Problem::TransferNotFound
            | Problem::DeadLetterNotFound
            | Problem::StatementNotIssued
            | Problem::FileNotFound
            | Problem::UserNotFound => "not_found",
            Problem::Unauthenticated
            | Problem::Forbidden(_)
            | Problem::PersistedQueryNotFound
            | Problem::IntrospectionDisabled
            | Problem::TooLarge
            | Problem::UpgradeRequired
            | Problem::ProjectionBehind(_)
            | Problem::Timeout
            | Problem::Link(_)
            | Problem::RangeNotSatisfiable(_)
            | Problem::FilesUnavailable
            | Problem::Live(_)
            | Problem::TooManySubscriptions
            | Problem::DatabaseUnavailable
            | Problem::ArchiveUnavailable
            | Problem::ArchiveDamaged
            | Problem::ConnectionLost
            | Problem::EventStoreUnavailable
            | Problem::Internal => self.0.code(),
        }
    }
}

/// The client's mistake, in the query or its arguments.
pub(super) const BAD_USER_INPUT: &str = "bad_user_input";

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let error = Self::new(failure.0.to_string())
            .extend_with(|_, extensions| extensions.set("code", failure.code()));
        Self { source: Some(Arc::new(failure.0)), ..error }
    }
}

/// True when something of an answer is missing because a connection ended.
pub(crate) fn has_lost_connection(answer: &Response) -> bool {
    answer.errors.iter().any(|error| error.source() == Some(&Problem::ConnectionLost))
}

/// A failure of the whole request.
pub(crate) fn response(problem: Problem) -> Response {
    Response::from_errors(vec![server_error(problem)])
}

pub(super) fn server_error(problem: Problem) -> ServerError {
    let failure = Failure(problem);
    coded(ServerError::new(failure.0.to_string(), None), failure.code())
}

/// Gives an error a code unless it has one.
pub(super) fn coded(mut error: ServerError, code: &'static str) -> ServerError {
    let extensions = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
    if extensions.get("code").is_none() {
        extensions.set("code", code);
    }
    error
}
