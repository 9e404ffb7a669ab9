//! Checks tokens, remembering those it has checked: a signature costs microseconds, a look-up a tenth of one.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use ledger_core::{Actor, Role};
use quick_cache::sync::Cache;

use super::{Claims, Denied, ISSUER};

/// Tokens remembered, about half a kilobyte each.
const REMEMBERED_TOKENS: usize = 8_192;
/// Tokens above this length are refused unread; ours have about 250 bytes.
const TOKEN_BYTES_MAX: usize = 4_096;

/// Checks the tokens of one issuer.
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
    /// Tokens whose signature was right, with what they say. Only good ones get in, so bad ones cannot push them out.
    verified: Cache<Box<str>, Arc<Verified>>,
}

struct Verified {
    actor: Actor,
    expires_at: u64,
}

impl Verifier {
    pub(super) fn new(secret: &[u8]) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        // Checked below against the caller's clock, for remembered tokens as for new ones.
        validation.validate_exp = false;
        Self { key: DecodingKey::from_secret(secret), validation, verified: Cache::new(REMEMBERED_TOKENS) }
    }

    /// Who the token's bearer is, at `now` (seconds since the UNIX epoch).
    ///
    /// # Errors
    /// [`Denied::Invalid`] when this issuer did not sign it, [`Denied::Expired`].
    pub fn verify(&self, token: &str, now: u64) -> Result<Actor, Denied> {
        let verified = match self.verified.get(token) {
            Some(verified) => verified,
            None => self.check(token, now)?,
        };
        if now < verified.expires_at { Ok(verified.actor.clone()) } else { Err(Denied::Expired) }
    }

    fn check(&self, token: &str, now: u64) -> Result<Arc<Verified>, Denied> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Denied::Invalid);
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation)
            .map_err(|_| Denied::Invalid)?
            .claims;
        if claims.role == Role::Customer && claims.user_id.is_none() {
            return Err(Denied::Invalid);
        }
        let verified = Arc::new(Verified {
            actor: Actor { subject: claims.sub, role: claims.role, user_id: claims.user_id },
            expires_at: claims.exp,
        });
        if now < verified.expires_at {
            self.verified.insert(token.into(), Arc::clone(&verified));
        }
        Ok(verified)
    }
}
