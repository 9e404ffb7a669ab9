//! The local issuer: one secret in the data directory, tokens signed with it.

use std::path::Path;
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ledger_core::Actor;

use super::secret::{self, SECRET_BYTES, SecretError};
use super::{Claims, ISSUER, Verifier};

/// Signs tokens with the secret in `DIR/secrets/issuer.key`.
pub struct Issuer {
    secret: [u8; SECRET_BYTES],
}

/// Why there is no issuer, or no token.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The secret cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Signing failed.
    #[error("cannot sign the token: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

impl Issuer {
    /// The issuer of a data directory; its secret is made on first use. Safe to call from several processes at once.
    ///
    /// # Errors
    /// When the secret cannot be read or made, or is not kept secret.
    pub fn open(data_dir: &Path) -> Result<Self, IssuerError> {
        let secret = secret::open(
            &data_dir.join("secrets").join("issuer.key"),
            "token issuer's key",
            "all tokens made so far then stop working",
        )?;
        Ok(Self { secret })
    }

    /// A token for `actor`, valid from `now` (seconds since the UNIX epoch) for `ttl`.
    ///
    /// # Errors
    /// [`IssuerError::Sign`].
    pub fn token(&self, actor: &Actor, now: u64, ttl: Duration) -> Result<String, IssuerError> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: actor.subject.clone(),
            role: actor.role,
            user_id: actor.user_id,
            iat: now,
            exp: now.saturating_add(ttl.as_secs()),
        };
        let key = EncodingKey::from_secret(&self.secret);
        Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)?)
    }

    /// What checks this issuer's tokens.
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        Verifier::new(&self.secret)
    }
}
