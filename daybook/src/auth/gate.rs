//! Which requests need a token, and who they come from.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use ledger_core::Actor;

use super::{Denied, Verifier};

/// The caller of a request to `path`; `None` where everybody is welcome.
///
/// # Errors
/// When the path needs a token and the headers bring no good one.
pub fn authenticate(
    verifier: &Verifier,
    path: &str,
    headers: &HeaderMap,
    now: u64,
) -> Result<Option<Actor>, Denied> {
    if is_open(path) {
        return Ok(None);
    }
    let header = headers.get(AUTHORIZATION).ok_or(Denied::Missing)?;
    let (scheme, token) =
        header.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Denied::Malformed)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Denied::Malformed);
    }
    verifier.verify(token.trim(), now).map(Some)
}

/// True for what is outside `/api` and `/graphql`, for the API's own description, and for links to files, which are signed.
fn is_open(path: &str) -> bool {
    let guarded =
        path == "/graphql" || path.starts_with("/graphql/") || path == "/api" || path.starts_with("/api/");
    !guarded || path == "/api/v1/openapi.json" || path.starts_with(file_store::FILES_ROUTE)
}
