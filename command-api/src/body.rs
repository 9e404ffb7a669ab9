//! What comes in: JSON bodies, ids in paths, amounts and keys, each refused with a precise problem.

use std::fmt;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Path, Request};
use http::StatusCode;
use http::header::{self, HeaderMap};
use http::request::Parts;
use ledger_core::text::{
    DESCRIPTION_CHARS_MAX, IDEMPOTENCY_KEY_CHARS_MAX, REFERENCE_CHARS_MAX, RESOLUTION_REASON_CHARS_MAX,
    is_plain,
};
use ledger_core::{Currency, Money};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, Visitor};

use crate::problem::Problem;

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let bytes = bytes(request, state).await?;
        if !is_json {
            return Err(not_json());
        }
        parse(&bytes)
    }
}

/// A JSON body that may be left out.
impl<S: Send + Sync, T: DeserializeOwned> OptionalFromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        let is_json = is_json(request.headers());
        let bytes = bytes(request, state).await?;
        match (bytes.is_empty(), is_json) {
            (true, _) => Ok(None),
            (false, true) => parse(&bytes).map(Some),
            (false, false) => Err(not_json()),
        }
    }
}

async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large.")
        } else {
            Problem::bad_request("unreadable_body", rejection.body_text())
        }
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn not_json() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "Send the body as JSON, with Content-Type: application/json.",
    )
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<Body<T>, Problem> {
    // serde would take an array for a struct, field by field; no client means that.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(Problem::bad_request("invalid_body", "The body must be a JSON object."));
    }
    match Json::from_bytes(bytes) {
        Ok(Json(body)) => Ok(Body(body)),
        Err(rejection @ JsonRejection::JsonSyntaxError(_)) => {
            Err(Problem::bad_request("malformed_json", rejection.body_text()))
        }
        Err(rejection) => Err(Problem::bad_request("invalid_body", rejection.body_text())),
    }
}

/// An id in the path.
pub(crate) struct Id<T>(pub(crate) T);

impl<S: Send + Sync, T: std::str::FromStr<Err: fmt::Display>> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::bad_request("invalid_path", rejection.body_text()))?;
        text.parse().map(Self).map_err(|error: T::Err| Problem::bad_request("invalid_id", error.to_string()))
    }
}

/// An amount's text; anything but a string is kept as "not a string", so that the problem can say what an amount looks like.
pub(crate) struct AmountText(Option<String>);

impl<'de> Deserialize<'de> for AmountText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Anything;

        impl<'de> Visitor<'de> for Anything {
            type Value = AmountText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount as a string")
            }

            fn visit_str<E>(self, text: &str) -> Result<AmountText, E> {
                Ok(AmountText(Some(text.to_owned())))
            }

            fn visit_i64<E>(self, _: i64) -> Result<AmountText, E> {
                Ok(AmountText(None))
            }

            fn visit_u64<E>(self, _: u64) -> Result<AmountText, E> {
                Ok(AmountText(None))
            }

            fn visit_f64<E>(self, _: f64) -> Result<AmountText, E> {
                Ok(AmountText(None))
            }

            fn visit_bool<E>(self, _: bool) -> Result<AmountText, E> {
                Ok(AmountText(None))
            }

            fn visit_unit<E>(self) -> Result<AmountText, E> {
                Ok(AmountText(None))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<AmountText, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(AmountText(None))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<AmountText, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(AmountText(None))
            }
        }

        deserializer.deserialize_any(Anything)
    }
}

impl AmountText {
    /// The money it stands for.
    pub(crate) fn money(&self, currency: &str) -> Result<Money, Problem> {
        let currency = self::currency(currency)?;
        let Some(text) = &self.0 else {
            let example = Money::new(1050, currency).amount();
            let detail =
                format!("An amount is a string with exactly the currency's digits, such as \"{example}\".");
            return Err(Problem::bad_request("invalid_amount", detail));
        };
        Money::parse(text, currency)
            .map_err(|error| Problem::bad_request("invalid_amount", error.to_string()))
    }
}

pub(crate) fn currency(code: &str) -> Result<Currency, Problem> {
    Currency::from_code(code).ok_or_else(|| {
        let code: String = code.chars().take(8).collect();
        Problem::bad_request(
            "invalid_currency",
            format!("'{code}' is not an ISO 4217 currency code, such as \"EUR\"."),
        )
    })
}

/// The idempotency key, from the body or from the header; from both only when they agree.
pub(crate) fn idempotency_key(body: Option<String>, headers: &HeaderMap) -> Result<String, Problem> {
    optional_idempotency_key(body, headers)?.ok_or_else(|| {
        Problem::bad_request(
            "missing_idempotency_key",
            "Name this request with an idempotency_key in the body or an Idempotency-Key header, so that it can be repeated safely.",
        )
    })
}

/// As [`idempotency_key`], where it may be left out.
pub(crate) fn optional_idempotency_key(
    body: Option<String>,
    headers: &HeaderMap,
) -> Result<Option<String>, Problem> {
    let header = match headers.get("idempotency-key").map(http::HeaderValue::to_str) {
        Some(Ok(key)) => Some(key),
        Some(Err(_)) => {
            return Err(Problem::bad_request(
                "invalid_idempotency_key",
                "The Idempotency-Key header is not plain text.",
            ));
        }
        None => None,
    };
    let key = match (body, header) {
        (Some(body), Some(header)) if body != header => {
            return Err(Problem::bad_request(
                "invalid_idempotency_key",
                "The body's idempotency_key and the Idempotency-Key header differ.",
            ));
        }
        (Some(key), _) => key,
        (None, Some(key)) => key.to_owned(),
        (None, None) => return Ok(None),
    };
    plain("idempotency_key", "invalid_idempotency_key", &key, IDEMPOTENCY_KEY_CHARS_MAX)?;
    Ok(Some(key))
}

pub(crate) fn description(text: Option<&String>) -> Result<(), Problem> {
    text.map_or(Ok(()), |text| plain("description", "invalid_description", text, DESCRIPTION_CHARS_MAX))
}

pub(crate) fn reference(text: Option<&String>) -> Result<(), Problem> {
    text.map_or(Ok(()), |text| plain("reference", "invalid_reference", text, REFERENCE_CHARS_MAX))
}

/// Why an operator says something of a parked transfer.
pub(crate) fn resolution_reason(text: &str) -> Result<(), Problem> {
    plain("reason", "invalid_reason", text, RESOLUTION_REASON_CHARS_MAX)
}

/// An account's own reference; those of the bank's own accounts are reserved.
pub(crate) fn account_reference(text: Option<&String>) -> Result<(), Problem> {
    reference(text)?;
    if text.is_some_and(|text| text.starts_with("settlement:")) {
        let detail = "References that begin with \"settlement:\" are the bank's own accounts'.";
        return Err(Problem::bad_request("invalid_reference", detail));
    }
    Ok(())
}

pub(crate) fn plain(field: &str, code: &'static str, text: &str, chars_max: usize) -> Result<(), Problem> {
    if is_plain(text, chars_max) {
        return Ok(());
    }
    let detail = format!("{field} must have 1 to {chars_max} characters and no control characters.");
    Err(Problem::bad_request(code, detail))
}
