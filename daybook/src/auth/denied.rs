//! Why a caller is not let in.

use axum::response::{IntoResponse, Response};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};

use crate::http::problem;

/// Why a caller is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No token.
    #[error("this needs a token: send the header `Authorization: Bearer TOKEN` (`daybook token` makes one)")]
    Missing,
    /// Another scheme than Bearer, or not readable.
    #[error("the Authorization header is not of the form `Bearer TOKEN`")]
    Malformed,
    /// Signed by somebody else, changed, or not a token.
    #[error("this token was not made by this server's issuer, or was changed")]
    Invalid,
    /// Too old.
    #[error("this token has expired: get a new one")]
    Expired,
}

impl Denied {
    /// The problem's code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing | Self::Malformed => "unauthenticated",
            Self::Invalid => "token_invalid",
            Self::Expired => "token_expired",
        }
    }

    /// RFC 6750: a request without a token hears the scheme, a bad token also what is wrong.
    const fn challenge(self) -> &'static str {
        match self {
            Self::Missing => r#"Bearer realm="daybook""#,
            Self::Malformed => r#"Bearer realm="daybook", error="invalid_request""#,
            Self::Invalid => r#"Bearer realm="daybook", error="invalid_token""#,
            Self::Expired => r#"Bearer realm="daybook", error="invalid_token", error_description="expired""#,
        }
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let mut response = problem(StatusCode::UNAUTHORIZED, self.code(), self.to_string());
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(self.challenge()));
        response
    }
}
