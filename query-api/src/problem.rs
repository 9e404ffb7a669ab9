//! What goes wrong, as RFC 9457 problems with a stable `code`. The one place where an error becomes a status.

use axum::response::{IntoResponse, Response};
use file_store::{FileError, Refusal};
use http::{HeaderValue, StatusCode, header};
use ledger_core::MonthError;
use ledger_core::id::IdError;
use ledger_streams::StoreError;
use problem_details::ProblemDetails;
use serde::Serialize;
use utoipa::ToSchema;

use crate::connection::PageError;
use crate::freshness::Behind;
use crate::limits::DOWNLOAD_BYTES_MAX;
use crate::live::LiveError;
use crate::read_models::ReadError;
use crate::read_models::user::OpenError;

/// Everything a read route may answer instead of data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("Send a bearer token.")]
    Unauthenticated,
    #[error("{0}")]
    Forbidden(&'static str),
    #[error("There is no such account.")]
    AccountNotFound,
    #[error(
        "There is no such transfer. If it was asked for just now, send the position of that answer in the header X-Daybook-Position."
    )]
    TransferNotFound,
    #[error("This transfer was never parked.")]
    DeadLetterNotFound,
    #[error("There is no statement of this month yet: it comes when the bank has closed the month.")]
    StatementNotIssued,
    #[error("There is no such file.")]
    FileNotFound,
    #[error("{0}")]
    Link(#[from] Refusal),
    #[error("The file has {0} bytes, and nothing of it was asked for.")]
    RangeNotSatisfiable(u64),
    #[error("Files cannot be read at the moment. Try again in a moment.")]
    FilesUnavailable,
    #[error("There is no such user.")]
    UserNotFound,
    #[error("{0}")]
    InvalidId(String),
    #[error("{0}")]
    InvalidMonth(#[from] MonthError),
    #[error("The path is not UTF-8 text.")]
    InvalidPath,
    #[error("{0}")]
    InvalidPage(PageError),
    #[error("{0}")]
    InvalidQuery(String),
    #[error("{0}")]
    InvalidArgument(&'static str),
    #[error(
        "The statements of these months have {0} bytes together, and one download at most {max}. Ask for fewer months, or for each alone.",
        max = DOWNLOAD_BYTES_MAX
    )]
    DownloadTooLarge(u64),
    /// In Apollo's words, which its clients look for.
    #[error("PersistedQueryNotFound")]
    PersistedQueryNotFound,
    #[error("This server does not describe its schema; it is in schemas/graphql.")]
    IntrospectionDisabled,
    #[error(
        "The header Last-Event-ID, or 'after', must be a position as the ledger gave it: a decimal number."
    )]
    InvalidEventId,
    #[error("The header X-Daybook-Position must be a position as the ledger gave it: a decimal number.")]
    InvalidPosition,
    #[error("A GraphQL request is at most 64 KiB.")]
    TooLarge,
    #[error(
        "Subscriptions come by WebSocket, protocol graphql-transport-ws, or with Accept: text/event-stream; send queries by POST."
    )]
    UpgradeRequired,
    #[error("{0}")]
    ProjectionBehind(#[from] Behind),
    #[error("The query took too long.")]
    Timeout,
    #[error("{0}")]
    Live(#[from] LiveError),
    #[error("This connection has all the subscriptions it may have.")]
    TooManySubscriptions,
    #[error("The read models' database does not answer at the moment. Try again in a moment.")]
    DatabaseUnavailable,
    #[error("The archive of old months does not answer at the moment. Try again in a moment.")]
    ArchiveUnavailable,
    #[error("A file of the archive is not what was written; it is logged. Other months can be read.")]
    ArchiveDamaged,
    /// The same, where the database may be there again: a connection to it ended.
    #[error("The read models' database does not answer at the moment. Try again in a moment.")]
    ConnectionLost,
    #[error("The event store does not answer at the moment. Try again in a moment.")]
    EventStoreUnavailable,
    #[error("Something is broken on our side; it is logged.")]
    Internal,
}

impl Problem {
    const fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
            Self::AccountNotFound => (StatusCode::NOT_FOUND, "account_not_found"),
            Self::TransferNotFound => (StatusCode::NOT_FOUND, "transfer_not_found"),
            Self::DeadLetterNotFound => (StatusCode::NOT_FOUND, "dead_letter_not_found"),
            Self::StatementNotIssued => (StatusCode::NOT_FOUND, "statement_not_issued"),
            Self::FileNotFound => (StatusCode::NOT_FOUND, "file_not_found"),
            Self::Link(Refusal::Unsigned) => (StatusCode::FORBIDDEN, "link_invalid"),
            Self::Link(Refusal::Expired) => (StatusCode::GONE, "link_expired"),
            Self::RangeNotSatisfiable(_) => (StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable"),
            Self::FilesUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "files_unavailable"),
            Self::UserNotFound => (StatusCode::NOT_FOUND, "user_not_found"),
            Self::InvalidId(_) => (StatusCode::BAD_REQUEST, "invalid_id"),
            Self::InvalidMonth(_) => (StatusCode::BAD_REQUEST, "invalid_month"),
            Self::InvalidPath => (StatusCode::BAD_REQUEST, "invalid_path"),
            Self::InvalidPage(PageError::Cursor { .. }) => (StatusCode::BAD_REQUEST, "invalid_cursor"),
            Self::InvalidPage(_) => (StatusCode::BAD_REQUEST, "invalid_page"),
            Self::InvalidQuery(_) => (StatusCode::BAD_REQUEST, "invalid_query"),
            Self::InvalidArgument(_) => (StatusCode::BAD_REQUEST, "invalid_argument"),
            Self::DownloadTooLarge(_) => (StatusCode::BAD_REQUEST, "download_too_large"),
            Self::InvalidPosition => (StatusCode::BAD_REQUEST, "invalid_position"),
            Self::PersistedQueryNotFound => (StatusCode::BAD_REQUEST, "PERSISTED_QUERY_NOT_FOUND"),
            Self::IntrospectionDisabled => (StatusCode::FORBIDDEN, "introspection_disabled"),
            Self::InvalidEventId => (StatusCode::BAD_REQUEST, "invalid_position"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::UpgradeRequired => (StatusCode::UPGRADE_REQUIRED, "upgrade_required"),
            Self::ProjectionBehind(_) => (StatusCode::SERVICE_UNAVAILABLE, "projection_behind"),
            Self::Timeout => (StatusCode::SERVICE_UNAVAILABLE, "timeout"),
            Self::Live(LiveError::TooSlow) => (StatusCode::SERVICE_UNAVAILABLE, "subscriber_too_slow"),
            Self::Live(LiveError::Interrupted) => (StatusCode::SERVICE_UNAVAILABLE, "interrupted"),
            Self::Live(LiveError::TooFar) => (StatusCode::BAD_REQUEST, "resume_too_far"),
            Self::TooManySubscriptions => (StatusCode::TOO_MANY_REQUESTS, "too_many_subscriptions"),
            Self::DatabaseUnavailable | Self::ConnectionLost => {
                (StatusCode::SERVICE_UNAVAILABLE, "database_unavailable")
            }
            Self::ArchiveUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "archive_unavailable"),
            Self::ArchiveDamaged => (StatusCode::SERVICE_UNAVAILABLE, "archive_damaged"),
            Self::EventStoreUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "event_store_unavailable"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    /// A text that is no id.
    pub(crate) fn invalid_id(error: &IdError) -> Self {
        Self::InvalidId(error.to_string())
    }

    /// The stable code.
    pub(crate) const fn code(&self) -> &'static str {
        self.status_and_code().1
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        if error.is_timeout() {
            tracing::warn!(%error, "a read model took too long to read");
            Self::Timeout
        } else if error.is_outage() {
            tracing::warn!(%error, "a read model could not be read now");
            if error.is_lost_connection() { Self::ConnectionLost } else { Self::DatabaseUnavailable }
        } else if error.is_archive_outage() {
            tracing::warn!(%error, "an archived month could not be read now");
            Self::ArchiveUnavailable
        } else if error.is_archive_damage() {
            tracing::error!(%error, "the archive is damaged");
            Self::ArchiveDamaged
        } else {
            tracing::error!(%error, "a read model could not be read");
            Self::Internal
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            tracing::warn!(%error, "the event store could not be read now");
            return Self::EventStoreUnavailable;
        }
        tracing::error!(%error, "the event store could not be read");
        Self::Internal
    }
}

impl From<FileError> for Problem {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Missing(_) => Self::FileNotFound,
            FileError::Changed(_) | FileError::Short { .. } | FileError::Failed { .. } => {
                tracing::error!(%error, "a file could not be read");
                Self::FilesUnavailable
            }
        }
    }
}

impl From<OpenError> for Problem {
    /// Logged where it happened.
    fn from(_: OpenError) -> Self {
        Self::Internal
    }
}

impl From<PageError> for Problem {
    fn from(error: PageError) -> Self {
        Self::InvalidPage(error)
    }
}

#[derive(Serialize)]
struct Code {
    code: &'static str,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        let body = ProblemDetails::from_status_code(status)
            .with_detail(self.to_string())
            .with_extensions(Code { code });
        let mut response = body.into_response();
        let always = |value| Some(HeaderValue::from_static(value));
        let (name, value) = match self {
            _ if status == StatusCode::SERVICE_UNAVAILABLE => (header::RETRY_AFTER, always("1")),
            Self::Unauthenticated => (header::WWW_AUTHENTICATE, always("Bearer")),
            Self::UpgradeRequired => (header::UPGRADE, always("websocket")),
            Self::RangeNotSatisfiable(bytes) => {
                (header::CONTENT_RANGE, format!("bytes */{bytes}").parse().ok())
            }
            _ => return response,
        };
        response.headers_mut().extend(value.map(|value| (name, value)));
        response
    }
}

/// A problem as OpenAPI describes it (RFC 9457, `application/problem+json`).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// The status in words.
    #[schema(example = "Not Found")]
    title: String,
    /// What is wrong here, for people.
    detail: String,
    /// What is wrong here, for programs; never changes.
    #[schema(example = "account_not_found")]
    code: String,
}
