//! Who is asking: bearer tokens of the local issuer, made here and checked here.

mod denied;
mod gate;
mod issuer;
mod secret;
#[cfg(test)]
mod tests;
mod verifier;

pub use denied::Denied;
pub use gate::authenticate;
pub use issuer::{Issuer, IssuerError};
pub use secret::{SECRET_BYTES, SecretError, files_secret};
pub use verifier::Verifier;

use ledger_core::{Role, UserId};
use serde::{Deserialize, Serialize};

/// The `iss` claim of this issuer's tokens.
const ISSUER: &str = "daybook";

/// What a token says.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    /// Seconds since the UNIX epoch.
    iat: u64,
    /// Seconds since the UNIX epoch; from then on the token is refused.
    exp: u64,
}

/// Seconds since the UNIX epoch.
#[must_use]
pub fn unix_seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
