//! The one place where a refusal or a failure becomes an HTTP answer: RFC 9457 problem details with a stable `code`.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use ledger_core::text::REFERENCE_CHARS_MAX;
use ledger_core::{Position, Rejection, TransferId};
use ledger_streams::{KeyError, StoreError};
use problem_details::ProblemDetails;
use serde::Serialize;

/// Members beside RFC 9457's own.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Extensions {
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    transfer_id: Option<TransferId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<Position>,
}

/// An answer that says no, or not now.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    extensions: Extensions,
    replayed: bool,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            extensions: Extensions { code, ..Extensions::default() },
            replayed: false,
        }
    }

    pub(crate) fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// Not now. Sending the same request again is safe, and goes on where this one stopped.
    pub(crate) fn unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "event_store_unavailable",
            "The event store takes no writes at the moment. Sending the same request again is safe.",
        )
    }

    pub(crate) fn forbidden(detail: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// A refusal about what the path names: what is not there is 404.
    pub(crate) fn of_resource(rejection: Rejection) -> Self {
        match rejection {
            Rejection::AccountNotFound
            | Rejection::UserNotFound
            | Rejection::TransferNotParked
            | Rejection::WebhookNotFound => {
                Self::new(StatusCode::NOT_FOUND, rejection.code(), rejection.message())
            }
            _ => rejection.into(),
        }
    }

    /// Names the row of an import it is about.
    pub(crate) fn in_row(mut self, index: usize, reference: &str) -> Self {
        let reference: String = reference.chars().take(REFERENCE_CHARS_MAX).collect();
        self.detail = format!("Row {index} ('{reference}'): {}", self.detail);
        self
    }

    /// A refusal that is on record as a transfer.
    pub(crate) fn of_transfer(
        rejection: Rejection,
        id: TransferId,
        position: Position,
        replayed: bool,
    ) -> Self {
        let mut problem = Self::from(rejection);
        problem.extensions.transfer_id = Some(id);
        problem.extensions.position = Some(position);
        problem.replayed = replayed;
        problem
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let status = match rejection {
            Rejection::IdempotencyKeyReused
            | Rejection::ReferenceTaken
            | Rejection::AccountExists
            | Rejection::UserExists
            | Rejection::WebhookExists
            | Rejection::TooManyWebhooks
            | Rejection::TransferNotParked
            | Rejection::AlreadyResolved => StatusCode::CONFLICT,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, rejection.code(), rejection.message())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::TooLarge(_) => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The request is too large.")
            }
            error if error.is_transient() => {
                tracing::warn!(%error, "a command was not taken");
                Self::unavailable()
            }
            error => {
                tracing::error!(%error, "a command failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something is broken on our side.")
            }
        }
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        tracing::error!(%error, "a key could not be used");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something is broken on our side.")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = ProblemDetails::from_status_code(self.status)
            .with_detail(self.detail)
            .with_extensions(self.extensions)
            .into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.replayed {
            headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
        }
        response
    }
}
